"""The command as a whole: help, version, light imports, and how it ends."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from dlx.cli import app as cli
from dlx.native import library
from tests.cli.conftest import Command, start

HEAVY = (
    "torch",
    "torchvision",
    "sklearn",
    "tensorboard",
    "pandas",
    "matplotlib",
    "scipy",
    "numpy",
    "pydantic",
    "yaml",
    "rich",
)
COUNT = """
import resource, sys
from dlx.cli import main
code = main(["--help"])
usage = resource.getrusage(resource.RUSAGE_SELF)
heavy = [name for name in sys.argv[1:] if name in sys.modules]
print(code, len(sys.modules), usage.ru_utime + usage.ru_stime, *heavy, file=sys.stderr)
"""


def commands(command: object, path: str = "dlx") -> dict[str, object]:
    by_path = {path: command}
    for name, inner in getattr(command, "commands", {}).items():
        by_path |= commands(inner, f"{path} {name}")
    return by_path


COMMANDS = commands(cli._command)


def help_of(path: str, dlx: Command) -> str:
    ended = dlx(*path.split()[1:], "--help")
    assert ended.code == 0
    return ended.out


def test_help_is_light() -> None:
    command = [sys.executable, "-c", COUNT, *HEAVY]
    answers = [subprocess.run(command, capture_output=True, text=True) for _ in range(3)]
    measured = [answer.stderr.split() for answer in answers]
    assert {(code, tuple(heavy)) for code, _, _, *heavy in measured} == {("0", ())}
    assert int(measured[0][1]) < 250
    assert min(float(seconds) for _, _, seconds in measured) < 0.3
    assert "dlx train digits" in answers[0].stdout


def test_version(dlx: Command) -> None:
    ended = dlx("--version")
    assert (ended.code, ended.err) == (0, "")
    assert re.fullmatch(r"dlx \d+\.\d+\.\d+ \(native engine: v\d\)\n", ended.out)


def test_version_says_why_there_is_no_native_engine(
    dlx: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(library, "LIBRARIES", tmp_path)
    library.forget()
    ended = dlx("--version")
    library.forget()
    assert re.match(r"dlx .* \(native engine: none, since the native library was not", ended.out)


@pytest.mark.parametrize("path", COMMANDS)
def test_summaries_are_shown_whole(path: str, dlx: Command) -> None:
    assert "..." not in help_of(path, dlx).partition("\n")[2]


@pytest.mark.parametrize("path", COMMANDS)
def test_examples_of_the_help_are_valid(path: str, dlx: Command) -> None:
    examples = re.findall(r"^ +dlx( .*)?$", help_of(path, dlx), re.MULTILINE)
    if path not in ("dlx runs", "dlx config", "dlx data", "dlx data list"):
        assert examples
    for example in examples:
        words = shlex.split(re.split(r" &&| >|   ", example)[0])
        command, name = cli._command, "dlx"
        while words and words[0] in getattr(command, "commands", {}):
            name = words.pop(0)
            command = command.commands[name]  # type: ignore[attr-defined]
        command.make_context(name, words)


def test_a_group_alone_prints_its_help(dlx: Command) -> None:
    ended = dlx("config")
    assert ended.code == 2
    assert "Usage: dlx config" in ended.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], r"error: no such command 'trian'\..*'train'\? \(see `dlx --help`\)\n"),
        (["train"], r"error: missing argument 'CONFIG' \(see `dlx train --help`\)\n"),
        (
            ["train", "xor", "--epochs", "5"],
            r"error: no such option: --epochs.* train\.epochs=VALUE .*\n",
        ),
        (["ablate", "xor", "--lr", "1"], r"error: no such option: --lr.* optimizer\.lr=VALUE .*\n"),
        (["predict", "r", "a.png", "b.png"], r"error: .*b\.png.*; of several images name the .*\n"),
        (["train", "xor", "--sed", "3"], r"error: no such option: --sed.*--seed.*\n"),
        (["train", "xor", "--seed", "x"], r"error: invalid value for '--seed': .*integer.*\n"),
        (["evaluate", "xor", "--split", "tst"], r"error: invalid value for '--split': .*\n"),
    ],
)
def test_usage_errors_look_like_all_others(
    arguments: list[str], message: str, dlx: Command
) -> None:
    ended = dlx(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert re.fullmatch(message, ended.err)


def fails_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr("dlx.report.run_list.summaries", fail)


def test_a_bug_shows_its_traceback(dlx: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    fails_with(ZeroDivisionError("a bug"), monkeypatch)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        dlx("runs")


def test_ctrl_c_outside_training(dlx: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    fails_with(KeyboardInterrupt(), monkeypatch)
    assert dlx("runs").code == 130


def test_a_full_disk_anywhere(dlx: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    fails_with(OSError(28, "No space left on device", "some/file"), monkeypatch)
    ended = dlx("runs")
    assert (ended.code, ended.err) == (9, "error: some/file: No space left on device\n")


def test_another_os_error_is_a_bug(dlx: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    fails_with(FileNotFoundError(2, "No such file", "lost"), monkeypatch)
    with pytest.raises(FileNotFoundError):
        dlx("runs")


def test_out_of_memory_anywhere(dlx: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    fails_with(MemoryError("too large"), monkeypatch)
    ended = dlx("runs")
    assert ended.code == 6
    assert ended.err == (
        "error: out of memory: too large; smaller layers, batches or data need less\n"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="closes streams by a shell")
def test_streams_that_are_closed_at_the_start(tmp_path: Path) -> None:
    """No file of a run may get the number of one, and be written to by what prints."""
    code = "import dlx.__main__ as m; m._open_streams(); print(open('file', 'w').fileno() > 2)"
    for words, out in (("-m dlx init >&-", ""), (f'-c "{code}" <&-', "True\n")):
        for closed in ("", "<&- 2>&-"):
            command = ["sh", "-c", f'exec "$0" {words} {closed}', sys.executable]
            ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
            assert (ended.returncode, ended.stdout, ended.stderr) == (0, out, "")


def test_output_to_a_full_disk(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        started = start("init", cwd=tmp_path, stdout=full)
        _, err = started.communicate(timeout=60)
    assert started.returncode == 9
    assert err == "error: the output cannot be written: No space left on device\n"


@pytest.mark.skipif(sys.platform != "linux", reason="limits the addresses of a process")
def test_less_memory_than_libraries_need_to_begin(tmp_path: Path) -> None:
    """OpenBLAS waited for ever at 300 MB, and ended the process without a word at 150.

    With torch, built for CUDA, the process was aborted at 3,200 and waited for ever at 3,600.
    """
    few = [(150, "runs"), (300, "runs"), (600, "train moons")]
    for megabytes, words in few:
        command = f'ulimit -v {1024 * megabytes}; exec "$0" -m dlx {words}'
        ended = subprocess.run(
            ["sh", "-c", command, sys.executable], cwd=tmp_path, capture_output=True, text=True
        )
        assert (ended.returncode, ended.stdout) == (6, "")
        assert ended.stderr.startswith("error: out of memory: ")
        assert ended.stderr.endswith("; raise the limit on the process (ulimit -v)\n")


@pytest.mark.parametrize(
    "words", [["config", "schema"], ["--help"], ["init", "--help"]], ids=" ".join
)
def test_a_reader_that_has_gone_is_no_error(words: list[str], tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    started = start(*words, cwd=tmp_path, stdout=writer)
    os.close(writer)
    assert (started.communicate(timeout=60)[1], started.returncode) == ("", 0)


def test_an_error_that_nobody_can_read_has_its_exit_code(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        started = start("runs", "--oops", cwd=tmp_path, stderr=full)
        started.communicate(timeout=60)
    assert started.returncode == 2


@pytest.mark.slow("dlx/cli/", "dlx/registry.py", "dlx/__main__.py")
def test_a_python_without_docstrings_and_another_programs_backend(tmp_path: Path) -> None:
    changes = ["train.steps=3", "--runs-dir", str(tmp_path)]
    command = [sys.executable, "-OO", "-m", "dlx", "train", "moons", *changes]
    environment = os.environ | {"MPLBACKEND": "module://of_a_notebook"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert [*tmp_path.glob("moons/*/figures/*.png")]

"""What the shell completes, asked as bash does."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import shellingham

from dlx.cli import completion
from dlx.cli.app import main
from dlx.errors import StorageError
from tests.guarded import COMMANDS
from tests.report.runs_on_disk import write_run


def completed(folder: Path, line: str) -> list[str]:
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    asked = os.environ | words | {"_DLX_COMPLETE": "complete_bash"}
    command = [sys.executable, "-c", "from dlx.cli.app import main; main()"]
    ended = subprocess.run(command, cwd=folder, env=asked, capture_output=True, text=True)
    assert not ended.stderr
    return ended.stdout.split()


@pytest.mark.slow(*COMMANDS)
def test_configs_keys_names_and_runs_are_completed(tmp_path: Path) -> None:
    write_run(tmp_path / "runs", name="mine")
    (tmp_path / "dials.yaml").write_text("data: digits\n")
    assert completed(tmp_path, "dlx train di") == ["digits", "dials.yaml"]
    keys = completed(tmp_path, "dlx train digits optimizer.")
    assert "optimizer.lr=" in keys and all(key.startswith("optimizer.") for key in keys)
    assert "model.activation=relu" in completed(tmp_path, "dlx train digits model.activation=r")
    assert completed(tmp_path, "dlx diagnose mi") == ["mine"]
    [folder] = (tmp_path / "runs" / "mine").iterdir()
    assert completed(tmp_path, "dlx evaluate runs/m") == [str(folder.relative_to(tmp_path))]
    assert completed(tmp_path, "dlx train nothing optimizer.") == []
    assert completed(tmp_path, "dlx train digits train.batch_s") == [
        "train.batch_size=",
        "train.batch_size=64",
    ]


def test_what_a_shell_would_execute_or_take_apart_is_not_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [
        "a$(id)",
        "a`id`",
        "a;id",
        "a b",
        "a'",
        'a"',
        "a\n",
        "a\x1b[1m",
        "a>b",
        "a\\",
        "-a",
        "a\udcff",
    ]
    for name in [*names, "aé_1.5@x:y=z"]:
        (tmp_path / f"{name}.yaml").touch()
    monkeypatch.chdir(tmp_path)
    files = [name for name in completion.configs("") if name.endswith(".yaml")]
    assert files == ["aé_1.5@x:y=z.yaml"]


@pytest.mark.parametrize("home", ["a file", "missing/in/proc"])
def test_a_home_that_cannot_be_written_is_told(
    home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a file").touch()
    folder = tmp_path / home if home == "a file" else Path("/proc/nothing")
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setattr(shellingham, "detect_shell", lambda: ("bash", "/bin/bash"))
    assert main(["--install-completion"]) == StorageError.exit_code
    assert f"error: --install-completion: {folder}" in capsys.readouterr().err


def typed(folder: Path, lines: list[str]) -> list[str]:
    """Return what a bash with dlx's script makes of lines at whose ends Tab is pressed."""
    program = folder / "bin" / "dlx"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m dlx "$@"\n')
    program.chmod(0o755)
    paths = {"PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": str(Path.cwd())}
    terminal, inner = pty.openpty()
    shell = subprocess.Popen(
        ["bash", "--norc", "--noprofile", "-i"],
        cwd=folder,
        env=os.environ | paths | {"PS1": "$ ", "TERM": "dumb"},
        stdin=inner,
        stdout=inner,
        stderr=inner,
        start_new_session=True,
    )

    def until(end: str) -> str:
        text, last = "", time.monotonic() + 60
        while end not in text and time.monotonic() < last:
            if select.select([terminal], [], [], 0.2)[0]:
                text += os.read(terminal, 2**16).decode()
        return text

    try:
        os.write(terminal, b'eval "$(dlx --show-completion bash)"; echo REA""DY\n')
        assert "READY" in until("READY\r\n")
        results = []
        for line in lines:
            # Tab, then the line is made the text of an echo, which is sent.
            os.write(terminal, line.encode() + b"\t\x01echo 'I have <\x05>'\n")
            text = until(">\r\n")
            results.append(text.rpartition("\r\nI have <")[2].partition(">\r\n")[0])
        return results
    finally:
        shell.kill()
        shell.wait()
        os.close(terminal)
        os.close(inner)


@pytest.mark.slow(*COMMANDS)
@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes_what_it_takes_apart(tmp_path: Path) -> None:
    write_run(tmp_path / "runs", name="mine")
    lines = {
        "dlx train di": "dlx train digits ",
        "dlx train digits optimizer.name=rms": "dlx train digits optimizer.name=rmsprop ",
        "dlx train digits seed=3 model.activation=ta": (
            "dlx train digits seed=3 model.activation=tanh "
        ),
        "dlx train digits optimizer.l": "dlx train digits optimizer.lr=",
        "dlx train digits optimizer.lr=": "dlx train digits optimizer.lr=0.002 ",
        "dlx diagnose mi": "dlx diagnose mine ",
    }
    assert typed(tmp_path, list(lines)) == list(lines.values())

"""`dlx --plugin`: a user's names on the command line, each command in a process of its own."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlx.stopping import interrupting
from tests.cli.conftest import Command, Ended, environment, only_run
from tests.guarded import COMMANDS, DOCUMENTS, RUNS
from tests.shown_files import write_example

PLUGIN = ("--plugin", "my_layers.py")


@pytest.fixture
def example(tmp_path: Path) -> Path:
    return write_example(tmp_path)


@pytest.mark.slow(*DOCUMENTS)
@pytest.mark.usefixtures("forgotten")
def test_a_run_with_a_plugin_from_start_to_export(
    process: Command, dlx: Command, example: Path
) -> None:
    trained = process(*PLUGIN, "train", "rings.yaml", "--json")
    assert trained.code == 0, trained.err
    run = Path(trained.json["run"])
    refused = dlx("resume", run, "train.epochs=6")
    assert refused.code == 2
    assert f"{run} was made with the plug-in {example}" in refused.err
    assert f"write: dlx --plugin {example}" in refused.err

    example.write_text(example.read_text().replace("much too small", "far too small"))
    resumed = process(*PLUGIN, "resume", run, "train.epochs=6", "--json")
    assert resumed.json["epochs"] == 6
    assert f"warning: {example} is not what {run} was made with" in resumed.err
    assert dlx(*PLUGIN, "predict", run, "--split", "test").code == 0
    assert dlx(*PLUGIN, "export", run).code == 0


@pytest.mark.usefixtures("forgotten")
def test_its_names_are_listed_and_checked(dlx: Command, example: Path) -> None:
    unknown = dlx("train", "rings.yaml")
    assert unknown.code == 2
    assert "rings.yaml:1: data.name: received 'rings'" in unknown.err
    listed = dlx(*PLUGIN, "list", "activations", "--json").json["entries"]
    assert [entry["name"] for entry in listed][-1] == "hardswish"
    misspelt = dlx(*PLUGIN, "config", "validate", "rings.yaml", "model.activation=hardswsh")
    assert "did you mean 'hardswish'?" in misspelt.err


@pytest.mark.usefixtures("forgotten")
def test_long_texts_of_a_name_are_cut_in_the_list(dlx: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import dlx\ndef f(z, *, o: str = 'y' * 9000):\n    return z\n"
        "f.__doc__ = 'S' * 9000 + '\\n\\nArgs:\\n    o: ' + 'd' * 9000\n"
        "dlx.register('activation', name='mine')(f)\n"
    )
    listed = dlx("--plugin", "mine.py", "list", "activations").out
    assert "mine: SSS" in listed and max(map(len, listed.splitlines())) <= 1000


@pytest.mark.usefixtures("forgotten")
def test_a_default_of_an_own_class_is_in_no_schema(dlx: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import dlx\nclass Own(str):\n    def __repr__(self):\n        return '\\x1b[31m'\n"
        "@dlx.register('activation')\ndef mine(z, *, o: str = Own('a')):\n"
        '    """Mine."""\n    return z\n'
    )
    ended = dlx("--plugin", "mine.py", "config", "schema")
    assert (ended.code, ended.err) == (0, "") and "activation_mine" in ended.json["$defs"]


@pytest.mark.slow(*COMMANDS)
def test_the_documents_checks_pass(example: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_layers.py"]
    ended = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout
    assert "5 passed" in ended.stdout


def test_the_option_stands_before_the_command(dlx: Command) -> None:
    ended = dlx("train", "xor", "--plugin", "my_layers.py")
    assert ended.code == 2
    assert "it comes before the command: dlx --plugin FILE train" in ended.err


def test_a_plugin_that_fails_while_training_is_named(process: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        'import dlx\n@dlx.register("activation")\ndef f(z):\n    """F."""\n    return z.no\n'
    )
    ended = process("--plugin", "mine.py", "train", "xor", "model.activation=f", "-q")
    assert ended.code == 2
    assert f"error: plug-in {tmp_path / 'mine.py'}:5: AttributeError" in ended.err
    assert "Traceback" not in ended.err
    assert json.loads((only_run(tmp_path / "runs") / "run.json").read_text())["status"] == "failed"


@pytest.mark.usefixtures("forgotten")
def test_an_error_that_cannot_say_itself_is_named(dlx: Command, tmp_path: Path) -> None:
    mute = "class Mute(RuntimeError):\n    def __str__(self):\n        return 5\n"
    begins = '@dlx.register("activation")\ndef f(z):\n    """F."""\n    raise Mute()\n'
    (tmp_path / "late.py").write_text(f"import dlx\n{mute}{begins}")
    (tmp_path / "early.py").write_text(f"{mute}raise Mute()\n")
    for file, line in (("early.py", 4), ("late.py", 8)):
        asked = ["train", "xor", "model={hidden: [2], activation: f}", "train.steps=1", "-q"]
        ended = dlx("--plugin", file, *asked)
        assert ended.code == 2, ended.err
        assert ended.err.strip() == f"error: plug-in {tmp_path / file}:{line}: Mute:"


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize(
    "error",
    [
        *("SystemExit(0)", "EOFError", "OSError(28, 'full')", "StopIteration", "Exception"),
        *("GeneratorExit", "BaseException", "type('Interrupt', (KeyboardInterrupt,), {})"),
    ],
)
def test_whatever_a_plugin_raises_is_its_own(error: str, dlx: Command, tmp_path: Path) -> None:
    """Not the end of the process with exit code 0, nor Ctrl-D, nor a full disk of dlx's."""
    begins = (
        f'import dlx\n@dlx.register("activation")\ndef f(z):\n    """F."""\n    raise {error}\n'
    )
    (tmp_path / "late.py").write_text(begins)
    (tmp_path / "early.py").write_text(f"raise {error}\n")
    for file, line in (("early.py", 1), ("late.py", 5)):
        asked = ["train", "xor", "model={hidden: [2], activation: f}", "train.steps=1", "-q"]
        ended = dlx("--plugin", file, *asked)
        assert ended.code == 2, ended.err
        [said] = [line for line in ended.err.splitlines() if line.strip()]
        name = error.split("'")[1] if error.startswith("type") else error.split("(")[0]
        assert said.startswith(f"error: plug-in {tmp_path / file}:{line}: {name}")


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        ("MemoryError('much')", 6, "out of memory while training; .*plug-in FILE:5: MemoryError"),
        ("RuntimeError('not enough memory')", 6, "out of memory .*plug-in FILE:5: RuntimeError: "),
        ("dlx.errors.DataError('no rows; add some')", 3, "plug-in FILE:5: no rows; add some"),
        ("dlx.errors.ConfigError('k: one')", 2, "(model.activation: )?plug-in FILE:5: k: one"),
    ],
)
def test_what_has_an_exit_code_of_its_own_names_the_plugin_too(
    error: str, code: int, said: str, dlx: Command, tmp_path: Path
) -> None:
    path = tmp_path / "own.py"
    path.write_text(
        "import dlx, dlx.errors\n"
        f'@dlx.register("activation")\ndef f(z):\n    """F."""\n    raise {error}\n'
    )
    asked = ["train", "xor", "model={hidden: [2], activation: f}", "train.steps=1", "-q"]
    assert_told(dlx("--plugin", "own.py", *asked), code, said.replace("FILE", re.escape(str(path))))


def assert_told(ended: Ended, code: int, said: str) -> None:
    """Check an exit code, and that the one line on stderr says so."""
    assert ended.code == code
    [line] = ended.err.splitlines()
    assert re.match(f"error: {said}", line), line


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        ("MemoryError('much')", 6, "out of memory while training; .*; raised in plug-in FILE: Mem"),
        ("dlx.errors.DataError('no rows')", 3, "plug-in FILE: no rows"),
    ],
)
def test_what_an_optimizer_of_a_plugin_raises_in_a_step_is_named(
    error: str, code: int, said: str, dlx: Command, tmp_path: Path
) -> None:
    path = tmp_path / "own.py"
    path.write_text(
        "import dlx, dlx.errors\nfrom dlx.optimizers.rule import Rule\n"
        '@dlx.register("optimizer")\ndef own(*, lr: float = 0.1):\n    """Own."""\n'
        f"    def update(*a, **b):\n        raise {error}\n"
        '    return Rule(update, {"lr": lr})\n'
    )
    ended = dlx("--plugin", "own.py", "train", "xor", "optimizer=own", "train.steps=1", "-q")
    assert_told(ended, code, said.replace("FILE", re.escape(f"{path}:7")))


@pytest.fixture
def _handled() -> Iterator[None]:
    """Let Ctrl-C be handled as in a process of dlx's own."""
    before = signal.signal(signal.SIGINT, interrupting([]))
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("forgotten", "_handled")
@pytest.mark.parametrize("error", ["KeyboardInterrupt", "GeneratorExit", "SystemExit"])
def test_an_optimizer_that_interrupts_is_no_ctrl_c(
    error: str, dlx: Command, tmp_path: Path
) -> None:
    path = tmp_path / "own.py"
    path.write_text(
        "import dlx\nfrom dlx.optimizers.rule import Rule\n"
        '@dlx.register("optimizer")\ndef own(*, lr: float = 0.1):\n    """Own."""\n'
        f"    def update(*a, **b):\n        raise {error}\n"
        '    return Rule(update, {"lr": lr})\n'
    )
    plugin = ("--plugin", "own.py")
    told = re.escape(f"plug-in {path}:7: {error}")
    assert_told(dlx(*plugin, "train", "xor", "optimizer=own", "train.steps=1", "-q"), 2, told)
    info = json.loads((only_run(tmp_path / "runs") / "run.json").read_text())
    assert (info["status"], info["reason"]) == ("failed", f"plug-in {path}:7: {error}: ")
    vary = ["--vary", "optimizer=own,adam", "--seeds", "2", "--anyway", "--jobs", "1", "-q"]
    ablated = dlx(*plugin, "ablate", "xor", "optimizer=adam", *vary, "train.steps=1")
    assert ablated.code == 8 and f"(cohort 1: plug-in {path}:7: {error}: )" in ablated.err


@pytest.mark.usefixtures("forgotten")
def test_what_a_plugin_prints_is_no_result(dlx: Command, tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(
        'import dlx\nprint("loaded")\n@dlx.register("activation")\ndef loud(z):\n    """Loud."""\n'
        '    print("called")\n    return z * 1\n'
    )
    asked = ["train", "xor", "model={hidden: [2], activation: loud}", "train.steps=1", "--json"]
    ended = dlx("--plugin", "loud.py", *asked)
    assert ended.code == 0, ended.err
    assert ended.json["status"] == "completed"
    assert "loaded" in ended.err and "called" in ended.err


LEAVER = '''
import dlx, os, sys

@dlx.register("activation")
def leave(z):
    """Ends the process on a wide layer."""
    if z.shape[-1] == 3:
        END
    return z.sin()
'''


@pytest.mark.slow(*RUNS, "dlx/plugins.py")
@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize(
    ("end", "jobs", "words"),
    [
        ("sys.exit(0)", 1, r"plug-in .*leaver\.py:8: SystemExit: 0"),
        ("sys.exit(0)", 2, r"plug-in .*leaver\.py:8: SystemExit: 0"),
        (
            "os._exit(0)",
            2,
            r"its process ended with exit code 0; perhaps a plug-in ended it \(leaver",
        ),
        (
            "os.kill(os.getpid(), 9)",
            2,
            r"its process was ended by SIGKILL; perhaps it ran out of memory; perhaps a plug-in",
        ),
    ],
)
def test_a_plugin_that_ends_the_process_of_some_runs(
    end: str, jobs: int, words: str, dlx: Command, tmp_path: Path
) -> None:
    """Of one that ends the command's own process without Python nothing can be said."""
    (tmp_path / "leaver.py").write_text(LEAVER.replace("END", end))
    vary = ["--vary", "model.hidden=[3],[2]", "--seeds", "2", "--anyway", "--jobs", jobs]
    asked = ["ablate", "xor", *vary, "model.activation=leave", "train.steps=5", "-q"]
    ended = dlx("--plugin", "leaver.py", *asked)
    assert ended.code == 8, ended.err
    [error] = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    assert re.search(rf"could not be trained \(cohort \d: {words}", error)
    [run] = (tmp_path / "runs" / "xor").iterdir()
    rows = (run / "results.csv").read_text()
    assert rows.count("completed") == 2 and rows.count("failed") == 2

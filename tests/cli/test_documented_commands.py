"""Every command that the README, the docs and the help texts show is run, in their order."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dlx.cli import main
from dlx.config.course import course
from tests.cli.conftest import environment
from tests.guarded import DOCUMENTS
from tests.shown_files import write_example, write_examples

pytestmark = pytest.mark.slow(*DOCUMENTS)

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "README.md", ROOT / "README.ko.md", ROOT / "CONTRIBUTING.md"]
FILES += sorted((ROOT / "docs").glob("*.md"))
# The one ends at Ctrl-C, the other asks at a terminal: both are tested in test_cli_runs.py.
ELSEWHERE = re.compile(r"dlx board\b|dlx runs rm latest$")
NEEDS_MNIST = re.compile(r"configs/mnist\.yaml|fetch mnist")


def shown_in(path: Path) -> list[str]:
    """Return the commands in the code blocks of a document, in their order."""
    return [
        line.strip()
        for block in re.findall(r"```sh\n(.*?)```", path.read_text(), re.DOTALL)
        for line in block.splitlines()
        if line.strip().startswith("dlx ")
    ]


def shown_in_help() -> list[str]:
    """Return the commands under "Example" or "Start with" in the help texts."""
    commands = []
    for path in sorted((ROOT / "dlx" / "cli").glob("*.py")):
        for block in re.findall(
            r"\n    \\b\n(.*?)\n    (?:\n|\"\"\")", path.read_text(), re.DOTALL
        ):
            lines = [line.strip() for line in block.splitlines()]
            commands += [re.split(r"\s{2,}", line)[0] for line in lines if line.startswith("dlx ")]
    return commands


def shown_in_the_course() -> list[str]:
    """Return the commands of `dlx course`; those on MNIST are run in tests/shipped."""
    questions = [question for question in course().questions if question.needs is None]
    shown = []
    for question in questions:
        for line in (question.command, question.next):
            if re.match("dlx (train|ablate)", line) and " name=" not in line:
                line += f" name={question.config.split('/')[-1]}"  # its own, for the next command
            shown.append(line + " --seeds 2 --anyway" * line.startswith("dlx ablate"))
    return shown


def shown() -> dict[str, list[str]]:
    """Return the commands of each document, of the help texts and of the course.

    Commands of a document may need what an earlier one of it wrote; what deletes runs comes last.
    """
    commands = {}
    everywhere = {p.name: shown_in(p) for p in FILES}
    everywhere |= {"help": shown_in_help(), "course": shown_in_the_course()}
    for name, lines in everywhere.items():
        kept = [line for line in dict.fromkeys(lines) if not ELSEWHERE.match(line)]
        commands[name] = sorted(kept, key=lambda line: " rm " in line)
    return {name: lines for name, lines in commands.items() if lines}


def test_both_readmes_show_the_same_commands() -> None:
    english, korean = (set(shown_in(ROOT / name)) for name in ("README.md", "README.ko.md"))
    assert english == korean


def test_there_are_commands_to_run() -> None:
    assert "dlx train configs/digits.yaml optimizer.lr=0.01" in " ".join(
        shown_in(ROOT / "README.md")
    )
    assert "dlx predict xor --split test" in shown_in_help()
    assert len(shown_in_help()) > 20


# It stands for any run of that name: digits train faster.
MNIST = ["digits", "name=mnist", "train.epochs=1"]
AUTOENCODER = ["autoencoder", "train.epochs=5"]
RBM = ["rbm", "train.epochs=2"]
TWO = [["digits", f"seed={seed}", "train.epochs=5"] for seed in range(2)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the commands name: configs, a CSV file and short runs."""
    folder = tmp_path_factory.mktemp("shown")
    (folder / "configs").symlink_to(ROOT / "configs")
    rows = [",".join(["1.5"] * 4)] * 3
    write_example(folder)
    write_examples(folder, "data.md")
    write_examples(folder, "search.md")
    (folder / "flowers.csv").write_text("\n".join(rows) + "\n")
    houses = "".join(f"{area},{area * 2}\n" for area in range(50, 90))
    for name in ("houses.csv", "sold.csv"):
        (folder / name).write_text("area,price\n" + houses)
    prices = folder / "prices.yaml"
    prices.write_text("data: {name: csv, path: houses.csv, target: price}\n")
    runs = ["--quiet", "--runs-dir", str(folder / "runs")]
    for arguments in (MNIST, AUTOENCODER, RBM, ["iris"], ["xor"], [str(prices)], *TWO):
        assert main(["train", *arguments, *runs]) == 0
    two_steps = ["train.steps=2", "log.points=2", "--seeds", "2", "--anyway"]
    assert main(["ablate", "ablations/activation_depth", *two_steps, *runs]) == 0
    # Of digits, which train faster.
    knobs = ["digits", "name=mnist_knobs", "train.epochs=1", "--vary", "model.dropout=0,0.3"]
    assert main(["ablate", *knobs, "--seeds", "2", "--anyway", *runs]) == 0
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy for one document, whose commands may delete runs."""
    return shutil.copytree(made, tmp_path / "shown", symlinks=True)


@pytest.mark.parametrize("document", shown())
def test_the_commands_of_a_document_work(
    document: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    lines = shown()[document]
    left_out = [] if "DLX_DATA" in os.environ else list(filter(NEEDS_MNIST.search, lines))
    for line in lines:
        assert line in left_out or run(line) == 0, f"{line}\n{capfd.readouterr().err}"
    if left_out:
        pytest.skip(f"needs MNIST in the folder that DLX_DATA names: {', '.join(left_out)}")


def run(line: str) -> int:
    """Run a command for a few steps; return its exit code."""
    if line.startswith("dlx train "):
        line += " train.epochs=null train.steps=10"
        line += "" if " name=" in line else " name=other"
    if line.startswith("dlx ablate "):
        line += " train.epochs=null train.steps=2 log.points=2"
        line += "" if " name=" in line else " name=other"
    if line.startswith("dlx search "):
        line += " train.epochs=null train.steps=10 search.judge_seeds=2"
    line = re.sub(r"(dlx resume .* --seeds) \d+", r"\1 3", line)
    if named := re.search(r"(runs/(?:activation_depth|mnist_knobs))/ID", line):
        (ablation,) = Path(named[1]).iterdir()
        line = line.replace("ID", ablation.name)
    # Code of a user's would stay in this process, for the tests over the whole registry to meet.
    if re.search(r"[>&|*]|--plugin|--allow-code", line):
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(["bash", "-c", line], env=environment() | {"PATH": path}).returncode
    return main(shlex.split(line)[1:])

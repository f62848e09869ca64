"""Every command that the README, the docs and the help texts show is run, in their order."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from dlx.cli import main
from tests.cli.conftest import environment
from tests.shown_files import write_example, write_examples

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
# The one ends at Ctrl-C, the other asks at a terminal: both are tested in test_cli_runs.py.
ELSEWHERE = re.compile(r"dlx board\b|dlx runs rm latest$")
NEEDS_MNIST = re.compile(r"configs/mnist\.yaml|fetch mnist")


def shown_in_files() -> list[str]:
    """Return the commands in the code blocks of the documents."""
    return [
        line.strip()
        for path in FILES
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


def test_there_are_commands_to_run() -> None:
    assert "dlx train configs/digits.yaml optimizer.lr=0.01" in " ".join(shown_in_files())
    assert "dlx predict xor --split test" in shown_in_help()
    assert len(shown_in_help()) > 20


# It stands for any run of that name: digits train faster.
MNIST = ["digits", "name=mnist", "train.epochs=1"]
AUTOENCODER = ["autoencoder", "train.epochs=5"]
RBM = ["rbm", "train.epochs=2"]
TWO = [["digits", f"seed={seed}", "train.epochs=5"] for seed in range(2)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the commands name: configs, a CSV file and short runs."""
    folder = tmp_path_factory.mktemp("shown")
    (folder / "configs").symlink_to(ROOT / "configs")
    rows = [",".join(["1.5"] * 4)] * 3
    write_example(folder)
    write_examples(folder, "data.md")
    (folder / "flowers.csv").write_text("\n".join(rows) + "\n")
    houses = "".join(f"{area},{area * 2}\n" for area in range(50, 90))
    (folder / "houses.csv").write_text("area,price\n" + houses)
    runs = ["--quiet", "--runs-dir", str(folder / "runs")]
    for arguments in (MNIST, AUTOENCODER, RBM, ["iris"], ["xor"], *TWO):
        assert main(["train", *arguments, *runs]) == 0
    two_steps = ["train.steps=2", "log.points=2", "--seeds", "2"]
    assert main(["ablate", "ablations/activation_depth", *two_steps, *runs]) == 0
    # Of digits, which train faster.
    knobs = ["digits", "name=mnist_knobs", "train.epochs=1", "--vary", "model.dropout=0,0.3"]
    assert main(["ablate", *knobs, "--seeds", "2", *runs]) == 0
    return folder


@pytest.mark.parametrize(
    "line",
    [
        line
        for line in sorted(
            dict.fromkeys([*shown_in_files(), *shown_in_help()]),
            key=lambda line: " rm " in line,  # what deletes runs comes last
        )
        if not ELSEWHERE.match(line)
    ],
)
def test_a_command_that_is_shown_works(
    line: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if NEEDS_MNIST.search(line) and "DLX_DATA" not in os.environ:
        pytest.skip("needs MNIST in the folder that DLX_DATA names")
    monkeypatch.chdir(folder)
    if line.startswith("dlx train "):
        line += " train.epochs=null train.steps=10"
        line += "" if " name=" in line else " name=other"
    if line.startswith("dlx ablate "):
        line += " train.epochs=null train.steps=2"
        line += "" if " name=" in line else " name=other"
    if named := re.search(r"(runs/(?:activation_depth|mnist_knobs))/ID", line):
        (ablation,) = Path(named[1]).iterdir()
        line = line.replace("ID", ablation.name)
    # Code of a user's would stay in this process, for the tests over the whole registry to meet.
    if re.search(r"[>&|*]|--plugin|--allow-code", line):
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        shell = subprocess.run(
            ["bash", "-c", line], env=environment() | {"PATH": path}, capture_output=True, text=True
        )
        assert shell.returncode == 0, shell.stderr
        return
    assert main(shlex.split(line)[1:]) == 0

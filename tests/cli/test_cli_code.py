"""`dlx --allow-code`: no command executes a function that a config names without it."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Command, Ended, only_run
from tests.shown_files import write_examples

CONFIG = "waves.yaml"
REFUSED = "error: data.function: waves:rows is code, and not executed unless you allow it; write:"


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Path]:
    """The folder of what docs/data.md shows; the function notes that it was executed."""
    write_examples(tmp_path, "data.md")
    file = tmp_path / "waves.py"
    file.write_text(file.read_text() + "\nopen('executed', 'a').close()\n")
    yield tmp_path
    sys.modules.pop("waves", None)


def test_a_run_from_start_to_export(dlx: Command, example: Path) -> None:
    trained = dlx("--allow-code", "train", CONFIG, "--json", "-q")
    assert trained.code == 0, trained.err
    assert trained.json["metrics"]["test"]["r2"] > 0.5  # a straight line comes to 0.2
    run = only_run(example / "runs")
    other = dlx("--allow-code", "train", CONFIG, "seed=1", "train.epochs=1", "--json", "-q")
    (example / "executed").unlink()
    del sys.modules["waves"]  # as a process of its own would begin

    for command in (
        ["train", CONFIG],
        ["train", CONFIG, "--dry-run"],
        ["resume", run, "train.epochs=60"],
        ["evaluate", run],
        ["evaluate", run, "--importance"],
        ["predict", run, "--split", "test"],
        ["inspect", CONFIG],
        ["inspect", run],
        ["ensemble", run, other.json["run"]],
        ["data", "show", "python", "function=waves:rows"],
        ["config", "validate", CONFIG],
        ["train", "moons", "data.dev_from={name: python, function: 'waves:rows'}"],
    ):
        ended = dlx(*command)
        assert (ended.code, ended.out) == (2, ""), command
        [said] = [line for line in ended.err.splitlines() if not line.startswith("run: ")]
        assert said.startswith(REFUSED), (command, ended.err)
    assert not (example / "executed").exists()

    for command in (["evaluate", run], ["inspect", run], ["config", "validate", CONFIG]):
        ended = dlx("--allow-code", *command)
        assert ended.code == 0, ended.err
    assert (example / "executed").exists()
    (example / "executed").unlink()
    del sys.modules["waves"]
    (example / "new.csv").write_text("0.1\n0.2\n")
    for command in (["predict", run, "new.csv"], ["export", run], ["runs"]):  # no data, no code
        assert dlx(*command).code == 0
    assert not (example / "executed").exists()


def change(example: Path, old: str, new: str) -> None:
    file = example / "waves.py"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def test_what_goes_wrong_is_told(dlx: Command, example: Path) -> None:
    def train(*overrides: str) -> Ended:
        return dlx("--allow-code", "train", CONFIG, "-q", *overrides)

    ended = train("data.options={noises: 1}")
    assert ended.code == 2
    assert "waves:rows takes (*, number: int = 200, noise: float = 0.1)" in ended.err
    ended = train("data.function=waves:row")
    assert ended.code == 2
    assert "has no function 'row'; did you mean 'rows'" in ended.err
    ended = dlx("--allow-code", "config", "validate", CONFIG, "data.function=waive:rows")
    assert ended.code == 2
    assert "no module 'waive' in" in ended.err
    ended = train("data.options.number=-3")
    assert ended.code == 3
    assert f"error: data.function: waves:rows: {example / 'waves.py'}:7: ValueError: " in ended.err
    assert "Traceback" not in ended.err
    ended = train("data.options.noise=.nan")
    assert ended.code == 3
    assert "data set 'waves:rows', row 0 (the first is 0), target" in ended.err
    assert not (example / "runs").exists()


def test_data_that_have_changed(dlx: Command, example: Path) -> None:
    assert dlx("--allow-code", "train", CONFIG, "-q").code == 0
    # Of another length: Python tells files of one second apart by it.
    change(example, "default_rng(0)", "default_rng(10)")
    del sys.modules["waves"]  # as a process of its own would begin
    ended = dlx("--allow-code", "evaluate", "waves")
    assert ended.code == 3
    assert "the data 'python' have changed since" in ended.err


def test_what_it_prints_is_not_on_stdout(dlx: Command, example: Path) -> None:
    change(example, "    random =", "    print('loud')\n    random =")
    ended = dlx("--allow-code", "data", "show", "python", "function=waves:rows", "--json")
    assert json.loads(ended.out)["rows"] == 200
    assert "loud" in ended.err


def test_the_option_stands_before_the_command(dlx: Command) -> None:
    ended = dlx("train", "xor", "--allow-code")
    assert ended.code == 2
    assert "it comes before the command: dlx --allow-code train" in ended.err

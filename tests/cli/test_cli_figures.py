"""`dlx figures`: the pictures of a trained run."""

from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.guarded import PICTURES

SHORT = ["train.epochs=null", "train.steps=2", "--quiet"]


@pytest.mark.slow(*PICTURES)
def test_figures_are_drawn_and_named(dlx: Command) -> None:
    assert dlx("train", "autoencoder", *SHORT).code == 0
    ended = dlx("figures", "autoencoder")
    assert (ended.code, ended.err) == (0, "")
    files = [Path(line) for line in ended.out.splitlines()]
    assert {"reconstruction.png", "curves.png"} <= {path.name for path in files} and all(
        path.is_file() for path in files
    )
    elsewhere = dlx("figures", "autoencoder", "--output", "pictures", "--json").json
    assert elsewhere["figures"] == [f"pictures/{path.name}" for path in files]
    assert elsewhere["run"] == str(files[0].parent.parent)


def test_a_run_of_numbers_has_its_curves(dlx: Command) -> None:
    data = ["data.name=diabetes", "name=plain"]
    assert dlx("train", "iris", *data, *SHORT).code == 0
    ended = dlx("figures", "plain")
    assert (ended.code, ended.err) == (0, "")
    assert [Path(line).name for line in ended.out.splitlines()] == ["curves.png"]


def test_a_run_whose_data_are_gone_says_which(dlx: Command) -> None:
    rows = "".join(f"{row % 7},{row % 5},{row % 3}\n" for row in range(40))
    Path("t.csv").write_text(f"u,v,w\n{rows}")
    assert dlx("init", "t.csv", "--target", "w").code == 0
    assert dlx("train", "t.yaml", "train.epochs=1", "--quiet").code == 0
    Path("t.csv").unlink()
    ended = dlx("figures", "t")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.startswith("error: ") and "t.csv" in ended.err
    assert len(ended.err.splitlines()) == 1

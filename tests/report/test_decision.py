"""Files that show what a trained network of two inputs says in the plane."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

import dlx


def names(run: dlx.Run) -> list[str]:
    return sorted(path.name for path in (run.path / "figures").glob("*"))


@pytest.mark.parametrize(
    ("config", "overrides", "files"),
    [
        ("xor", [], ["decision.png", "decision_1.png", "decision_2.png"]),
        ("gates/half_adder", [], ["decision.png", "decision_1.png"]),
        ("moons", ["model.hidden=[]"], ["decision.png"]),
        ("moons", ["data={name: blobs, classes: 14}"], ["decision.png", "decision_1.png"]),
        (
            "moons",
            [
                "data={name: regression, features: 2, informative: 2}",
                "model.hidden=[{name: residual, layers: [4]}]",
            ],
            ["decision.png", "decision_1.1.png"],
        ),
        ("moons", ["model={name: recurrent, hidden: [3]}"], ["decision.png", "decision_1.png"]),
        ("moons", ["log.level=minimal"], []),
        ("iris", [], ["curves.png"]),
    ],
)
def test_a_run_of_two_inputs_ends_with_pictures(
    config: str, overrides: list[str], files: list[str], tmp_path: Path
) -> None:
    steps = ["train.steps=2"] if config != "iris" else ["train.epochs=1"]
    changes = [*overrides, *steps, *(["train.epochs=null"] if steps[0][6] == "s" else [])]
    run = dlx.train(f"configs/{config}.yaml", changes, runs_dir=tmp_path)
    assert set(files) <= set(names(run)) and bool(files) == bool(names(run))
    for name in names(run):
        pixels = imread(run.path / "figures" / name)
        least = 400 if name == "curves.png" else 500
        assert min(pixels.shape[:2]) >= least and np.ptp(pixels) > 0.5


def test_names_are_drawn_as_they_stand(tmp_path: Path) -> None:
    rows = "".join(f"{row % 7},{row % 5},{'$x_$' if row % 2 else '예'}\n" for row in range(40))
    (tmp_path / "t.csv").write_text(f"a$^$b,나이,y\n{rows}", encoding="utf-8")
    config = {
        "name": "$^$",
        "data": {"name": "csv", "path": str(tmp_path / "t.csv"), "target": "y"},
        "model": {"hidden": [2]},
        "train": {"epochs": 1, "batch_size": 8},
        "log": {"level": "full"},
    }
    run = dlx.train(config, runs_dir=tmp_path / "runs")
    decisions = ["curves.png", "decision.png", "decision_1.png"]
    assert (
        names(run) == [f"confusion_{split}.png" for split in ("dev", "test", "train")] + decisions
    )

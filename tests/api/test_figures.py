"""A run's pictures, drawn when it ends or later."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

import dlx
from dlx import api
from dlx.errors import DataError, RunError, StorageError
from tests.guarded import PICTURES

CODES = ["code", "error_per_class", "reconstruction", "traversal"]
FILTERS = ["decoder_filters", "filters"]
STEPS = ["train.epochs=null", "train.steps=2"]


def names(files: list[Path]) -> list[str]:
    return sorted(path.stem for path in files)


def train(config: str, overrides: list[str], tmp_path: Path) -> dlx.Run:
    return dlx.train(f"configs/{config}.yaml", [*overrides, *STEPS], runs_dir=tmp_path)


# Config, overrides and the names of its pictures.
RUNS = [
    ("autoencoder", [], ["filters", *CODES]),  # tied: the decoder has no weights of its own
    ("autoencoder", ["model={name: autoencoder, encoder: [1]}"], [*FILTERS, *CODES]),
    (
        "autoencoder",
        ["model={name: autoencoder, encoder: [8, 2]}"],
        [*FILTERS, *CODES, "code_map", "manifold"],
    ),
    (
        "autoencoder",
        ["model={name: autoencoder, encoder: [2], variational: {}}"],
        [*FILTERS, *CODES, "code_map", "manifold"],
    ),
    (
        "autoencoder",
        ["model={name: autoencoder, encoder: [20], k_sparse: 3, corruption: masking}"],
        [*FILTERS, *CODES],
    ),
    (
        "autoencoder",
        [
            "model={name: autoencoder, encoder: [9], code_activation: sigmoid, tied: true}",
            "model.sparsity={name: kl, rate: 0.1, weight: 0.1}",
            "model.contractive=0.1",
        ],
        ["filters", *CODES],
    ),
    (
        "autoencoder",
        [
            "model={name: autoencoder, encoder: [{name: residual, layers: [64]}, 3]}",
            "model.corruption={name: gaussian, std: 0.5}",
            "model.batch_norm=true",
        ],
        [*FILTERS, *CODES],
    ),
    (
        "autoencoder",
        ["pretrain={method: autoencoder, epochs: 1, unroll: 1}", "model.tied=false"],
        [*FILTERS, *CODES, "pretraining"],
    ),
    ("rbm", ["model.hidden=128"], ["filters", *CODES]),
    ("rbm", ["model.hidden=129"], ["filters", *CODES[:-1]]),
    (
        "rbm",
        ["data.scale=false", "data.standardize=true", "model.hidden=2"],
        ["filters", *CODES, "code_map", "manifold"],
    ),
    ("autoencoder", ["data.split={test: 0.5}"], ["filters", *CODES]),  # no dev rows
    # A table has no pixels.
    ("autoencoder", ["data={name: iris, scale: true}", "model={name: autoencoder}"], CODES),
    (
        "autoencoder",
        ["data={name: diabetes, scale: true}", "model={name: autoencoder, encoder: [2]}"],
        ["code", "code_map", "reconstruction", "traversal"],
    ),
    ("digits", [], []),
    ("digits", ["log.level=full"], ["confusion_dev", "confusion_test", "confusion_train"]),
    ("stacked", ["pretrain.epochs=1"], ["pretraining"]),
    ("autoencoder", ["log.level=minimal"], []),
]
QUICK = (0, 8, 14, 17)  # places in `RUNS`


@pytest.mark.parametrize(
    ("config", "overrides", "expected"),
    [
        run if place in QUICK else pytest.param(*run, marks=pytest.mark.slow(*PICTURES))
        for place, run in enumerate(RUNS)
    ],
)
def test_a_run_ends_with_the_pictures_that_say_something(
    config: str, overrides: list[str], expected: list[str], tmp_path: Path
) -> None:
    run = train(config, overrides, tmp_path)
    files = list((run.path / "figures").glob("*"))
    if "log.level=minimal" not in overrides:
        expected = [*expected, "curves"]
    if "log.level=full" in overrides:
        expected = [*expected, "filters"]
    assert names(files) == sorted(expected)
    for path in files:
        pixels = imread(path)
        assert min(pixels.shape[:2]) >= 150 and np.ptp(pixels) > 0.5, path.name


@pytest.mark.slow(*PICTURES)
def test_every_picture_of_a_run_is_drawn_later(tmp_path: Path) -> None:
    run = train("digits", ["log.level=minimal"], tmp_path)
    confusion = ["confusion_dev", "confusion_test", "confusion_train"]
    files = api.figures(run)
    assert names(files) == [*confusion, "curves", "filters"]
    assert {path.parent for path in files} == {run.path / "figures"}
    plane = dlx.train("configs/moons.yaml", ["log.level=minimal", *STEPS], runs_dir=tmp_path)
    elsewhere = api.figures(plane, folder=tmp_path / "a" / "b")
    assert names(elsewhere) == [*confusion, "curves", "decision", "decision_1", "decision_2"]
    assert not (plane.path / "figures").exists()
    [*_, last] = api.figures(plane, folder=tmp_path / "pdf", form="pdf")
    assert last.suffix == ".pdf" and last.read_bytes().startswith(b"%PDF")


@pytest.mark.slow(*PICTURES)
def test_pictures_are_the_same_whenever_they_are_drawn(tmp_path: Path) -> None:
    run = train("autoencoder", ["model.corruption=salt_and_pepper", "seed=3"], tmp_path)
    drawn = {path.name: path.read_bytes() for path in (run.path / "figures").iterdir()}
    assert len(drawn) == 6
    assert {path.name: path.read_bytes() for path in api.figures(run)} == drawn


@pytest.mark.slow(*PICTURES)
def test_a_run_of_an_ablation_is_drawn_on_demand(tmp_path: Path) -> None:
    config = {
        "extends": str(Path("configs/autoencoder.yaml").absolute()),
        "ablation": {"vary": {"model.encoder": [[2], [3]]}, "seeds": 2},
    }
    ablation = api.ablate(config, STEPS, runs_dir=tmp_path)
    first = dlx.load(f"{ablation.path}#1")
    assert not (first.path / "figures").exists()
    assert "reconstruction" in names(api.figures(first))


@pytest.mark.slow(*PICTURES)
def test_pictures_need_the_data_the_weights_and_a_folder(tmp_path: Path) -> None:
    rows = "".join(f"{row % 7},{row % 5},{row % 3}\n" for row in range(40))
    table = tmp_path / "t.csv"
    table.write_text(f"u,v,w\n{rows}")
    config = {
        "name": "t",
        "data": {"name": "csv", "path": str(table), "target": "w", "scale": True},
        "model": {"name": "autoencoder", "encoder": [1]},
        "train": {"epochs": 1, "batch_size": 8},
    }
    run = dlx.train(config, runs_dir=tmp_path / "runs")
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StorageError, match="taken"):
        api.figures(run, folder=tmp_path / "taken")
    table.unlink()
    with pytest.raises(DataError, match=r"t\.csv"):
        api.figures(run)
    digits = train("autoencoder", ["log.level=minimal"], tmp_path)
    (digits.path / "weights.safetensors").unlink()
    with pytest.raises(RunError, match=r"weights\.safetensors"):
        api.figures(dlx.load(digits.path))

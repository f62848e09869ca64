"""`dlx probe`."""

import pytest

from tests.cli.conftest import Command

pytestmark = pytest.mark.usefixtures("without_pictures")

SHORT = ["train.epochs=2", "--quiet"]
FEW = ["--labels", "60", "--seeds", "2"]


def test_probe_as_a_table_and_as_json(dlx: Command) -> None:
    for name in ("autoencoder", "digits"):
        assert dlx("train", name, *SHORT).code == 0
    ended = dlx("probe", "autoencoder", *FEW, "--json")
    document = ended.json
    assert {key: document[key] for key in ("split", "metric", "labels", "seeds", "rows")} == {
        "split": "dev",
        "metric": "accuracy",
        "labels": 60,
        "seeds": 2,
        "rows": {"train": 1079, "dev": 359},
    }
    assert [line.rpartition(": ")[2] for line in ended.err.splitlines()] == [
        *("codes of layer code", "inputs", "pca")
    ]
    (run,) = document["runs"]
    assert set(run) == {"run", "layer", "features", "differences"}
    kinds = {"logistic_regression", "nearest_neighbors"}
    assert {name: set(values) for name, values in run["features"].items()} == {
        name: {"width", *kinds} for name in ("codes", "inputs", "pca")
    }
    assert {name: set(values) for name, values in run["differences"].items()} == {
        "inputs": kinds,
        "pca": kinds,
    }
    shown = dlx("probe", "autoencoder", "digits", *FEW, "-q")
    assert shown.err == ""
    lines = shown.out.splitlines()
    assert len(lines) == 1 + 6 + 8 + 1
    mean = run["features"]["codes"]["nearest_neighbors"]["mean"]
    assert (
        f"nearest neighbors    codes                       8       {100 * mean:.2f} %" in lines[4]
    )
    assert lines[-1] == (
        "(on 359 dev rows; mean of 2 draws of 60 labelled rows out of 1,079 training rows)"
    )


def test_an_ablation_is_no_run(dlx: Command) -> None:
    varied = ["--vary", "model.encoder=[2],[3]", "train.epochs=1", "--seeds", "2", "--anyway"]
    path = dlx("ablate", "autoencoder", *varied, "--json", "-q").json["ablation"]
    ended = dlx("probe", path)
    assert (ended.code, ended.out) == (4, "")
    assert "is an ablation; name one of its runs, such as" in ended.err

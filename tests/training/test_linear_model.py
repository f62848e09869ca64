"""A linear model stands beside the result of a table."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from dlx import api
from dlx.training.linear_model import fitted, linear_model

TRAIN = {"epochs": 1, "device": "cpu"}


def metrics(config: dict[str, object]) -> Mapping[str, Mapping[str, float]]:
    job = api.prepare({"name": "t", "model": {"hidden": [3]}, "train": TRAIN} | config)
    return linear_model(job.splits, job.member.metrics)


def of_table(path: Path, target: str, **data: object) -> Mapping[str, Mapping[str, float]]:
    return metrics({"data": {"name": "csv", "path": str(path), "target": target, **data}})


def test_classes_and_numbers_of_a_table_are_told_by_a_linear_model(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(300, 2))
    number = 3 * x[:, 0] - x[:, 1]
    lines = ["a,b,number,word"]
    words = np.where(number > 0, "more", "less")
    lines += [f"{a},{b},{n},{w}" for (a, b), n, w in zip(x, number, words, strict=True)]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines))
    of_words = of_table(path, "word", ignore=["number"])
    assert min(values["accuracy"] for values in of_words.values()) > 0.95
    assert of_words.keys() == {"train", "dev", "test"}
    assert of_table(path, "number", ignore=["word"])["test"]["r2"] > 0.999


def test_a_class_without_training_rows_and_what_is_no_table_have_none() -> None:
    assert fitted(np.zeros((30, 2)), np.zeros(30, int), are_classes=True) is None
    assert metrics({"data": {"name": "digits"}}) == {}


def test_probabilities_and_numbers_are_those_of_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression, Ridge

    generator = np.random.default_rng(0)
    x, noise = generator.normal(size=(60, 4)), generator.normal(size=60)
    classes = (x[:, 0] + noise > 0) + 1 * (x[:, 1] > 1)
    ours = fitted(x, classes, are_classes=True)
    assert ours is not None
    model = LogisticRegression(max_iter=200).fit(x, classes)
    assert ours(x) == pytest.approx(np.asarray(model.predict_proba(x)))
    numbers = fitted(x, noise[:, None], are_classes=False)
    assert numbers is not None
    assert numbers(x)[:, 0] == pytest.approx(Ridge(1.0).fit(x, noise).predict(x))


def imbalanced(folder: Path) -> None:
    """Write a table in which every eleventh row is of a class that three of twelve columns tell."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(3000, 12))
    odds = 1.4 * x[:, 0] + x[:, 1] + 0.7 * x[:, 2] - 3.2
    ill = generator.random(3000) < 1 / (1 + np.exp(-odds))
    lines = [",".join([*(f"x{place}" for place in range(12)), "ill"])]
    lines += [
        ",".join([*map(str, row), "yes" if y else "no"]) for row, y in zip(x, ill, strict=True)
    ]
    (folder / "t.csv").write_text("\n".join(lines))


@pytest.mark.parametrize(
    ("hidden", "epochs", "words"),
    [
        ([64, 64], 6, "the error on dev rows, .* is above that of a linear model"),
        ([16], 2, "the AUC on dev rows, .* is below that of a linear model"),
        ([], 15, ""),
    ],
)
def test_a_network_that_does_worse_than_a_linear_model_is_told(
    hidden: list[int], epochs: int, words: str, tmp_path: Path
) -> None:
    imbalanced(tmp_path)
    data = {"name": "csv", "path": str(tmp_path / "t.csv"), "target": "ill"}
    config = {"name": "t", "data": data, "model": {"hidden": hidden}}
    config |= {
        "train": {"epochs": epochs, "device": "cpu"},
        "optimizer": {"name": "adam", "lr": 0.01},
    }
    run = api.train(config, runs_dir=tmp_path / "runs")
    found = {f["name"]: f for f in api.diagnose_run(run)["findings"]}
    assert ("worse_than_baseline" in found) == bool(words)
    assert "high_bias" not in found, "nothing says that the rare class could be told"
    if words:
        assert re.match(words, found["worse_than_baseline"]["reason"])

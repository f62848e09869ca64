"""The constant answer, against scikit-learn's dummies, and that only training rows make it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    mean_absolute_error,
    mean_squared_error,
    r2_score,
    roc_auc_score,
)

from dlx import registry
from dlx.config.types import Choice, choice
from dlx.data.dataset import Task
from dlx.data.parts import Part
from dlx.data.selection import Selection
from dlx.training.baseline import baseline


def task_of(kind: Any, outputs: int, **options: Any) -> Task:
    classes = None if kind == "regression" else tuple("abc"[: max(outputs, 2)])
    return Task(kind, 1, outputs, classes, (1,), **options)


def part(targets: Any) -> Part:
    return Part(
        Selection(torch.zeros(len(targets), 1)), torch.as_tensor(targets), np.arange(len(targets))
    )


def metrics_of(kind: str) -> list[Choice]:
    named = [name for name in registry.names("metric") if name != "top_k"]
    metrics = [choice("metric", name) for name in named]
    chosen = [metric for metric in metrics if kind in metric.traits.kinds]
    return chosen + ([choice("metric", "top_k", k=2)] if kind == "multiclass" else [])


def measured(task: Task, train: Any, test: Any) -> dict[str, dict[str, float]]:
    parts = {"train": part(train), "test": part(test)}
    return baseline(task, parts["train"].targets, parts, metrics_of(task.kind))


@pytest.mark.parametrize("classes", [2, 3])
def test_of_classes_it_is_the_majority(classes: int) -> None:
    draw = np.random.default_rng(classes)
    train = draw.choice(classes, 50, p=[0.2, 0.8, 0.0][:classes])
    test = np.concatenate([draw.choice(classes, 40), np.arange(classes)])
    task = task_of("binary" if classes == 2 else "multiclass", 1 if classes == 2 else classes)
    found = measured(task, train, test)
    dummy = DummyClassifier(strategy="prior").fit(np.zeros((50, 1)), train)
    for name, truth in (("train", train), ("test", test)):
        said = dummy.predict(np.zeros((len(truth), 1)))
        assert found[name]["accuracy"] == pytest.approx(accuracy_score(truth, said))
        assert found[name]["error"] == pytest.approx(1 - accuracy_score(truth, said))
        assert found[name]["f1"] == pytest.approx(f1_score(truth, said, average="macro"))
        assert found[name]["balanced_accuracy"] == pytest.approx(1 / len(set(truth)))
    assert found["test"]["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(test, said))
    assert found["test"]["auc"] == 0.5
    if classes == 2:
        assert roc_auc_score(test, np.full(len(test), train.mean())) == 0.5
    else:
        assert found["test"]["top_2"] == pytest.approx(np.mean(test < 2))


def test_of_labels_it_is_the_majority_of_each() -> None:
    train = np.array([[1, 0], [1, 0], [0, 1], [1, 0]])
    found = measured(task_of("multilabel", 2), train, np.array([[1, 1], [0, 0]]))
    assert found["train"]["accuracy"] == 6 / 8
    assert found["test"]["accuracy"] == 0.5


def test_of_numbers_it_is_the_mean_in_their_own_units() -> None:
    draw = np.random.default_rng(0)
    train, test = draw.normal([50, -3], [20, 0.1], (101, 2)), draw.normal([60, -3], 9, (37, 2))
    shift, scale = train.mean(0), train.std(0)
    task = task_of(
        "regression", 2, target_shift=tuple(shift.tolist()), target_scale=tuple(scale.tolist())
    )
    standardized = [((each - shift) / scale).astype(np.float32) for each in (train, test)]
    found = measured(task, *standardized)
    dummy = DummyRegressor().fit(np.zeros((101, 1)), train)
    for name, truth in (("train", train), ("test", test)):
        said = dummy.predict(np.zeros((len(truth), 1)))
        assert found[name]["mse"] == pytest.approx(mean_squared_error(truth, said), rel=1e-5)
        assert found[name]["mae"] == pytest.approx(mean_absolute_error(truth, said), rel=1e-5)
        assert found[name]["r2"] == pytest.approx(r2_score(truth, said), rel=1e-4, abs=1e-12)
    assert found["train"]["r2"] == 0  # and not a rounding error beside it
    plain = replace(task, target_shift=(), target_scale=())
    found = measured(plain, train.astype(np.float32), test.astype(np.float32))
    assert found["train"]["r2"] == 0


def test_other_rows_do_not_make_it() -> None:
    task, train = task_of("binary", 1), [1, 1, 0]
    first, second = (measured(task, train, test) for test in ([0, 0, 0], [1, 0, 1]))
    assert first["train"] == second["train"]
    assert (first["test"]["accuracy"], second["test"]["accuracy"]) == (0, pytest.approx(2 / 3))

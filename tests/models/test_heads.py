"""Which head a task gets, and the weights of its classes."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from dlx.config.types import choice
from dlx.data.dataset import Task
from dlx.errors import ConfigError
from dlx.models.heads import build_head
from tests.cohorts import head


@pytest.mark.parametrize(
    ("arguments", "output", "loss", "num_outputs"),
    [
        (("multiclass", 3), "softmax", "cross_entropy", 3),
        (("binary", 1), "sigmoid", "binary_cross_entropy", 1),
        (("regression", 2), "identity", "mse", 2),
        (("multiclass", 3, "sigmoid"), "sigmoid", "binary_cross_entropy", 3),
        (("multiclass", 3, "tanh"), "tanh", "mse", 3),
        (("multiclass", 3, "auto", "binary_cross_entropy"), "sigmoid", "binary_cross_entropy", 3),
        (("multiclass", 3, "auto", "mse"), "softmax", "mse", 3),
        (("binary", 1, "softmax"), "softmax", "cross_entropy", 2),
        (("binary", 1, "auto", "cross_entropy"), "softmax", "cross_entropy", 2),
        (("binary", 1, "sigmoid", "mse"), "sigmoid", "mse", 1),
        (("binary", 1, "tanh"), "tanh", "mse", 1),
        (("regression", 2, "relu"), "relu", "mse", 2),
        (("regression", 2, "sigmoid"), "sigmoid", "mse", 2),
        (("regression", 2, "auto", "huber"), "identity", "huber", 2),
        (("multilabel", 3), "sigmoid", "binary_cross_entropy", 3),
        (("multilabel", 2, "tanh"), "tanh", "mse", 2),
        (("multilabel", 3, "auto", "hinge"), "identity", "hinge", 3),
        (("multiclass", 3, "auto", "hinge"), "identity", "hinge", 3),
        (("binary", 1, "auto", "hinge"), "identity", "hinge", 1),
    ],
)
def test_auto_is_chosen_from_what_is_given(
    arguments: tuple[Any, ...], output: str, loss: str, num_outputs: int
) -> None:
    built = head(*arguments)
    assert (built.output_name, built.loss.name, built.num_outputs) == (output, loss, num_outputs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("regression", 1, "softmax"),
            r"model\.output: softmax .* needs classes, .* use output: identity and loss: mse",
        ),
        (("regression", 1, "auto", "cross_entropy"), r"cross_entropy needs classes"),
        (("regression", 1, "sigmoid", "binary_cross_entropy"), r"needs classes"),
        (
            ("multiclass", 3, "tanh", "cross_entropy"),
            r"model\.loss: cross_entropy follows softmax, not tanh; use loss: mse",
        ),
        (
            ("multiclass", 3, "sigmoid", "cross_entropy"),
            r"follows softmax, not sigmoid; use loss: binary_cross_entropy",
        ),
        (
            ("binary", 1, "softmax", "binary_cross_entropy"),
            r"binary_cross_entropy follows sigmoid, not softmax; use loss: cross_entropy",
        ),
        (("regression", 1, "auto", "hinge"), r"hinge needs classes, but the target is a number"),
        (("multiclass", 3, "softmax", "hinge"), r"hinge follows identity, not softmax"),
        (
            ("multilabel", 3, "softmax"),
            r"softmax is for classes that exclude each other, .* use output: sigmoid and loss: bin",
        ),
        (
            ("multilabel", 3, "auto", "cross_entropy"),
            r"softmax is for classes that exclude each other",
        ),
        (("binary", 1, "prelu"), r"model\.output: prelu learns parameters, .*; use leaky_relu"),
    ],
)
def test_what_does_not_fit_is_named_with_its_cure(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        head(*arguments)


COUNTED = Task("multiclass", 5, 3, ("a", "b", "c"), (5,), num_train=60, class_counts=(30, 20, 10))
TWO = replace(COUNTED, kind="binary", num_outputs=1, classes=("a", "b"), class_counts=(45, 15))
LABELS = replace(COUNTED, kind="multilabel")


@pytest.mark.parametrize(
    ("what", "loss", "weights", "expected"),
    [
        (COUNTED, "cross_entropy", "balanced", [60 / 90, 60 / 60, 60 / 30]),
        (COUNTED, "cross_entropy", [1, 2, 0.5], [1, 2, 0.5]),
        (TWO, "binary_cross_entropy", "balanced", [60 / 90, 60 / 30]),
        (TWO, "binary_cross_entropy", [1, 4], [1, 4]),
        (TWO, "cross_entropy", "balanced", [60 / 90, 60 / 30]),
        (LABELS, "binary_cross_entropy", "balanced", [1, 0.75, 0.6, 1, 1.5, 3]),
        (LABELS, "binary_cross_entropy", [5, 2, 3], [1, 1, 1, 5, 2, 3]),
        (COUNTED, "binary_cross_entropy", [5, 2, 3], [1, 1, 1, 5, 2, 3]),
    ],
)
def test_class_weights(what: Task, loss: str, weights: Any, expected: list[float]) -> None:
    built = build_head(what, "auto", choice("loss", loss, class_weights=weights))
    assert built.class_weights == pytest.approx(expected)


def test_balanced_weights_make_every_class_cost_alike() -> None:
    built = build_head(COUNTED, "auto", choice("loss", "cross_entropy", class_weights="balanced"))
    built = built.to(torch.float64, torch.device("cpu"))
    targets = torch.arange(3).repeat_interleave(torch.tensor(COUNTED.class_counts)).unsqueeze(0)
    _, gradient = built.cost_and_gradient(torch.zeros(1, 60, 3, dtype=torch.float64), targets)
    pulls = [gradient[0, targets[0] == label, label].sum() for label in range(3)]
    torch.testing.assert_close(torch.stack(pulls), pulls[0].expand(3))


def test_another_number_of_weights_than_classes() -> None:
    message = (
        r"model\.loss\.class_weights: received 2 weights; the data have 3 classes, in this order: "
        "a, b, c; give a weight for each"
    )
    with pytest.raises(ConfigError, match=message):
        build_head(COUNTED, "auto", choice("loss", "cross_entropy", class_weights=[1, 2]))


def test_heads_with_other_weights_do_not_share_a_cohort() -> None:
    one, other = (
        build_head(COUNTED, "auto", choice("loss", "cross_entropy", class_weights=weights))
        for weights in ([1, 2, 3], [1, 2, 4])
    )
    assert one != other
    assert one == one.to(torch.float32, torch.device("cpu"))

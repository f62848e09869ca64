"""The head: what it chooses, how it codes targets, what it counts as right."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from dlx import registry
from dlx.config.types import choice
from dlx.errors import ConfigError
from dlx.nn.head import Head, TaskKind, build_head
from tests.cohorts import ACTIVATIONS


def head(kind: TaskKind, number: int, output: str = "auto", loss: str = "auto") -> Head:
    if output in ("auto", "softmax"):
        return build_head(kind, number, output, loss)
    return build_head(kind, number, choice("activation", output), loss)


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
    ],
)
def test_auto_is_chosen_from_what_is_given(
    arguments: tuple[Any, ...], output: str, loss: str, num_outputs: int
) -> None:
    built = head(*arguments)
    assert (built.output_name, built.loss, built.num_outputs) == (output, loss, num_outputs)


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
        (
            ("binary", 1, "prelu"),
            r"model\.output: prelu learns parameters, .*; use leaky_relu",
        ),
    ],
)
def test_what_does_not_fit_is_named_with_its_cure(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        head(*arguments)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("multiclass", 3), torch.tensor([0, 2, 1])),
        (("multiclass", 3, "sigmoid"), torch.eye(3)[[0, 2, 1]]),
        (("multiclass", 3, "softmax", "mse"), torch.eye(3)[[0, 2, 1]]),
        (("multiclass", 3, "tanh"), 2 * torch.eye(3)[[0, 2, 1]] - 1),
    ],
)
def test_targets_of_several_classes(arguments: tuple[Any, ...], expected: torch.Tensor) -> None:
    encoded = head(*arguments).encode(torch.tensor([0, 2, 1]))
    assert encoded.dtype == expected.dtype
    assert torch.equal(encoded, expected)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("sigmoid", [[0.0], [1.0]]),
        ("tanh", [[-1.0], [1.0]]),
        ("identity", [[0.0], [1.0]]),
        ("softmax", [0, 1]),
    ],
)
def test_targets_of_two_classes(output: str, expected: list[Any]) -> None:
    assert head("binary", 1, output).encode(torch.tensor([0, 1])).tolist() == expected


def test_numbers_are_only_cast() -> None:
    targets = torch.tensor([[0.5, 2.0]])
    encoded = head("regression", 2).encode(targets, torch.float64)
    assert encoded.dtype == torch.float64
    assert encoded.tolist() == [[0.5, 2.0]]


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity", "tanh"])
@pytest.mark.parametrize("kind", ["multiclass", "binary"])
def test_correct_counts_what_the_outputs_say(kind: TaskKind, output: str) -> None:
    number = 3 if kind == "multiclass" else 1
    built = head(kind, number, output)
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(2, 50, built.num_outputs, generator=generator)
    classes = torch.randint(3 if kind == "multiclass" else 2, (2, 50), generator=generator)
    a = built.outputs(z)
    if built.num_outputs == 1:
        middle = 0.0 if output == "tanh" else 0.5
        predicted = (a.squeeze(-1) > middle).long()
    else:
        predicted = a.argmax(-1)
    expected = (predicted == classes).sum(1)
    targets = torch.stack([built.encode(row) for row in classes])
    count = built.correct(z, targets)
    assert count is not None
    assert torch.equal(count, expected)
    assert int(count.min()) > 0 and int(count.max()) < 50


@pytest.mark.parametrize(
    "output", [n for n in ACTIVATIONS if not registry.get("activation", n).function.learned]
)
def test_one_output_of_any_function_is_judged_by_its_value(output: str) -> None:
    built = head("binary", 1, output, "mse")
    z = torch.linspace(-3, 3, 600).view(1, -1, 1)
    second = built.encode(torch.ones(600, dtype=torch.long)).unsqueeze(0)
    middle = 0.0 if output == "tanh" else 0.5
    count = built.correct(z, second)
    assert count is not None
    assert int(count) == int((built.outputs(z) > middle).sum())


def test_a_regression_has_no_correct_answers() -> None:
    built = head("regression", 2)
    assert built.correct(torch.zeros(1, 3, 2), torch.zeros(1, 3, 2)) is None


def test_outputs_are_probabilities() -> None:
    z = torch.tensor([[[1.0, 2.0, -1.0]]])
    assert torch.equal(head("multiclass", 3).outputs(z), torch.softmax(z, -1))
    torch.testing.assert_close(head("binary", 1).outputs(z[..., :1]), torch.sigmoid(z[..., :1]))
    assert torch.equal(head("regression", 3).outputs(z), z)


@pytest.mark.parametrize(
    ("arguments", "reference"),
    [
        (("multiclass", 3), lambda z, t: F.cross_entropy(z, t)),
        (("multiclass", 3, "tanh"), lambda z, t: F.mse_loss(z.tanh(), t)),
        (("multiclass", 3, "softmax", "mse"), lambda z, t: F.mse_loss(z.softmax(-1), t)),
        (
            ("multiclass", 3, "sigmoid"),
            lambda z, t: F.binary_cross_entropy_with_logits(z, t),
        ),
    ],
)
def test_cost_applies_output_and_loss(arguments: tuple[Any, ...], reference: Any) -> None:
    built = head(*arguments)
    z = torch.randn(1, 9, 3, generator=torch.Generator().manual_seed(0))
    targets = built.encode(torch.arange(9) % 3)
    torch.testing.assert_close(built.cost(z, targets.unsqueeze(0))[0], reference(z[0], targets))

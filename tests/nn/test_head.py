"""The head: how it codes targets, what it counts as right."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from dlx import registry
from dlx.nn.head import TaskKind
from tests.cohorts import ACTIVATIONS, head


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


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("multilabel", 2), [[0.0, 1.0], [1.0, 1.0]]),
        (("multilabel", 2, "tanh"), [[-1.0, 1.0], [1.0, 1.0]]),
        (("multilabel", 2, "auto", "hinge"), [[-1.0, 1.0], [1.0, 1.0]]),
    ],
)
def test_targets_of_several_labels(arguments: tuple[Any, ...], expected: list[Any]) -> None:
    encoded = head(*arguments).encode(torch.tensor([[0, 1], [1, 1]]))
    assert encoded.tolist() == expected


@pytest.mark.parametrize(
    "arguments",
    [
        *[("multiclass", 3, output) for output in ("softmax", "sigmoid", "tanh")],
        *[("binary", 1, output) for output in ("softmax", "sigmoid", "tanh", "identity")],
        *[("multilabel", 3, output) for output in ("sigmoid", "tanh", "identity")],
        *[(kind, 3, "auto", "hinge") for kind in ("multiclass", "multilabel")],
        ("binary", 1, "auto", "hinge"),
        ("multiclass", 3, "softmax", "mse"),
    ],
)
def test_decode_is_the_inverse_of_encode(arguments: tuple[Any, ...]) -> None:
    built = head(*arguments)
    targets = torch.arange(12) % (2 if built.kind == "binary" else 3)
    if built.kind == "multilabel":
        targets = F.one_hot(targets, 3) + F.one_hot((targets + 1) % 3, 3)
    assert torch.equal(built.decode(built.encode(targets)), targets)


def test_labels_are_judged_one_by_one() -> None:
    built = head("multilabel", 2)
    z = torch.tensor([[[-1.0, 2.0], [3.0, -0.1]], [[1.0, 1.0], [1.0, 1.0]]])
    targets = torch.tensor([[[0.0, 1.0], [1.0, 1.0]]]).expand(2, 2, 2)
    assert built.decide(z).tolist() == [[[0, 1], [1, 0]], [[1, 1], [1, 1]]]
    count = built.correct(z, targets)
    assert count is not None
    assert count.tolist() == [3, 3]


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
    "output", [n for n in ACTIVATIONS if not registry.get("activation", n).traits.learned]
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
        (("multiclass", 3, "sigmoid"), lambda z, t: F.binary_cross_entropy_with_logits(z, t)),
    ],
)
def test_cost_applies_output_and_loss(arguments: tuple[Any, ...], reference: Any) -> None:
    built = head(*arguments)
    z = torch.randn(1, 9, 3, generator=torch.Generator().manual_seed(0))
    targets = built.encode(torch.arange(9) % 3)
    torch.testing.assert_close(built.cost(z, targets.unsqueeze(0))[0], reference(z[0], targets))

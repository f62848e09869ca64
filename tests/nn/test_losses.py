"""Losses against torch's own, with their gradients."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dlx import registry
from tests.cohorts import bits, differentiable

pytestmark = pytest.mark.usefixtures("one_thread")

RUNS, BATCH, OUTPUTS = 3, 7, 4
WEIGHTS = torch.tensor([0.5, 2.0, 1.0, 3.0], dtype=torch.float64)
SIDES = torch.stack([WEIGHTS.flip(0), WEIGHTS])  # of 0, then of 1


@dataclass(frozen=True)
class Case:
    """A loss with its options, what its targets are, and the same of one run in torch."""

    name: str
    targets: Literal["classes", "shares", "labels", "signs"]
    reference: Callable[[Tensor, Tensor], Tensor]
    options: Mapping[str, Any] = field(default_factory=dict)


def weighted(z: Tensor, t: Tensor, smoothing: float = 0.0) -> Tensor:
    weight = WEIGHTS.to(z.dtype)
    total = F.cross_entropy(z, t, weight, reduction="sum", label_smoothing=smoothing)
    return total / len(z)


def weighted_labels(z: Tensor, t: Tensor) -> Tensor:
    weight = torch.where(t > 0.5, SIDES[1], SIDES[0]).to(z.dtype)
    return F.binary_cross_entropy_with_logits(z, t, weight)


def crammer_singer(z: Tensor, t: Tensor) -> Tensor:
    own = z[torch.arange(len(t)), t]
    others = torch.stack([torch.cat([row[:c], row[c + 1 :]]) for row, c in zip(z, t, strict=True)])
    return F.margin_ranking_loss(own, others.max(1).values, torch.ones_like(own), margin=1.0)


def margins(z: Tensor, t: Tensor) -> Tensor:
    return F.margin_ranking_loss(z, torch.zeros_like(z), t, margin=1.0)


CASES = {
    "cross_entropy": Case("cross_entropy", "classes", F.cross_entropy),
    "cross_entropy, smooth": Case(
        "cross_entropy",
        "classes",
        lambda z, t: F.cross_entropy(z, t, label_smoothing=0.2),
        {"label_smoothing": 0.2},
    ),
    "cross_entropy, weighted": Case(
        "cross_entropy", "classes", weighted, {"class_weights": WEIGHTS}
    ),
    "cross_entropy, smooth and weighted": Case(
        "cross_entropy",
        "classes",
        lambda z, t: weighted(z, t, 0.1),
        {"label_smoothing": 0.1, "class_weights": WEIGHTS},
    ),
    "binary_cross_entropy": Case(
        "binary_cross_entropy", "shares", F.binary_cross_entropy_with_logits
    ),
    "binary_cross_entropy, weighted": Case(
        "binary_cross_entropy", "labels", weighted_labels, {"class_weights": SIDES}
    ),
    "mse": Case("mse", "shares", F.mse_loss),
    "mae": Case("mae", "shares", F.l1_loss),
    "huber": Case("huber", "shares", F.huber_loss),
    "huber, narrow": Case(
        "huber", "shares", lambda z, t: F.huber_loss(z, t, delta=0.3), {"delta": 0.3}
    ),
    "hinge of classes": Case("hinge", "classes", crammer_singer),
    "hinge of signs": Case("hinge", "signs", margins),
}


def targets(case: Case, batch: int = BATCH, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    if case.targets == "classes":
        return torch.randint(OUTPUTS, (RUNS, batch), generator=generator)
    shares = torch.rand(RUNS, batch, OUTPUTS, generator=generator, dtype=dtype)
    if case.targets == "shares":
        shares[0] = shares[0].round()
        return shares
    return shares.round() if case.targets == "labels" else 2 * shares.round() - 1


def options(case: Case, dtype: torch.dtype) -> dict[str, Any]:
    return {k: v.to(dtype) if isinstance(v, Tensor) else v for k, v in case.options.items()}


def costs_of(case: Case, z: Tensor, t: Tensor) -> Tensor:
    """Return the costs, differentiable by the loss's own gradient."""
    entry, own = registry.get("loss", case.name), options(case, z.dtype)
    return differentiable(
        lambda z: entry.function(z, t, **own),
        lambda dy, z, y: entry.traits.with_gradient(z, t, **own)[1] * dy[:, None, None],
    )(z)


def logits(batch: int = BATCH, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return 3 * torch.randn(RUNS, batch, OUTPUTS, generator=generator, dtype=dtype)


def test_every_loss_has_a_reference_here() -> None:
    assert {case.name for case in CASES.values()} == set(registry.names("loss"))


@pytest.mark.parametrize("name", CASES)
def test_cost_and_gradient_are_those_of_torch(name: str) -> None:
    case = CASES[name]
    z, t = logits().requires_grad_(), targets(case)
    costs = costs_of(case, z, t)
    assert costs.shape == (RUNS,)
    weights = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    (gradient,) = torch.autograd.grad(costs @ weights, z)
    loss, own = registry.get("loss", case.name).traits, options(case, z.dtype)
    assert torch.equal(loss.with_gradient(z.detach(), t, **own)[0], costs)
    for run in range(RUNS):
        z_run = z[run].detach().requires_grad_()
        expected = case.reference(z_run, t[run])
        (slope,) = torch.autograd.grad(weights[run] * expected, z_run)
        torch.testing.assert_close(costs[run], expected, rtol=1e-13, atol=1e-14)
        torch.testing.assert_close(gradient[run], slope, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", CASES)
def test_the_gradient_is_the_derivative(name: str) -> None:
    case = CASES[name]
    t = targets(case)
    assert torch.autograd.gradcheck(lambda z: costs_of(case, z, t), (logits().requires_grad_(),))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", CASES)
def test_extreme_logits_have_finite_costs_and_gradients(name: str, dtype: torch.dtype) -> None:
    case = CASES[name]
    z = torch.tensor([1e4, -1e4, 0.0, 100.0], dtype=dtype).repeat(RUNS, BATCH, 1).requires_grad_()
    t = targets(case, dtype=dtype)
    costs = costs_of(case, z, t)
    (gradient,) = torch.autograd.grad(costs.sum(), z)
    assert bool(costs.isfinite().all())
    assert bool(gradient.isfinite().all())
    expected = torch.stack([case.reference(z[run], t[run]) for run in range(RUNS)])
    torch.testing.assert_close(costs, expected)


@pytest.mark.parametrize("batch", [1, 4, 50, 128])
@pytest.mark.parametrize("name", CASES)
def test_bits_do_not_depend_on_the_other_runs(name: str, batch: int) -> None:
    case = CASES[name]
    z = logits(batch, torch.float32).requires_grad_()
    t = targets(case, batch, torch.float32)
    costs = costs_of(case, z, t)
    (gradient,) = torch.autograd.grad(costs.sum(), z)
    for run in range(RUNS):
        own = z[run : run + 1].detach().clone().requires_grad_()
        cost = costs_of(case, own, t[run : run + 1].clone())
        (slope,) = torch.autograd.grad(cost.sum(), own)
        assert torch.equal(bits(cost[0].detach()), bits(costs[run].detach()))
        assert torch.equal(bits(slope[0]), bits(gradient[run]))

"""Losses against torch's own, with their gradients."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dlx import registry
from tests.cohorts import bits, differentiable

pytestmark = pytest.mark.usefixtures("one_thread")

RUNS, BATCH, OUTPUTS = 3, 7, 4
REFERENCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross_entropy": F.cross_entropy,
    "binary_cross_entropy": F.binary_cross_entropy_with_logits,
    "mse": F.mse_loss,
}
LOSSES = registry.names("loss")


def targets(name: str, batch: int = BATCH, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    if name == "cross_entropy":
        return torch.randint(OUTPUTS, (RUNS, batch), generator=generator)
    shares = torch.rand(RUNS, batch, OUTPUTS, generator=generator, dtype=dtype)
    shares[0] = shares[0].round()
    return shares


def costs_of(name: str, z: Tensor, t: Tensor) -> Tensor:
    """Return the costs, differentiable by the loss's own gradient where it has one."""
    function = registry.get("loss", name).function
    if function.with_gradient is None:
        return function(z, t)
    return differentiable(
        lambda z: function(z, t),
        lambda dy, z, y: function.with_gradient(z, t)[1] * dy[:, None, None],
    )(z)


def logits(batch: int = BATCH, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return 3 * torch.randn(RUNS, batch, OUTPUTS, generator=generator, dtype=dtype)


def test_every_loss_has_a_reference_here() -> None:
    assert set(REFERENCES) == set(LOSSES)


@pytest.mark.parametrize("name", LOSSES)
def test_cost_and_gradient_are_those_of_torch(name: str) -> None:
    z, t = logits().requires_grad_(), targets(name)
    costs = costs_of(name, z, t)
    assert costs.shape == (RUNS,)
    weights = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    (gradient,) = torch.autograd.grad(costs @ weights, z)
    function = registry.get("loss", name).function
    if function.with_gradient is not None:
        assert torch.equal(function.with_gradient(z.detach(), t)[0], costs)
    for run in range(RUNS):
        own = z[run].detach().requires_grad_()
        expected = REFERENCES[name](own, t[run])
        (slope,) = torch.autograd.grad(weights[run] * expected, own)
        torch.testing.assert_close(costs[run], expected, rtol=1e-13, atol=1e-14)
        torch.testing.assert_close(gradient[run], slope, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_is_the_derivative(name: str) -> None:
    t = targets(name)
    assert torch.autograd.gradcheck(lambda z: costs_of(name, z, t), (logits().requires_grad_(),))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", LOSSES)
def test_extreme_logits_have_finite_costs_and_gradients(name: str, dtype: torch.dtype) -> None:
    z = torch.tensor([1e4, -1e4, 0.0, 100.0], dtype=dtype).repeat(RUNS, BATCH, 1).requires_grad_()
    t = targets(name, dtype=dtype)
    costs = costs_of(name, z, t)
    (gradient,) = torch.autograd.grad(costs.sum(), z)
    assert bool(costs.isfinite().all())
    assert bool(gradient.isfinite().all())
    expected = torch.stack([REFERENCES[name](z[run], t[run]) for run in range(RUNS)])
    torch.testing.assert_close(costs, expected)


@pytest.mark.parametrize("batch", [1, 4, 50, 128])
@pytest.mark.parametrize("name", LOSSES)
def test_bits_do_not_depend_on_the_other_runs(name: str, batch: int) -> None:
    z = logits(batch, torch.float32).requires_grad_()
    t = targets(name, batch, torch.float32)
    costs = costs_of(name, z, t)
    (gradient,) = torch.autograd.grad(costs.sum(), z)
    for run in range(RUNS):
        own = z[run : run + 1].detach().clone().requires_grad_()
        cost = costs_of(name, own, t[run : run + 1].clone())
        (slope,) = torch.autograd.grad(cost.sum(), own)
        assert torch.equal(bits(cost[0].detach()), bits(costs[run].detach()))
        assert torch.equal(bits(slope[0]), bits(gradient[run]))

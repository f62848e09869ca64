"""What sparse codes cost, against torch's own divergences and for every function there is."""

import pytest
import torch
from torch.distributions import Bernoulli, kl_divergence

from dlx import registry
from dlx.config.types import choice
from dlx.nn.passes import Pass
from dlx.nn.sparsity import Sparsity, kl, l1


def codes(*shape: int) -> torch.Tensor:
    """Return numbers in (0, 1)."""
    generator = torch.Generator().manual_seed(5)
    return torch.rand(shape, generator=generator, dtype=torch.float64)


def test_l1_is_the_mean_rows_norm() -> None:
    code = codes(3, 7, 4) - 0.5
    expected = torch.stack([torch.linalg.vector_norm(rows, 1, dim=1).mean() for rows in code])
    torch.testing.assert_close(l1(code), expected)


@pytest.mark.parametrize("rate", [0.05, 0.5])
def test_kl_is_the_divergence_of_bernoulli_distributions(rate: float) -> None:
    code = codes(3, 7, 4)
    expected = kl_divergence(
        Bernoulli(torch.tensor(rate, dtype=torch.float64)), Bernoulli(code.mean(1))
    )
    torch.testing.assert_close(kl(code, rate=rate), expected.sum(1))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_units_that_are_always_off_or_on_cost_a_finite_number(value: float) -> None:
    code = torch.full((1, 5, 2), value, requires_grad=True)
    cost = kl(code)
    (gradient,) = torch.autograd.grad(cost.sum(), code)
    assert 0 < cost.item() < 1000
    assert bool(gradient.isfinite().all())


@pytest.mark.parametrize("name", registry.names("sparsity"))
def test_each_run_gets_its_own_term_and_gradient(name: str) -> None:
    code = codes(3, 7, 4)
    chosen = choice("sparsity", name, weight=0.5)
    sparsity = Sparsity([chosen, None, chosen])
    pass_ = Pass(tape=[], measured={})
    sparsity.forward(code, pass_)
    upstream = codes(3, 7, 4) - 0.3
    gradient = sparsity.backward(upstream.clone(), pass_)
    assert not pass_.tape
    own = code.clone().requires_grad_()
    values = chosen(own) * torch.tensor([0.5, 0, 0.5])
    (added,) = torch.autograd.grad(values.sum(), own)
    torch.testing.assert_close(pass_.terms["sparsity"], values.detach())
    torch.testing.assert_close(gradient, upstream + added)
    assert torch.equal(gradient[1], upstream[1])
    assert pass_.measured is not None
    torch.testing.assert_close(pass_.measured["sparsity"][0], 2 * values[0].detach())

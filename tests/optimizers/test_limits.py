"""Clipping, penalties and max-norm: each run by itself."""

import pytest
import torch

from dlx.nn.parameters import Parameter, ParameterBuffer
from dlx.optimizers.limits import Clipping, MaxNorm
from dlx.optimizers.penalties import Penalties, Penalty
from tests.cohorts import bits

pytestmark = pytest.mark.usefixtures("one_thread")

SHAPES = [(1, 1), (3, 1), (1, 3), (5, 7), (30, 10)]


def buffer_of(num_runs: int, shape: tuple[int, int] = (5, 7)) -> ParameterBuffer:
    """Return a buffer of a weight and a bias, values and gradients drawn."""
    generator = torch.Generator().manual_seed(3)
    owners = [True] * num_runs
    parameters = [
        Parameter("1.weight", shape, owners, lambda run: torch.randn(shape, generator=generator)),
        Parameter("1.bias", (1, shape[1]), owners, lambda run: torch.ones(1, shape[1])),
    ]
    buffer = ParameterBuffer(parameters, num_runs)
    buffer.initialize()
    for parameter in parameters:
        parameter.gradient.copy_(torch.randn(parameter.gradient.shape, generator=generator))
    return buffer


def test_each_run_is_clipped_as_torch_clips_it() -> None:
    buffer = buffer_of(4)
    values, norms = [0.5, None, None, 0.3], [None, 0.7, None, 0.7]
    expected = []
    for run in range(4):
        plain = [torch.zeros_like(p.value[run]) for p in buffer.parameters]
        for tensor, parameter in zip(plain, buffer.parameters, strict=True):
            tensor.grad = parameter.gradient[run].clone()
        if (value := values[run]) is not None:
            torch.nn.utils.clip_grad_value_(plain, value)
        if (norm := norms[run]) is not None:
            torch.nn.utils.clip_grad_norm_(plain, norm)
        expected.append([tensor.grad for tensor in plain])
    before = buffer.gradients.clone()
    Clipping(values, norms, buffer).apply()
    for run in range(4):
        for parameter, gradient in zip(buffer.parameters, expected[run], strict=True):
            torch.testing.assert_close(parameter.gradient[run], gradient)
    assert torch.equal(bits(buffer.gradients[2]), bits(before[2]))
    assert float(buffer.gradients[0].abs().max()) == 0.5
    assert float(buffer.gradients[3].norm()) == pytest.approx(0.7, rel=1e-4)


def test_a_run_without_limits_keeps_what_is_not_finite() -> None:
    buffer = buffer_of(2)
    buffer.gradients[0, 0], buffer.gradients[0, 1] = float("inf"), -0.0
    before = buffer.gradients[0].clone()
    Clipping([None, 0.1], [None, 0.1], buffer).apply()
    assert torch.equal(bits(buffer.gradients[0]), bits(before))


def test_penalties_are_of_the_weights_alone_and_their_gradients_autograds() -> None:
    buffer = buffer_of(3)
    penalties = [Penalty(l1=0.1, l2=0.4), None, Penalty(l1=0.3)]
    before = buffer.gradients.clone()
    every = Penalties(penalties, buffer)
    costs = every.costs()
    every.add_gradients()
    weight, bias = buffer.parameters
    for run, penalty in enumerate(penalties):
        l1, l2 = (penalty.l1, penalty.l2) if penalty else (0.0, 0.0)
        w = weight.value[run].clone().requires_grad_()
        cost = l1 * w.abs().sum() + l2 / 2 * w.square().sum()
        cost.backward()
        assert w.grad is not None
        torch.testing.assert_close(costs[run], cost.detach())
        gradient = weight.gradient[run] - before[run, weight.columns].view(5, 7)
        torch.testing.assert_close(gradient, w.grad, atol=1e-6, rtol=1e-5)
        assert torch.equal(bias.gradient[run].flatten(), before[run, bias.columns])
    assert torch.equal(bits(buffer.gradients[1]), bits(before[1]))


@pytest.mark.parametrize("shape", SHAPES)
def test_max_norm_is_torchs_renorm(shape: tuple[int, int]) -> None:
    buffer = buffer_of(3, shape)
    weight, bias = buffer.parameters
    before = weight.value.clone()
    MaxNorm([0.9, None, 5.0], [weight]).apply()
    for run, limit in ((0, 0.9), (2, 5.0)):
        expected = torch.renorm(before[run], 2, 1, limit)
        torch.testing.assert_close(weight.value[run], expected)
        assert float(weight.value[run].norm(dim=0).max()) <= limit * (1 + 1e-6)
    assert torch.equal(bits(weight.value[1]), bits(before[1]))
    assert bool((bias.value == 1).all())


def test_units_within_the_bound_or_without_weights_keep_their_bits() -> None:
    buffer = buffer_of(1)
    weight, _ = buffer.parameters
    weight.value.clamp_(-0.1, 0.1)
    weight.value[0, :, 2] = 0
    before = weight.value.clone()
    MaxNorm([3.0], [weight]).apply()
    assert torch.equal(bits(weight.value), bits(before))


@pytest.mark.parametrize("shape", SHAPES)
def test_bits_do_not_depend_on_the_others(shape: tuple[int, int]) -> None:
    def limited(num_runs: int, run: int) -> list[torch.Tensor]:
        whole = buffer_of(5, shape)
        buffer = buffer_of(num_runs, shape)
        rows = slice(run, run + num_runs)
        buffer.values.copy_(whole.values[rows])
        buffer.gradients.copy_(whole.gradients[rows])
        penalties = Penalties([Penalty(0.1, 0.2)] * num_runs, buffer)
        penalties.add_gradients()
        Clipping([0.9] * num_runs, [1.1] * num_runs, buffer).apply()
        MaxNorm([0.8] * num_runs, buffer.parameters[:1]).apply()
        return [buffer.values, buffer.gradients, penalties.costs()]

    together = limited(5, 0)
    for run in range(5):
        for alone, among in zip(limited(1, run), together, strict=True):
            assert torch.equal(bits(alone[0]), bits(among[run]))

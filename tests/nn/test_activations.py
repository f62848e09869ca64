"""Activations against torch's own, their gradients, and their bits."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dlx import registry
from dlx.config.types import choice
from dlx.nn.activate import Activation
from dlx.nn.parameters import ParameterBuffer
from tests.cohorts import ACTIVATIONS, bits, differentiable

pytestmark = pytest.mark.usefixtures("one_thread")

NAMES = registry.names("activation")
REFERENCES: dict[str, Any] = {
    "identity": lambda z: z,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": F.relu,
    "leaky_relu": lambda z: F.leaky_relu(z, 0.01),
    "prelu": lambda z: F.prelu(z, torch.tensor([0.25], dtype=z.dtype)),
    "elu": F.elu,
    "selu": F.selu,
    "gelu": F.gelu,
    "silu": F.silu,
    "softplus": F.softplus,
    "mish": F.mish,
    "hardtanh": F.hardtanh,
    "step": lambda z: torch.heaviside(z, torch.zeros(1, dtype=z.dtype)),
}
OPTIONS: dict[str, dict[str, float]] = {
    "leaky_relu": {"negative_slope": 0.3},
    "elu": {"alpha": 1.7},
}


def layer(names: list[str], dtype: torch.dtype, **options: Any) -> Activation:
    """Return the activation of one layer, with its learned parameters at their start."""
    built = Activation("1", [choice("activation", name, **options) for name in names])
    ParameterBuffer(built.parameters, len(names), dtype).initialize() if built.parameters else None
    return built


def apply(activation: Activation) -> Callable[[Tensor], Tensor]:
    return differentiable(activation.forward, activation.backward)


def value_and_gradient(activation: Activation, z: Tensor) -> tuple[Tensor, Tensor]:
    z = z.clone().requires_grad_()
    a = apply(activation)(z)
    (gradient,) = torch.autograd.grad(a, z, torch.ones_like(z))
    return a.detach(), gradient


def test_every_activation_has_a_reference_here() -> None:
    assert set(REFERENCES) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_value_and_gradient_are_those_of_torch(name: str) -> None:
    z = torch.linspace(-6, 6, 4001, dtype=torch.float64).view(1, 1, -1)
    activation = layer([name], torch.float64)
    torch.testing.assert_close(activation.forward(z), REFERENCES[name](z), rtol=1e-12, atol=1e-14)
    if name in ACTIVATIONS:
        _, gradient = value_and_gradient(activation, z)
        z.requires_grad_()
        expected = REFERENCES[name](z)
        (slope,) = torch.autograd.grad(expected.sum(), z)
        kink = (z.abs() < 1e-9) | ((z.abs() - 1).abs() < 1e-9)
        torch.testing.assert_close(gradient[~kink], slope[~kink], rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", [name for name in NAMES if name in OPTIONS])
def test_options_reach_the_function_and_its_gradient(name: str) -> None:
    z = torch.linspace(-3, 3, 1000, dtype=torch.float64).view(1, 1, -1)
    a, gradient = value_and_gradient(layer([name], torch.float64, **OPTIONS[name]), z)
    z.requires_grad_()
    expected = getattr(F, name)(z, **OPTIONS[name])
    (slope,) = torch.autograd.grad(expected.sum(), z)
    torch.testing.assert_close(a, expected.detach())
    torch.testing.assert_close(gradient, slope)


def test_every_activation_with_options_has_them_tested() -> None:
    assert set(OPTIONS) == {n for n in NAMES if registry.get("activation", n).options}


def test_the_gradient_of_a_learned_slope_is_that_of_torch() -> None:
    activation = layer(["prelu", "relu", "prelu"], torch.float64)
    (slope,) = activation.parameters
    assert slope.name == "1.slope"
    assert slope.value.tolist() == [[0.25], [0.0], [0.25]]
    generator = torch.Generator().manual_seed(3)
    z = torch.randn(3, 4, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(3, 4, 5, generator=generator, dtype=torch.float64)
    apply(activation)(z).backward(upstream)
    for run in (0, 2):
        weight = torch.tensor([0.25], dtype=torch.float64, requires_grad=True)
        F.prelu(z[run].detach(), weight).backward(upstream[run])
        torch.testing.assert_close(slope.gradient[run], weight.grad)
    assert slope.gradient[1].item() == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", NAMES)
def test_extreme_inputs_give_finite_values_and_gradients(name: str, dtype: torch.dtype) -> None:
    z = torch.tensor([-1e4, -1e3, -104, -89, -30, -0.0, 0.0, 30, 89, 104, 1e3, 1e4], dtype=dtype)
    z = z.view(1, 1, -1)
    activation = layer([name], dtype)
    a = activation.forward(z)
    assert bool(a.isfinite().all())
    torch.testing.assert_close(a, REFERENCES[name](z), rtol=1e-5, atol=1e-30)
    if name in ACTIVATIONS:
        _, gradient = value_and_gradient(activation, z)
        assert bool(gradient.isfinite().all())
        assert float(gradient.abs().max()) < 2


@pytest.mark.parametrize("name", NAMES)
def test_a_value_that_is_not_a_number_is_not_hidden(name: str) -> None:
    a = layer([name], torch.float32).forward(torch.full((1, 1, 3), float("nan")))
    assert bool(a.isnan().all()) or name == "step"


@pytest.mark.parametrize("name", NAMES)
@given(
    length=st.integers(1, 70),
    before=st.integers(0, 20),
    after=st.integers(0, 20),
    seed=st.integers(0, 2**20),
)
def test_bits_do_not_depend_on_the_place_in_the_buffer(
    name: str, length: int, before: int, after: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    whole = 4 * torch.randn(1, 1, before + length + after, generator=generator)
    inner = slice(before, before + length)
    activation = layer([name], torch.float32)
    if name not in ACTIVATIONS:
        forward = activation.forward
        assert torch.equal(forward(whole)[..., inner], forward(whole[..., inner].clone()))
        return
    a, gradient = value_and_gradient(activation, whole)
    alone, alone_gradient = value_and_gradient(activation, whole[..., inner].clone())
    assert torch.equal(bits(a[..., inner]), bits(alone))
    assert torch.equal(bits(gradient[..., inner]), bits(alone_gradient))


@given(
    names=st.lists(st.sampled_from(ACTIVATIONS), min_size=1, max_size=7),
    shape=st.tuples(st.integers(1, 5), st.integers(1, 11)),
)
def test_each_run_gets_its_own_activation(names: list[str], shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(len(names), *shape, generator=generator)
    together, gradient = value_and_gradient(layer(names, torch.float32), z)
    for run, name in enumerate(names):
        alone, alone_gradient = value_and_gradient(layer([name], torch.float32), z[run : run + 1])
        assert torch.equal(bits(together[run]), bits(alone[0]))
        assert torch.equal(bits(gradient[run]), bits(alone_gradient[0]))


def test_no_gradient_passes_through_a_step() -> None:
    untrainable = [n for n in NAMES if not registry.get("activation", n).traits.trainable]
    assert untrainable == ["step"]
    z = torch.tensor([[[-1.0, 0.0, 1e-30, 2.0]]])
    assert layer(["step"], torch.float32).forward(z).tolist() == [[[0.0, 0.0, 1.0, 1.0]]]

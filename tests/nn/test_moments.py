"""Moments by quadrature, against closed forms and against many draws."""

import math

import pytest
import torch

from dlx import registry
from dlx.config.types import choice
from dlx.nn.activate import Activation
from dlx.nn.moments import Signal, through
from dlx.nn.parameters import ParameterBuffer
from tests.cohorts import ACTIVATIONS


def test_the_rectifiers_moments_are_those_of_the_arc_cosine_kernel() -> None:
    q, c = 1.7, 0.6
    signal, slope = through(choice("activation", "relu"), q, c * q)
    assert signal.square == pytest.approx(q / 2)
    assert signal.mean == pytest.approx(math.sqrt(q / (2 * math.pi)), rel=0.01)
    # Cho and Saul (2009), Kernel methods for deep learning, the kernel of degree 1.
    angle = math.acos(c)
    kernel = q * (math.sin(angle) + (math.pi - angle) * c) / (2 * math.pi)
    assert signal.product == pytest.approx(kernel, rel=0.01)
    assert slope == pytest.approx(0.5)


def test_the_identity_keeps_every_moment() -> None:
    signal, slope = through(choice("activation", "identity"), 2.0, 0.5)
    assert (signal.square, signal.product) == (pytest.approx(2.0), pytest.approx(0.5))
    assert signal.mean == pytest.approx(0.0, abs=1e-12)
    assert (signal.variance, signal.spread) == (pytest.approx(2.0), pytest.approx(1.5))
    assert slope == pytest.approx(1.0)


@pytest.mark.parametrize("square", [0.05, 1.0, 6.0])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_moments_are_those_of_many_draws(name: str, square: float) -> None:
    chosen = choice("activation", name)
    signal, slope = through(chosen, square, 0.3 * square)
    generator = torch.Generator().manual_seed(0)
    one, other = torch.randn(2, 1, 1, 400_000, generator=generator, dtype=torch.float64).unbind()
    z = math.sqrt(square) * one
    partner = math.sqrt(square) * (0.3 * one + math.sqrt(1 - 0.09) * other)
    layer = Activation("1", [chosen])
    if layer.parameters:
        ParameterBuffer(layer.parameters, 1, torch.float64).initialize()
    a, b = layer.forward(z), layer.forward(partner)
    g = layer.backward(torch.ones_like(a), z, a)
    drawn = Signal(float((a**2).mean()), float((a * b).mean()), float(a.mean()))
    scale = math.sqrt(drawn.square)
    assert signal.square == pytest.approx(drawn.square, rel=0.02)
    assert signal.product == pytest.approx(drawn.product, rel=0.02, abs=0.01 * drawn.square)
    assert signal.mean == pytest.approx(drawn.mean, rel=0.02, abs=0.01 * scale)
    # hardtanh's slope jumps between two nodes of the quadrature.
    assert slope == pytest.approx(float((g**2).mean()), rel=0.15 if name == "hardtanh" else 0.02)


def test_no_slope_where_no_gradient_passes() -> None:
    untrainable = set(registry.names("activation")) - set(ACTIVATIONS)
    for name in untrainable:
        signal, slope = through(choice("activation", name), 1.0, 0.0)
        assert slope is None
        assert signal.square == pytest.approx(0.5)


def test_a_signal_of_nothing() -> None:
    signal, slope = through(choice("activation", "sigmoid"), 0.0, 0.0)
    assert (signal.mean, signal.variance) == (pytest.approx(0.5), pytest.approx(0.0))
    assert slope == pytest.approx(1 / 16)

"""Moments of an activation of normal numbers, by quadrature.

The trapezoidal rule converges as fast as Gauss and Hermite's for smooth functions, and is off by
little where a function bends or its slope jumps, where theirs is off by 20 % at 100 nodes.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dlx.config.types import Choice
from dlx.nn.activate import Activation
from dlx.nn.parameters import ParameterBuffer

_NODES = 300  # even: half of them on each side of a bend at zero
_END = 8.0  # standard deviations, beyond which nothing is left


@dataclass(frozen=True)
class Signal:
    """A layer's outputs, over its units, the rows of a batch and the draws of the weights.

    Attributes:
        square: E[a²]
        product: E[a a'], of one unit in two rows
        mean: E[a]
    """

    square: float
    product: float
    mean: float

    @property
    def variance(self) -> float:
        """Var(a), over units and rows."""
        return self.square - self.mean**2

    @property
    def spread(self) -> float:
        """The variance of one unit over the rows."""
        return self.square - self.product

    @property
    def is_finite(self) -> bool:
        """Whether no moment has overflowed."""
        return all(map(math.isfinite, (self.square, self.product, self.mean)))


def pooled(signals: Sequence[Signal]) -> Signal:
    """Return the moments of as many units of each signal."""
    return Signal(
        *(sum(getattr(s, m) for s in signals) / len(signals) for m in ("square", "product", "mean"))
    )


def through(activation: Choice, square: float, product: float) -> tuple[Signal, float | None]:
    """Return the moments of a = g(z), and E[g'(z)²], of z ~ N(0, square).

    E[a²] = E[g(√q ξ)²] and E[a a'] = E[g(√q ξ) g(√q (c ξ + √(1 - c²) ξ'))] with c = product / q.

    Args:
        activation: g, with its learned numbers at their start
        square: q = E[z²]
        product: E[z z'], of one unit in two rows

    Returns:
        the second is None where no gradient passes through g

    Reference:
        Poole, Lahiri, Raghu, Sohl-Dickstein and Ganguli (2016), Exponential expressivity in deep
        neural networks through transient chaos
    """
    nodes, weights = _quadrature()
    correlation = max(-1.0, min(1.0, product / square)) if square > 0 else 1.0
    z = math.sqrt(square) * nodes
    layer = _layer(activation)
    a = layer.forward(z.view(1, 1, -1))
    partner = correlation * z[:, None] + math.sqrt(1 - correlation**2) * z[None, :]
    others = layer.forward(partner.unsqueeze(0))[0]
    own = a.flatten()
    signal = Signal(
        float(weights @ own**2), float(weights @ (own * (others @ weights))), float(weights @ own)
    )
    if not activation.traits.trainable:
        return signal, None
    slope = layer.backward(torch.ones_like(a), z.view(1, 1, -1), a).flatten()
    return signal, float(weights @ slope**2)


@functools.cache
def _quadrature() -> tuple[Tensor, Tensor]:
    """Return the nodes, and the weights by which a function's values there become its mean."""
    nodes = torch.linspace(-_END, _END, _NODES, dtype=torch.float64)
    weights = torch.exp(-0.5 * nodes**2)
    return nodes, weights / weights.sum()


def _layer(activation: Choice) -> Activation:
    layer = Activation("theory", [activation])
    if layer.parameters:
        ParameterBuffer(layer.parameters, 1, torch.float64).initialize()
    return layer

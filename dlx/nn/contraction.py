"""The contractive penalty: how much a layer's outputs change with its inputs.

# K runs, B batch, I inputs, O outputs
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from dlx.config.types import Choice
from dlx.nn.passes import Pass
from dlx.segments import chosen


class Contraction:
    """Adds weight × |dh / dx|² to the cost, the squared Frobenius norm, for a layer h = g(x W + b).

    |dh / dx|² = mean_b sum_j g'(z_bj)² sum_i W_ij², where g is elementwise. Evaluations measure it,
    without the weight, as `contraction`.

    Reference:
        Rifai, Vincent, Muller, Glorot and Bengio (2011), Contractive auto-encoders
    """

    def __init__(self, activations: Sequence[Choice], weights: Sequence[float | None]) -> None:
        pairs = zip(activations, weights, strict=True)
        self._segments = chosen([None if w is None else (g, w) for g, w in pairs])

    def forward(self, w: Tensor, z: Tensor, pass_: Pass) -> None:
        """Add the weighted penalty for W (K, I, O) and z (K, B, O) to the cost, and measure it."""
        if not self._segments:
            return
        penalties, terms = z.new_zeros(2, len(z)).unbind()
        gradients = []
        for rows, (activation, weight) in self._segments:
            norms, by_z, by_squares = _norms(w[rows], z[rows], activation)
            penalties[rows], terms[rows] = norms, weight * norms
            gradients.append((weight * by_z, 2 * weight * by_squares))
        pass_.terms["contraction"] = terms
        if pass_.measured is not None:
            pass_.measured["contraction"] = penalties
        pass_.record(gradients)

    def backward(self, pass_: Pass) -> list[tuple[slice, Tensor, Tensor]]:
        """Return what the penalty adds to gradients, for each segment of R runs.

        Returns:
            the rows; their dZ, (R, B, O); and by what W is multiplied to give their dW, (R, 1, O)
        """
        if not self._segments:
            return []
        return [(rows, *g) for (rows, _), g in zip(self._segments, pass_.pop(), strict=True)]


def _norms(w: Tensor, z: Tensor, activation: Choice) -> tuple[Tensor, Tensor, Tensor]:
    """Return |dh / dx|² of each run (K,), and its gradients by z and by sum_i W_ij², (K, 1, O)."""
    squares = w.square().sum(1, keepdim=True)
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        a = activation(z)
        (slope,) = torch.autograd.grad(a, z, torch.ones_like(a), create_graph=True)
        upstream = 2 / z.shape[1] * slope.detach() * squares
        # The slope of the identity is a constant, which has no gradient.
        by_z = torch.zeros_like(upstream)
        if slope.requires_grad:
            (by_z,) = torch.autograd.grad(slope, z, upstream, materialize_grads=True)
    by_squares = slope.detach().square().sum(1, keepdim=True) / z.shape[1]
    return (by_squares * squares).flatten(1).sum(1), by_z, by_squares

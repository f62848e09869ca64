"""Mean-field theory of an rnn's states and their gradients, step by step.

With weights of mean square v_U from H units to H, drawn independently or orthogonal, the state of
step t has z_t ~ N(0, q_t), q_t = E[(x_t W + b)²] + H v_U E[h_(t-1)²]; back in time E[dz_t²] =
E[g'(z_t)²] (E[dy_t²] + H v_U E[dz_(t+1)²]), y_t being what is handed on of h_t.
"""

import math
from collections.abc import Sequence

from dlx.config.types import Choice
from dlx.diagnose.moments import Signal, through


def forward(
    activation: Choice, gain: float, zs: Sequence[Signal]
) -> tuple[list[Signal], list[float | None]] | None:
    """Return the moments of every step's state, and E[g'(z_t)²]; None where they overflow.

    Args:
        activation: g
        gain: H v_U
        zs: what the inputs of each step give to z

    Reference:
        Chen, Pennington and Schoenholz (2018), Dynamical isometry and a mean field theory of RNNs
    """
    h = Signal(0.0, 0.0, 0.0)
    states, slopes = [], []
    for z in zs:
        square, product = z.square + gain * h.square, z.product + gain * h.product
        if not math.isfinite(square):
            return None
        h, slope = through(activation, square, product)
        if not h.is_finite:
            return None
        states.append(h)
        slopes.append(slope)
    return states, slopes


def backward(
    slopes: Sequence[float | None], gain: float, upstream: Sequence[float]
) -> list[float] | None:
    """Return the mean square of every step's dz; None where no gradient passes.

    Args:
        slopes: E[g'(z_t)²]
        gain: H v_U
        upstream: mean square of the gradient of what is handed on of each state
    """
    found: list[float] = []
    later = 0.0
    for slope, share in zip(reversed(slopes), reversed(upstream), strict=True):
        if slope is None:
            return None
        found.append(slope * (share + later))
        later = gain * found[-1]
    return found[::-1]

"""Clipping of every run's gradient.

# K runs, P parameters of one run (padded)
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from dlx.nn.parameters import ParameterBuffer


class Clipping:
    """Limits the gradients of the runs that ask for it, first by value and then by norm.

    By value, g <- min(max(g, -limit), limit) for every number. By norm, g <- g min(1, limit / |g|)
    with the Euclidean norm over all parameters of the run.

    Args:
        values: limit of every number, one per run; None for none
        norms: limit of the norm, one per run; None for none
        buffer: holds the gradients (K, P)

    Reference:
        Pascanu, Mikolov and Bengio (2013), On the difficulty of training recurrent neural networks
    """

    def __init__(
        self, values: Sequence[float | None], norms: Sequence[float | None], buffer: ParameterBuffer
    ) -> None:
        self._buffer = buffer
        self._values, self._norms = self._limits(values), self._limits(norms)

    def _limits(self, limits: Sequence[float | None]) -> Tensor | None:
        """Return the limits as a column (K, 1), infinity for None; None if there are no limits."""
        if all(limit is None for limit in limits):
            return None
        numbers = [float("inf") if limit is None else limit for limit in limits]
        gradients = self._buffer.gradients
        return torch.tensor(numbers, dtype=gradients.dtype, device=gradients.device).unsqueeze(1)

    def apply(self) -> None:
        """Clip the gradients in the buffer."""
        gradients = self._buffer.gradients
        if self._values is not None:
            torch.clamp(gradients, -self._values, self._values, out=gradients)
        if self._norms is not None:
            norms = self._buffer.gradient_norms().unsqueeze(1)
            scale = (self._norms / (norms + 1e-6)).clamp_max_(1)
            # In a run that does not clip, an infinite norm would give inf / inf, which is NaN.
            gradients.mul_(torch.where(self._norms.isinf(), 1, scale))

"""Penalties on the weights of each run.

# K runs, P parameters of one run (padded)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dlx.nn.parameters import ParameterBuffer
from dlx.segments import chosen


@dataclass(frozen=True)
class Penalty:
    """A penalty that is added to a run's cost: l1 sum |w| + l2 / 2 sum w^2 over all weights w."""

    l1: float = 0.0
    l2: float = 0.0


class Penalties:
    """The penalties of the runs that have one; biases, gains and slopes have none.

    Reference:
        Tibshirani (1996), Regression shrinkage and selection via the lasso; Hoerl and Kennard
        (1970), Ridge regression
    """

    def __init__(self, penalties: Sequence[Penalty | None], buffer: ParameterBuffer) -> None:
        self.segments = chosen(penalties)
        self._buffer = buffer

    def add_gradients(self) -> None:
        """Add the gradient of each penalty, l1 sign(w) + l2 w, to that of the cost."""
        for rows, penalty in self.segments:
            weights = self._buffer.values[rows, self._buffer.weights]
            gradients = self._buffer.gradients[rows, self._buffer.weights]
            if penalty.l1:
                gradients += weights.sign() * penalty.l1
            if penalty.l2:
                gradients += weights * penalty.l2

    def costs(self) -> Tensor:
        """Return the penalty of each run, 0 if it has none: (K,)."""
        total = torch.zeros_like(self._buffer.values[:, 0])
        for rows, penalty in self.segments:
            for parameter in self._buffer.parameters:
                if parameter.is_weight:
                    weights = parameter.value[rows].flatten(1)
                    total[rows] += weights.abs().sum(1) * penalty.l1
                    total[rows] += weights.square().sum(1) * (penalty.l2 / 2)
        return total

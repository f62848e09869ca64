"""Penalties on the weights of each run.

# K runs, P parameters of one run (padded)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dlx.nn.parameters import ParameterBuffer
from dlx.segments import segments


@dataclass(frozen=True)
class Penalty:
    """A penalty that is added to a run's cost: l1 sum |w| + l2 / 2 sum w^2 over all weights w.

    Attributes:
        l1: factor of the absolute values
        l2: factor of half the squares
    """

    l1: float = 0.0
    l2: float = 0.0


class Penalties:
    """The penalties of the runs that have one; biases, gains and slopes have none.

    Args:
        penalties: one per run; None for none
        buffer: holds weights and gradients (K, P)

    Reference:
        Tibshirani (1996), Regression shrinkage and selection via the lasso; Hoerl and Kennard
        (1970), Ridge regression
    """

    def __init__(self, penalties: Sequence[Penalty | None], buffer: ParameterBuffer) -> None:
        self._segments = [s for s in segments(list(penalties)) if s.choice is not None]
        self._buffer = buffer

    def add_gradients(self) -> None:
        """Add the gradient of each penalty, l1 sign(w) + l2 w, to that of the cost."""
        for segment in self._segments:
            assert segment.choice is not None
            weights = self._buffer.values[segment.rows, self._buffer.weights]
            gradients = self._buffer.gradients[segment.rows, self._buffer.weights]
            if segment.choice.l1:
                gradients += weights.sign() * segment.choice.l1
            if segment.choice.l2:
                gradients += weights * segment.choice.l2

    def costs(self) -> Tensor:
        """Return the penalty of each run, 0 if it has none: (K,)."""
        total = torch.zeros_like(self._buffer.values[:, 0])
        for segment in self._segments:
            penalty, rows = segment.choice, segment.rows
            assert penalty is not None
            for parameter in self._buffer.parameters:
                if parameter.is_weight:
                    weights = parameter.value[rows].flatten(1)
                    total[rows] += weights.abs().sum(1) * penalty.l1
                    total[rows] += weights.square().sum(1) * (penalty.l2 / 2)
        return total

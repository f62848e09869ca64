"""A limit on the norm of the weights into each unit.

# K runs, I inputs, O outputs
"""

from collections.abc import Sequence

from dlx.nn.parameters import Parameter
from dlx.segments import segments


class MaxNorm:
    """Limits the norm of the weights into each hidden unit, in the runs that ask for it.

    W[:, j] <- W[:, j] min(1, limit / |W[:, j]|) for every unit j, after every step.

    Args:
        limits: one per run; None for none
        weights: of the hidden layers, (K, I, O) each

    Reference:
        Srebro and Shraibman (2005), Rank, trace-norm and max-norm; Srivastava, Hinton, Krizhevsky,
        Sutskever and Salakhutdinov (2014), Dropout, section 5.1
    """

    def __init__(self, limits: Sequence[float | None], weights: Sequence[Parameter]) -> None:
        self._segments = [s for s in segments(list(limits)) if s.choice is not None]
        self._weights = tuple(weights)

    def apply(self) -> None:
        """Scale the weights in the buffer down to the limits."""
        for segment in self._segments:
            assert segment.choice is not None
            for parameter in self._weights:
                weights = parameter.value[segment.rows]
                norms = weights.square().sum(1, keepdim=True).sqrt_()
                weights.mul_((segment.choice / norms).clamp_max_(1))

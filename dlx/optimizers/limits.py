"""Limits on each run's gradient and on the norms of its weights; weights that may not change.

# K runs, P parameters of one run (padded), I inputs, O outputs
"""

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from dlx.nn.parameters import Parameter, ParameterBuffer
from dlx.segments import chosen


class Clipping:
    """Limits the gradients of the runs that ask for it, first by value and then by norm.

    By value, g <- min(max(g, -limit), limit) for every number. By norm, g <- g min(1, limit / |g|)
    with the Euclidean norm over all parameters of the run.

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
        numbers = [torch.inf if limit is None else limit for limit in limits]
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


class MaxNorm:
    """Limits the norm of the weights (K, I, O) into each hidden unit, in the runs that ask for it.

    W[:, j] <- W[:, j] min(1, limit / |W[:, j]|) for every unit j, after every step.

    Reference:
        Srebro and Shraibman (2005), Rank, trace-norm and max-norm; Srivastava, Hinton, Krizhevsky,
        Sutskever and Salakhutdinov (2014), Dropout, section 5.1
    """

    def __init__(self, limits: Sequence[float | None], weights: Sequence[Parameter]) -> None:
        self._segments = chosen(limits)
        self._weights = tuple(weights)

    def apply(self) -> None:
        """Scale the weights in the buffer down to the limits."""
        for rows, limit in self._segments:
            for parameter in self._weights:
                weights = parameter.value[rows]
                norms = weights.square().sum(1, keepdim=True).sqrt_()
                weights.mul_((limit / norms).clamp_max_(1))


class Frozen:
    """The parameters of frozen layers, which are restored after every optimizer step.

    Their gradients are set to zero, so that they count neither in clipping nor in logged norms.
    Restoring undoes weight decay, and optimizers that change weights without a gradient.
    """

    def __init__(self, layers: Sequence[Collection[str]], buffer: ParameterBuffer) -> None:
        self._buffer = buffer
        self._mask = self._kept = None
        if any(layers):
            self._mask = torch.zeros_like(buffer.values, dtype=torch.bool)
            for parameter in buffer.parameters:
                for row, names in enumerate(layers):
                    self._mask[row, parameter.columns] = parameter.layer in names

    def still(self) -> None:
        """Set the gradients of frozen parameters to zero, and remember their values."""
        if self._mask is not None:
            self._buffer.gradients.masked_fill_(self._mask, 0)
            self._kept = self._buffer.values.clone()

    def restore(self) -> None:
        """Restore the values of frozen parameters that `still` remembered."""
        if self._mask is not None:
            assert self._kept is not None
            torch.where(self._mask, self._kept, self._buffer.values, out=self._buffer.values)

"""Layers whose weights do not change while other layers are trained.

# K runs, P parameters of one run (padded)
"""

from collections.abc import Collection, Sequence

import torch

from dlx.nn.parameters import ParameterBuffer


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

"""The weight that a layer multiplies with: after weight norm, and with connections dropped.

# K runs, I inputs, O outputs
"""

from collections.abc import Callable, Hashable, Sequence

import numpy as np
import torch
from torch import Tensor

from dlx.arithmetic import total
from dlx.nn.dropout import Dropout
from dlx.nn.parameters import Parameter
from dlx.nn.passes import Pass
from dlx.segments import where


class Weight:
    """W (I, O) of every run of a cohort.

    With weight norm W = magnitude V / |V|, |V| the Euclidean norm of each unit's incoming weights;
    `parameter` is then V, and the magnitudes start at |V|. With drop-connect W is under a mask in
    training; kinds of dropout that drop units do nothing here.

    Reference:
        Salimans and Kingma (2016), Weight normalization
    """

    def __init__(
        self,
        layer: str,
        shape: tuple[int, int],
        initialize: Callable[[int], Tensor],
        drawn_from: Callable[[int], Hashable],
        weight_norm: Sequence[bool],
        rates: Sequence[float],
        kinds: Sequence[str],
        seeds: Sequence[int],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        def direction(run: int) -> Tensor:
            drawn = initialize(run)
            # Zero weights have no direction. Any will do, since their magnitude is zero.
            return drawn.where(_lengths(drawn) > 0, 1.0) if weight_norm[run] else drawn

        def magnitude(run: int) -> Tensor:
            return _lengths(initialize(run))

        everyone = [True] * len(seeds)
        self.parameter = Parameter(f"{layer}.weight", shape, everyone, direction, drawn_from)
        self.magnitude = Parameter(
            f"{layer}.magnitude", shape[1:], weight_norm, magnitude, drawn_from
        )
        self._normalized = where(weight_norm, bool)
        self.parameters = [self.parameter, *([self.magnitude] if self._normalized else [])]
        self._dropout = Dropout(layer, rates, kinds, seeds, dtype, device, on="weights")
        self._plain = not self._normalized and not self._dropout.active

    def forward(self, pass_: Pass) -> Tensor:
        """Return W: (K, I, O)."""
        value = self.parameter.value
        if self._plain:
            return value
        if self._normalized:
            norms, w = [], value.clone()
            for rows in self._normalized:
                norm = value[rows].square().sum(1, keepdim=True).sqrt_()
                direction = value[rows] / norm
                w[rows] = direction * self.magnitude.value[rows].unsqueeze(1)
                norms.append((norm, direction))
            pass_.record(norms)
            value = w
        value = self._dropout.forward(value, pass_, rows=value.shape[1])
        pass_.record(value)
        return value

    def scale(self, run: int, factor: Tensor) -> None:
        """Multiply the weights of one run, the magnitudes of weight norm included."""
        self.parameter.value[run] *= factor
        if self.magnitude.owners[run]:
            self.magnitude.value[run] *= factor

    def used(self, pass_: Pass) -> Tensor:
        """Return, in the backward pass, the W of the forward pass."""
        return self.parameter.value if self._plain else pass_.pop()

    @property
    def direct(self) -> Tensor | None:
        """Where dW may be written; None where `backward` has to transform it first."""
        return self.parameter.gradient if self._plain else None

    def backward(self, dw: Tensor, pass_: Pass) -> None:
        """Leave the gradients in their buffer, given dW (K, I, O).

        d magnitude = sum(dW V / |V|), dV = magnitude / |V| (dW - V / |V| d magnitude).
        """
        if self._plain:
            shared = pass_.shared.pop(self.parameter.name, None)
            if shared is not None:
                self.parameter.gradient.add_(shared)
            return
        dw = self._dropout.backward(dw, pass_)
        self.parameter.gradient.copy_(dw)
        if self._normalized:
            for rows, (norm, direction) in zip(self._normalized, pass_.pop(), strict=True):
                sums = (dw[rows] * direction).sum(1, keepdim=True)
                scale = self.magnitude.value[rows].unsqueeze(1) / norm
                self.magnitude.gradient[rows] = sums.squeeze(1)
                self.parameter.gradient[rows] = (dw[rows] - direction * sums) * scale


class TiedWeight:
    """The transposed weight of an earlier layer, which owns it and its gradient."""

    parameter: Parameter  # of the owner, (K, O, I)
    parameters: Sequence[Parameter] = ()
    direct: Tensor | None = None

    def forward(self, pass_: Pass) -> Tensor:
        """Return W: (K, I, O)."""
        return self.parameter.value.mT

    used = forward

    def backward(self, dw: Tensor, pass_: Pass) -> None:
        """Hand dW (K, I, O) to the owner, which comes later in the backward pass."""
        pass_.shared[self.parameter.name] = dw.mT

    def scale(self, run: int, factor: Tensor) -> None:
        """Fail: models refuse to tie layers whose initializer scales weights."""
        raise AssertionError("a tied weight is scaled by its owner alone")


def _lengths(weight: Tensor) -> Tensor:
    """Return the length of each column of initial weights, with the same bits on every machine."""
    squares = total(weight.double().square().cpu().numpy())
    return torch.from_numpy(np.sqrt(squares)).to(weight)

"""Batch and layer normalization on the run axis.

# K runs, B batch, O units
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from dlx.nn.parameters import Parameter
from dlx.nn.passes import Pass
from dlx.segments import segments

Position = Literal["before", "after"]


@dataclass(frozen=True)
class BatchNormOptions:
    """How one run normalizes a layer over the batch.

    Attributes:
        position: 'before' or 'after' the activation
        momentum: share of a batch's statistics in the running ones
        epsilon: added to the variance
    """

    position: Position = "before"
    momentum: float = 0.1
    epsilon: float = 1e-5


@dataclass(frozen=True)
class LayerNormOptions:
    """How one run normalizes a layer over its units.

    Attributes:
        position: 'before' or 'after' the activation
        epsilon: added to the variance
    """

    position: Position = "before"
    epsilon: float = 1e-5


@dataclass(frozen=True)
class _Piece:
    """Neighbouring runs that are normalized by one call."""

    rows: slice
    forward: Callable[[Tensor, slice, Pass], Tensor]
    backward: Callable[[Tensor, slice, Pass], Tensor]


class Normalization:
    """Batch or layer norm of one layer, for the runs that have it; the others' rows pass unchanged.

    y = gain (x - mean) / sqrt(variance + epsilon) + shift, with the biased variance; gain starts at
    1, shift at 0. Layer norm takes mean and variance over the units of each row. Batch norm takes
    them for each unit: over the batch in training, from running statistics in evaluation. These
    start at mean 0 and variance 1, and follow r <- (1 - momentum) r + momentum b, where b is the
    batch's mean, or its unbiased variance.

    Args:
        layer: the layer's name
        options: one per run; None where the run has no normalization
        units: O

    Reference:
        Ioffe and Szegedy (2015), Batch normalization; Ba, Kiros and Hinton (2016), Layer
        normalization
    """

    def __init__(
        self,
        layer: str,
        options: Sequence[BatchNormOptions | LayerNormOptions | None],
        units: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        owners = [option is not None for option in options]
        self.gain = Parameter(f"{layer}.gain", (units,), owners, lambda run: torch.ones(units))
        self.shift = Parameter(f"{layer}.shift", (units,), owners, lambda run: torch.zeros(units))
        self.has_statistics = [isinstance(option, BatchNormOptions) for option in options]
        self.running_mean = torch.zeros(len(options), units, dtype=dtype, device=device)
        self.running_variance = torch.ones(len(options), units, dtype=dtype, device=device)
        momentum = [o.momentum if isinstance(o, BatchNormOptions) else 0.0 for o in options]
        self._momentum = torch.tensor(momentum, dtype=dtype, device=device)
        epsilon = [0.0 if option is None else option.epsilon for option in options]
        self._epsilon = torch.tensor(epsilon, dtype=dtype, device=device)
        self._pieces: dict[str, tuple[_Piece, ...]] = {"before": (), "after": ()}
        for segment in segments([_together(option) for option in options]):
            option = options[segment.start]
            if isinstance(option, BatchNormOptions):
                piece = _Piece(segment.rows, self._over_batch, self._over_batch_backward)
            elif isinstance(option, LayerNormOptions):
                forward, backward = self._over_units(option.epsilon)
                piece = _Piece(segment.rows, forward, backward)
            else:
                continue
            self._pieces[option.position] += (piece,)

    def buffers(self, layer: str) -> dict[str, tuple[Tensor, Sequence[bool]]]:
        """Return the running statistics of batch norm by name, and which runs own them."""
        if not any(self.has_statistics):
            return {}
        return {
            f"{layer}.running_mean": (self.running_mean, self.has_statistics),
            f"{layer}.running_variance": (self.running_variance, self.has_statistics),
        }

    def forward(self, x: Tensor, position: Position, pass_: Pass) -> Tensor:
        """Return `x`, normalized where a run normalizes at `position`: (K, B, O)."""
        pieces = self._pieces[position]
        if not pieces:
            return x
        if pieces[0].rows == slice(0, x.shape[0]):
            return pieces[0].forward(x, pieces[0].rows, pass_)
        y = x.clone()
        for piece in pieces:
            y[piece.rows] = piece.forward(x[piece.rows], piece.rows, pass_)
        return y

    def backward(self, upstream: Tensor, position: Position, pass_: Pass) -> Tensor:
        """Return dX, and leave the gradients of gain and shift in their buffer: (K, B, O).

        With h = (x - mean) / std and g = dY: dX = gain (g - mean(g) - h mean(g h)) / std over the
        batch, and the same with gain inside the means over the units; d gain = sum(g h),
        d shift = sum(g).
        """
        pieces = self._pieces[position]
        if not pieces:
            return upstream
        if pieces[0].rows == slice(0, upstream.shape[0]):
            return pieces[0].backward(upstream, pieces[0].rows, pass_)
        gradient = upstream.clone()
        for piece in reversed(pieces):
            gradient[piece.rows] = piece.backward(upstream[piece.rows], piece.rows, pass_)
        return gradient

    def _over_batch(self, x: Tensor, rows: slice, pass_: Pass) -> Tensor:
        mean, variance = self.running_mean[rows], self.running_variance[rows]
        if pass_.tape is not None:
            batch_variance, batch_mean = torch.var_mean(x, 1, correction=0)
            size, share = x.shape[1], self._momentum[rows, None]
            mean.mul_(1 - share).add_(batch_mean * share)
            # Running statistics take the unbiased variance, as torch's do.
            variance.mul_(1 - share).add_(batch_variance * (size / (size - 1)) * share)
            mean, variance = batch_mean, batch_variance
        rstd = (variance + self._epsilon[rows, None]).rsqrt_().unsqueeze(1)
        normalized = (x - mean.unsqueeze(1)).mul_(rstd)
        if pass_.tape is not None:
            pass_.tape.append((normalized, rstd))
        return self._gained(normalized, rows)

    def _over_batch_backward(self, upstream: Tensor, rows: slice, pass_: Pass) -> Tensor:
        normalized, rstd = pass_.pop()
        sum_g, sum_gh = self._gain_and_shift(upstream, normalized, rows)
        size = upstream.shape[1]
        gradient = upstream - (sum_g / size).unsqueeze(1)
        gradient.sub_(normalized * (sum_gh / size).unsqueeze(1))
        return gradient.mul_(rstd * self.gain.value[rows].unsqueeze(1))

    def _over_units(
        self, epsilon: float
    ) -> tuple[Callable[[Tensor, slice, Pass], Tensor], Callable[[Tensor, slice, Pass], Tensor]]:
        def forward(x: Tensor, rows: slice, pass_: Pass) -> Tensor:
            x = x.contiguous()
            normalized, mean, rstd = torch.native_layer_norm(x, x.shape[2:], None, None, epsilon)
            if pass_.tape is not None:
                pass_.tape.append((x, normalized, mean, rstd))
            return self._gained(normalized, rows)

        def backward(upstream: Tensor, rows: slice, pass_: Pass) -> Tensor:
            x, normalized, mean, rstd = pass_.pop()
            self._gain_and_shift(upstream, normalized, rows)
            gradient = upstream * self.gain.value[rows].unsqueeze(1)
            return torch.ops.aten.native_layer_norm_backward(
                gradient, x, x.shape[2:], mean, rstd, None, None, [True, False, False]
            )[0]

        return forward, backward

    def _gained(self, normalized: Tensor, rows: slice) -> Tensor:
        gain, shift = self.gain.value[rows].unsqueeze(1), self.shift.value[rows].unsqueeze(1)
        return normalized * gain + shift

    def _gain_and_shift(
        self, upstream: Tensor, normalized: Tensor, rows: slice
    ) -> tuple[Tensor, Tensor]:
        """Leave the gradients of gain and shift in their buffer; return sum(g) and sum(g h)."""
        sum_g, sum_gh = upstream.sum(1), (upstream * normalized).sum(1)
        self.gain.gradient[rows] = sum_gh
        self.shift.gradient[rows] = sum_g
        return sum_g, sum_gh


def _together(option: BatchNormOptions | LayerNormOptions | None) -> Hashable:
    """Return what neighbouring runs must agree on for one call to normalize them together."""
    return ("batch", option.position) if isinstance(option, BatchNormOptions) else option

"""Batch normalization on the run axis.

# K runs, B batch, O units
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor

from dlx.nn.parameters import Parameter
from dlx.segments import where


@dataclass(frozen=True)
class BatchNormOptions:
    """How one run normalizes a layer.

    Attributes:
        position: 'before' or 'after' the activation
        momentum: share of a batch's statistics in the running ones
        epsilon: added to the variance
    """

    position: Literal["before", "after"] = "before"
    momentum: float = 0.1
    epsilon: float = 1e-5


class _Normalize(torch.autograd.Function):
    """y = gain (x - mean) rstd + shift over the batch, with the gradient written out.

    With h = (x - mean) rstd and g = dL/dy:
    dx = gain rstd (g - mean(g) - h mean(g h)), d gain = sum(g h), d shift = sum(g).
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, epsilon: Tensor, gain: Parameter, shift: Parameter, rows: slice
    ) -> Any:
        variance, mean = torch.var_mean(x, 1, correction=0, keepdim=True)
        rstd = (variance + epsilon).rsqrt_()
        normalized = (x - mean).mul_(rstd)
        ctx.save_for_backward(normalized, rstd)
        ctx.gain, ctx.shift, ctx.rows = gain, shift, rows
        ctx.mark_non_differentiable(mean, variance)
        y = normalized * gain.value[rows].unsqueeze(1) + shift.value[rows].unsqueeze(1)
        return y, mean, variance

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Any:
        normalized, rstd = ctx.saved_tensors
        g, rows = upstream[0], ctx.rows
        sum_g, sum_gh = g.sum(1), (g * normalized).sum(1)
        ctx.gain.gradient[rows] = sum_gh
        ctx.shift.gradient[rows] = sum_g
        size = g.shape[1]
        gradient = g - (sum_g / size).unsqueeze(1) - normalized * (sum_gh / size).unsqueeze(1)
        gradient.mul_(rstd * ctx.gain.value[rows].unsqueeze(1))
        return gradient, None, None, None, None


class BatchNorm:
    """Batch norm of one layer for the runs that have it; the others' rows pass unchanged.

    In training y = gain (x - mean) / sqrt(variance + epsilon) + shift with the batch's biased
    variance; in evaluation with running statistics, r <- (1 - momentum) r + momentum b, which take
    the unbiased variance. Gain starts at 1, shift at 0, the running mean at 0 and variance at 1.

    Args:
        layer: the layer's name
        options: one per run; None where the run has no batch norm
        units: O

    Reference:
        Ioffe and Szegedy (2015), Batch normalization
    """

    def __init__(
        self,
        layer: str,
        options: Sequence[BatchNormOptions | None],
        units: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        owners = [option is not None for option in options]
        self.gain = Parameter(f"{layer}.gain", (units,), owners, lambda run: torch.ones(units))
        self.shift = Parameter(f"{layer}.shift", (units,), owners, lambda run: torch.zeros(units))
        self.running_mean = torch.zeros(len(options), units, dtype=dtype, device=device)
        self.running_variance = torch.ones(len(options), units, dtype=dtype, device=device)
        chosen = [option or BatchNormOptions() for option in options]
        self._momentum = torch.tensor([o.momentum for o in chosen], dtype=dtype, device=device)
        self._epsilon = torch.tensor([o.epsilon for o in chosen], dtype=dtype, device=device)
        self._positions = {
            position: where(options, lambda o, p=position: o is not None and o.position == p)
            for position in ("before", "after")
        }

    def __call__(self, x: Tensor, position: str, training: bool) -> Tensor:
        """Return `x`, normalized in the runs whose batch norm stands at `position`: (K, B, O)."""
        segments = self._positions[position]
        if not segments:
            return x
        if segments[0].rows == slice(0, x.shape[0]):
            return self._rows(x, segments[0].rows, training)
        edges = [0, *(edge for s in segments for edge in (s.start, s.end)), x.shape[0]]
        pieces = x.split([end - start for start, end in pairwise(edges)])
        normalized = [
            self._rows(piece, segments[index // 2].rows, training) if index % 2 else piece
            for index, piece in enumerate(pieces)
        ]
        return torch.cat(normalized)

    def _rows(self, x: Tensor, rows: slice, training: bool) -> Tensor:
        epsilon = self._epsilon[rows, None, None]
        mean, variance = self.running_mean[rows], self.running_variance[rows]
        if not training:
            rstd = (variance.unsqueeze(1) + epsilon).rsqrt_()
            normalized = (x - mean.unsqueeze(1)) * rstd
            gain, shift = self.gain.value[rows].unsqueeze(1), self.shift.value[rows].unsqueeze(1)
            return normalized * gain + shift
        y, batch_mean, batch_variance = _Normalize.apply(x, epsilon, self.gain, self.shift, rows)  # type: ignore[misc]
        size, share = x.shape[1], self._momentum[rows, None]
        unbiased = batch_variance.squeeze(1) * (size / (size - 1))
        mean.mul_(1 - share).add_(batch_mean.squeeze(1) * share)
        variance.mul_(1 - share).add_(unbiased * share)
        return y

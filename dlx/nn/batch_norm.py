"""Batch normalization on the run axis.

# K runs, B batch, O units
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from dlx.nn.parameters import Parameter
from dlx.nn.passes import Pass
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

    def forward(self, x: Tensor, position: str, how: Pass) -> Tensor:
        """Return `x`, normalized in the runs whose batch norm stands at `position`: (K, B, O)."""
        segments = self._positions[position]
        if not segments:
            return x
        if segments[0].rows == slice(0, x.shape[0]):
            return self._normalize(x, segments[0].rows, how)
        y = x.clone()
        for segment in segments:
            y[segment.rows] = self._normalize(x[segment.rows], segment.rows, how)
        return y

    def backward(self, upstream: Tensor, position: str, how: Pass) -> Tensor:
        """Return dX, and leave the gradients of gain and shift in their buffer: (K, B, O).

        With h = (x - mean) / std and g = dY: dX = gain (g - mean(g) - h mean(g h)) / std,
        d gain = sum(g h), d shift = sum(g).
        """
        segments = self._positions[position]
        if not segments:
            return upstream
        if segments[0].rows == slice(0, upstream.shape[0]):
            return self._denormalize(upstream, segments[0].rows, how)
        gradient = upstream.clone()
        for segment in reversed(segments):
            rows = segment.rows
            gradient[rows] = self._denormalize(upstream[rows], rows, how)
        return gradient

    def _normalize(self, x: Tensor, rows: slice, how: Pass) -> Tensor:
        mean, variance = self.running_mean[rows], self.running_variance[rows]
        if how.tape is not None:
            batch_variance, batch_mean = torch.var_mean(x, 1, correction=0)
            size, share = x.shape[1], self._momentum[rows, None]
            mean.mul_(1 - share).add_(batch_mean * share)
            # Running statistics take the unbiased variance, as torch's do.
            variance.mul_(1 - share).add_(batch_variance * (size / (size - 1)) * share)
            mean, variance = batch_mean, batch_variance
        rstd = (variance + self._epsilon[rows, None]).rsqrt_().unsqueeze(1)
        normalized = (x - mean.unsqueeze(1)).mul_(rstd)
        if how.tape is not None:
            how.tape.append((normalized, rstd))
        gain, shift = self.gain.value[rows].unsqueeze(1), self.shift.value[rows].unsqueeze(1)
        return normalized * gain + shift

    def _denormalize(self, upstream: Tensor, rows: slice, how: Pass) -> Tensor:
        normalized, rstd = how.pop()
        sum_g, sum_gh = upstream.sum(1), (upstream * normalized).sum(1)
        self.gain.gradient[rows] = sum_gh
        self.shift.gradient[rows] = sum_g
        size = upstream.shape[1]
        gradient = upstream - (sum_g / size).unsqueeze(1)
        gradient.sub_(normalized * (sum_gh / size).unsqueeze(1))
        return gradient.mul_(rstd * self.gain.value[rows].unsqueeze(1))

"""Batch and layer normalization on the run axis.

# K runs, B batch, O units
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from annotated_types import Gt, Le
from pydantic import Field
from torch import Tensor

from dlx.config.sections import Section
from dlx.nn.parameters import Buffers, Parameter
from dlx.nn.passes import Pass
from dlx.segments import chosen

Position = Literal["before", "after"]


class LayerNorm(Section):
    """How the hidden layers are normalized over their units."""

    position: Position = Field(default="before", description="Before or after the activation.")
    epsilon: Annotated[float, Gt(0)] = Field(default=1e-5, description="Added to the variance.")


class BatchNorm(Section):
    """How the hidden layers are normalized over the batch."""

    position: Position = Field(default="before", description="Before or after the activation.")
    momentum: Annotated[float, Gt(0), Le(1)] = Field(
        default=0.1, description="Share of a batch's statistics in the running ones."
    )
    epsilon: Annotated[float, Gt(0)] = Field(default=1e-5, description="Added to the variance.")


class Normalization:
    """Batch or layer norm of one layer, for the runs that have it; the others' rows pass unchanged.

    y = gain (x - mean) / sqrt(variance + epsilon) + shift, with the biased variance; gain starts at
    1, shift at 0. Layer norm takes mean and variance over the units of each row. Batch norm takes
    them for each unit: over the batch in training, from running statistics in evaluation. These
    start at mean 0 and variance 1, and follow r <- (1 - momentum) r + momentum b, where b is the
    batch's mean, or its unbiased variance.

    Reference:
        Ioffe and Szegedy (2015), Batch normalization; Ba, Kiros and Hinton (2016), Layer
        normalization
    """

    def __init__(
        self,
        layer: str,
        options: Sequence[BatchNorm | LayerNorm | None],
        units: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        owners = [option is not None for option in options]
        self.gain = Parameter(f"{layer}.gain", (units,), owners, lambda run: torch.ones(units))
        self.shift = Parameter(f"{layer}.shift", (units,), owners, lambda run: torch.zeros(units))
        self.parameters = [self.gain, self.shift] if any(owners) else []
        self.running_mean = torch.zeros(len(options), units, dtype=dtype, device=device)
        self.running_variance = torch.ones(len(options), units, dtype=dtype, device=device)
        self.buffers: Buffers = {}
        if any(has_statistics := [isinstance(option, BatchNorm) for option in options]):
            self.buffers[f"{layer}.running_mean"] = self.running_mean, has_statistics
            self.buffers[f"{layer}.running_variance"] = self.running_variance, has_statistics
        momentum = [o.momentum if isinstance(o, BatchNorm) else 0.0 for o in options]
        self._momentum = torch.tensor(momentum, dtype=dtype, device=device)
        epsilon = [0.0 if option is None else option.epsilon for option in options]
        self._epsilon = torch.tensor(epsilon, dtype=dtype, device=device)
        # Rows that are normalized by one call, with the epsilon of layer norm; None: batch norm.
        self._pieces: dict[str, list[tuple[slice, float | None]]] = {"before": [], "after": []}
        for rows, (position, layer_epsilon) in chosen([_together(option) for option in options]):
            self._pieces[position].append((rows, layer_epsilon))

    def forward(self, x: Tensor, position: Position, pass_: Pass) -> Tensor:
        """Return `x`, normalized where a run normalizes at `position`: (K, B, O)."""
        y = x
        for rows, epsilon in self._pieces[position]:
            if epsilon is None:
                normalized = self._over_batch(x[rows], rows, pass_)
            else:
                normalized = self._over_units(x[rows], epsilon, pass_)
            gain, shift = self.gain.value[rows].unsqueeze(1), self.shift.value[rows].unsqueeze(1)
            own = normalized * gain + shift
            if len(own) == len(x):
                return own
            y = x.clone() if y is x else y
            y[rows] = own
        return y

    def backward(self, upstream: Tensor, position: Position, pass_: Pass) -> Tensor:
        """Return dX, and leave the gradients of gain and shift in their buffer: (K, B, O).

        With h = (x - mean) / std and g = dY: dX = gain (g - mean(g) - h mean(g h)) / std over the
        batch, and the same with gain inside the means over the units; d gain = sum(g h),
        d shift = sum(g).
        """
        gradient = upstream
        for rows, epsilon in reversed(self._pieces[position]):
            normalized, *needed = pass_.pop()
            g = upstream[rows]
            sum_g, sum_gh = g.sum(1), (g * normalized).sum(1)
            self.gain.gradient[rows], self.shift.gradient[rows] = sum_gh, sum_g
            gain = self.gain.value[rows].unsqueeze(1)
            if epsilon is None:
                (rstd,), size = needed, g.shape[1]
                own = g - (sum_g / size).unsqueeze(1)
                own.sub_(normalized * (sum_gh / size).unsqueeze(1)).mul_(rstd * gain)
            else:
                x, mean, rstd = needed
                own = torch.ops.aten.native_layer_norm_backward(
                    g * gain, x, x.shape[2:], mean, rstd, None, None, [True, False, False]
                )[0]
            if len(own) == len(upstream):
                return own
            gradient = upstream.clone() if gradient is upstream else gradient
            gradient[rows] = own
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
        pass_.record((normalized, rstd))
        return normalized

    def _over_units(self, x: Tensor, epsilon: float, pass_: Pass) -> Tensor:
        x = x.contiguous()
        normalized, mean, rstd = torch.native_layer_norm(x, x.shape[2:], None, None, epsilon)
        pass_.record((normalized, x, mean, rstd))
        return normalized


def _together(option: BatchNorm | LayerNorm | None) -> tuple[Position, float | None] | None:
    """Return what neighbouring runs must agree on for one call to normalize them together."""
    if option is None:
        return None
    return option.position, None if isinstance(option, BatchNorm) else option.epsilon

"""Dropout, its variants and Gaussian noise on the run axis; every run has a stream of its own.

# K runs, B batch, I units

A kind of dropout is a function from a rate to a `DropoutRule`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from dlx import registry
from dlx.nn.draws import Draws
from dlx.nn.passes import Pass
from dlx.registry import register
from dlx.segments import where
from dlx.streams import Seeds, random_bits, standard_normal

_LEVELS = 1 << 16  # masks compare 16 random bits with a threshold


@dataclass(frozen=True)
class DropoutRule:
    """What dropout does to a number x.

    With probability q = 1 - rate it is kept, y = scale x + kept, or else dropped, y = dropped. If
    `std` is given, y = x (1 + std n) with n ~ N(0, 1) instead.
    """

    scale: float = 1.0  # factor of what is kept
    kept: float = 0.0  # added to what is kept
    dropped: float = 0.0  # replaces what is dropped
    std: float | None = None  # of a normal factor; None: numbers are kept or dropped
    on: Literal["units", "weights"] = "units"  # what is changed

    def multiplies(self, rate: float) -> bool:
        """Say whether x becomes f x with E[f] = 1 and E[f²] = 1 / (1 - rate), as by dropout."""
        if self.on == "weights" or self.kept or self.dropped:
            return False
        squares = (1 - rate) * self.scale**2 if self.std is None else 1 + self.std**2
        return math.isclose(squares, 1 / (1 - rate))


def rule_of(kind: str, rate: float) -> DropoutRule:
    """Return what a kind of dropout does at a rate."""
    return registry.get("dropout", kind).function(rate)


@register("dropout")
def dropout(rate: float) -> DropoutRule:
    """Units become zero with probability p = rate; the others are divided by 1 - p: E[y] = x.

    Reference:
        Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov (2014), Dropout
    """
    return DropoutRule(1 / (1 - rate))


@register("dropout")
def alpha_dropout(rate: float) -> DropoutRule:
    """Dropped units become SELU's lower limit; then mean 0 and variance 1 are restored.

    y = a (x m + s (1 - m)) + b with s = -1.7581, m ~ Bernoulli(q), a = (q + s^2 q p)^(-1/2),
    b = -a s p, p = rate, q = 1 - p.

    Reference:
        Klambauer, Unterthiner, Mayr and Hochreiter (2017), Self-normalizing neural networks
    """
    saturation = -1.6732632423543772 * 1.0507009873554805
    kept = 1 - rate
    a = (kept + saturation**2 * kept * rate) ** -0.5
    b = -a * saturation * rate
    return DropoutRule(a, b, a * saturation + b)


@register("dropout")
def gaussian_dropout(rate: float) -> DropoutRule:
    """Units are multiplied by 1 + sqrt(p / (1 - p)) n, n ~ N(0, 1): dropout's mean and variance.

    Reference:
        Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov (2014), Dropout, section 10
    """
    return DropoutRule(std=math.sqrt(rate / (1 - rate)))


@register("dropout")
def drop_connect(rate: float) -> DropoutRule:
    """Weights, not units, become zero with probability p = rate; one mask for the whole batch.

    Here a mask is drawn for every step, and weights that are kept are divided by 1 - p. The paper
    draws a mask for every row, and approximates the mean in evaluation by sampling.

    Reference:
        Wan, Zeiler, Zhang, LeCun and Fergus (2013), Regularization of neural networks using
        DropConnect
    """
    return DropoutRule(1 / (1 - rate), on="weights")


def mask_of(kind: str, rate: float) -> tuple[DropoutRule, int]:
    """Return what a kind of dropout does at a rate as masks have it, and the mask's threshold.

    Kept is what has 16 random bits, read as a signed integer, up to the threshold.
    """
    levels = max(round((1 - rate) * _LEVELS), 1)
    return rule_of(kind, 1 - levels / _LEVELS), levels - _LEVELS // 2 - 1


def is_on_weights(kind: str) -> bool:
    """Say whether a kind of dropout drops weights, not units."""
    return rule_of(kind, 0.5).on == "weights"


class Dropout:
    """Changes the units or the weights of each run at random while it trains.

    A mask compares 16 random bits with the rate, which is rounded to a multiple of 1/65536 below 1.
    The bits of a step depend on the run's seed, the layer and the step alone.

    Args:
        rates: share that is dropped, one per run, in [0, 1)
        on: whether units or weights are changed here; kinds on the other ones do nothing
    """

    def __init__(
        self,
        layer: str,
        rates: Sequence[float],
        kinds: Sequence[str],
        seeds: Seeds,
        dtype: torch.dtype,
        device: torch.device,
        on: Literal["units", "weights"] = "units",
    ) -> None:
        # Bits are compared as signed integers; without a mask all of them are kept.
        all_bits = _LEVELS // 2 - 1
        pairs = [
            mask_of(kind, rate) if rate else (DropoutRule(), all_bits)
            for rate, kind in zip(rates, kinds, strict=True)
        ]
        rules = [rule for rule, _ in pairs]
        acts = [rate > 0 and rule.on == on for rate, rule in zip(rates, rules, strict=True)]
        masked = [acting and rule.std is None for acting, rule in zip(acts, rules, strict=True)]
        noisy = [acting and rule.std is not None for acting, rule in zip(acts, rules, strict=True)]
        # A draw of 64 bits makes four masks of 16.
        place = ("dropout", layer, seeds)
        self._bits = Draws(*place, masked, device, random_bits, torch.int64, torch.int16)
        self._normal = Draws(*place, noisy, device, standard_normal, dtype)
        self.active = self._bits.active or self._normal.active

        def column(values: Sequence[float]) -> Tensor:
            return torch.tensor(values, dtype=dtype, device=device)[:, None, None]

        lowest = [own if mask else all_bits for (_, own), mask in zip(pairs, masked, strict=True)]
        self._threshold = torch.tensor(lowest).to(torch.int16).to(device)[:, None, None]
        masks = [rule if mask else DropoutRule() for rule, mask in zip(rules, masked, strict=True)]
        self._scale = column([rule.scale for rule in masks])
        self._dropped = column([rule.dropped for rule in masks])
        self._kept = column([rule.kept for rule in masks])
        self._std = column([rule.std or 0.0 for rule in rules])
        self._memories: dict[torch.Size, tuple[Tensor, Tensor]] = {}
        self._shifted = where(masks, lambda rule: bool(rule.kept or rule.dropped))

    def forward(self, x: Tensor, pass_: Pass, rows: int | None = None) -> Tensor:
        """Return units (K, B, I), or weights (K, I, O), as this step changes them.

        A full `x` has `rows` rows, by default those of a full batch.
        """
        if not self.active or pass_.tape is None:
            return x
        size = (rows or pass_.batch_size) * x.shape[2]
        used = x.shape[1] * x.shape[2]
        factor = None
        if self._normal.active:
            factor = (self._normal(pass_.step, size, used).view(x.shape) * self._std).add_(1)
        if self._bits.active:
            mask, scaled = self._memory(x)
            bits = self._bits(pass_.step, size, used).view(x.shape)
            torch.le(bits, self._threshold, out=mask)
            torch.mul(mask, self._scale, out=scaled)
            factor = scaled if factor is None else factor.mul_(scaled)
            y = x * factor
            # Not for all runs: adding 0 would turn another run's -0 into 0.
            for runs in self._shifted:
                y[runs] += torch.where(mask[runs], self._kept[runs], self._dropped[runs])
        else:
            assert factor is not None
            y = x * factor
        pass_.tape.append(factor)
        return y

    def _memory(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return memory for a mask and its factors, which is used again at every step.

        The page faults of new memory would take as long as computing the numbers.
        """
        if x.shape not in self._memories:
            mask = torch.empty(x.shape, dtype=torch.bool, device=x.device)
            factor = torch.empty(x.shape, dtype=x.dtype, device=x.device)
            self._memories[x.shape] = (mask, factor)
        return self._memories[x.shape]

    def backward(self, upstream: Tensor, pass_: Pass) -> Tensor:
        """Return dX = dY times the factor of the forward pass."""
        return upstream * pass_.pop() if self.active else upstream


class GaussianNoise:
    """y = x + std n with n ~ N(0, 1), while training.

    Reference:
        Bishop (1995), Training with noise is equivalent to Tikhonov regularization
    """

    def __init__(
        self,
        layer: str,
        stds: Sequence[float],
        seeds: Seeds,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        active = [std > 0 for std in stds]
        self._draws = Draws("noise", layer, seeds, active, device, standard_normal, dtype)
        self._std = torch.tensor(stds, dtype=dtype, device=device)[:, None, None]
        self._noisy = where(stds, lambda std: std > 0)

    def forward(self, x: Tensor, pass_: Pass) -> Tensor:
        """Return `x` with this step's noise: (K, B, I). Its gradient is that of the outputs."""
        if not self._draws.active or pass_.tape is None:
            return x
        used = x.shape[1] * x.shape[2]
        drawn = self._draws(pass_.step, pass_.batch_size * x.shape[2], used).view(x.shape)
        y = x.clone()
        # Only where there is noise: adding zero would turn another run's -0 into 0.
        for rows in self._noisy:
            y[rows] += drawn[rows] * self._std[rows]
        return y

"""Corruption of inputs, which an autoencoder must undo; every run has its own kind and stream.

# K runs, B batch, I inputs

A kind of corruption is a function from its options to a `CorruptionRule`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import torch
from annotated_types import Ge, Lt
from torch import Tensor

from dlx.nn.draws import Draws
from dlx.nn.passes import Pass
from dlx.registry import register
from dlx.segments import where
from dlx.streams import random_bits, standard_normal

_LEVELS = 1 << 16  # masks compare 16 random bits with a threshold

Rate = Annotated[float, Ge(0), Lt(1)]


@dataclass(frozen=True)
class CorruptionRule:
    """What becomes of an input x; it is drawn for each row and input separately.

    x is replaced by 0, by the input's lowest or by its highest value, with a probability for each.
    If it is not replaced, noise is added: x + std n with n ~ N(0, 1).
    """

    zero: float = 0.0  # probability of 0
    lowest: float = 0.0  # probability of the lowest value
    highest: float = 0.0  # likewise; the three add up to less than 1
    std: float = 0.0  # of the noise


@register("corruption")
def gaussian(*, std: Annotated[float, Ge(0)] = 0.3) -> CorruptionRule:
    """Noise on every input: x + std n, n ~ N(0, 1).

    Args:
        std: standard deviation of the noise, in the units of the preprocessed inputs

    Reference:
        Vincent, Larochelle, Lajoie, Bengio and Manzagol (2010), Stacked denoising autoencoders,
        section 3.3
    """
    return CorruptionRule(std=std)


@register("corruption")
def masking(*, rate: Rate = 0.3) -> CorruptionRule:
    """Inputs become 0 with probability rate; the others do not change (dropout divides them).

    Args:
        rate: share of the inputs that become 0

    Reference:
        Vincent, Larochelle, Bengio and Manzagol (2008), Extracting and composing robust features
        with denoising autoencoders
    """
    return CorruptionRule(zero=rate)


@register("corruption")
def salt_and_pepper(*, rate: Rate = 0.1) -> CorruptionRule:
    """Inputs become their lowest or their highest value, with probability rate / 2 each.

    These are 0 and 1 if all inputs of the training rows lie in [0, 1], or else each input's own
    lowest and highest value in the training rows.

    Args:
        rate: share of the inputs that are replaced

    Reference:
        Vincent, Larochelle, Lajoie, Bengio and Manzagol (2010), Stacked denoising autoencoders,
        section 3.3
    """
    return CorruptionRule(lowest=rate / 2, highest=rate / 2)


@dataclass(frozen=True)
class InputCorruption:
    """How the inputs of one run are corrupted, and how the cost weighs them."""

    rule: CorruptionRule
    emphasis: tuple[float, float] | None = None  # weights in the cost: replaced, others
    lowest: tuple[float, ...] = field(default=(), repr=False)  # value of each input, (I,); (): 0
    highest: tuple[float, ...] = field(default=(), repr=False)  # likewise; (): 1

    @property
    def thresholds(self) -> tuple[int, int, int]:
        """Below which 16 random bits, a signed integer, an input becomes 0, lowest or highest."""
        rule = self.rule
        shares = (rule.zero, rule.zero + rule.lowest, rule.zero + rule.lowest + rule.highest)
        zero, lowest, highest = (
            min(round(s * _LEVELS), _LEVELS - 1) - _LEVELS // 2 for s in shares
        )
        return zero, lowest, highest

    @property
    def is_masked(self) -> bool:
        """Whether random bits decide on its inputs."""
        rule = self.rule
        return rule.zero + rule.lowest + rule.highest > 0 or self.emphasis is not None


class Corruption:
    """Corrupts the inputs of each run in training, and in evaluations that ask for it.

    The draws of a training step depend on the run's seed and the step alone. Those of an evaluation
    depend on the seed and the chunk of rows, and are made on the CPU, so that all evaluations see
    the same inputs on every device.
    """

    def __init__(
        self,
        corruptions: Sequence[InputCorruption | None],
        seeds: Sequence[int],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.present = any(corruption is not None for corruption in corruptions)
        all_runs = [corruption or InputCorruption(CorruptionRule()) for corruption in corruptions]
        rules = [corruption.rule for corruption in all_runs]
        emphases = [corruption.emphasis for corruption in all_runs]
        noisy = [rule.std > 0 for rule in rules]
        masked = [corruption.is_masked for corruption in all_runs]

        def draws(place: str, device: torch.device) -> tuple[Draws, Draws]:
            """Return 16 random bits per input, four times 16 from 64, and normal numbers."""
            bits = ("corruption", f"input/{place}", seeds, masked, device, random_bits)
            normal = ("corruption", f"input/{place}/noise", seeds, noisy, device, standard_normal)
            return Draws(*bits, torch.int64, torch.int16), Draws(*normal, dtype)

        def column(values: Sequence[float]) -> Tensor:
            return torch.tensor(values, dtype=dtype, device=device)[:, None, None]

        self._training = draws("training", device)
        self._evaluation = draws("evaluation", torch.device("cpu"))
        levels = [corruption.thresholds for corruption in all_runs]
        thresholds = torch.tensor(levels, dtype=torch.int16).to(device)
        self._zero, self._lowest, self._highest = thresholds.T[:, :, None, None].unbind()
        self._masks = any(rule.zero for rule in rules)
        self._bounds: tuple[Tensor, Tensor] | None = None
        if any(rule.lowest or rule.highest for rule in rules):
            widest = max(len(corruption.lowest) for corruption in all_runs) or 1
            lowest = [corruption.lowest or (0.0,) * widest for corruption in all_runs]
            highest = [corruption.highest or (1.0,) * widest for corruption in all_runs]
            bounds = torch.tensor([lowest, highest], dtype=dtype, device=device)
            self._bounds = bounds[0].unsqueeze(1), bounds[1].unsqueeze(1)
        self._std = column([rule.std for rule in rules])
        self._noisy = where(noisy, bool)
        self._emphasis: tuple[Tensor, Tensor] | None = None
        if any(emphases):
            corrupted, clean = zip(*(weights or (1.0, 1.0) for weights in emphases), strict=True)
            self._emphasis = column(corrupted), column(clean)

    def forward(self, x: Tensor, pass_: Pass) -> Tensor:
        """Return corrupted inputs (K, B, I), or `x` in an evaluation that does not ask for them.

        In training it leaves each input's weight in the cost in the pass.
        """
        if pass_.tape is not None:
            (bits, normal), number = self._training, pass_.step
        elif pass_.corrupted_chunk is not None:
            (bits, normal), number = self._evaluation, pass_.corrupted_chunk
        else:
            return x
        size, used = pass_.batch_size * x.shape[2], x.shape[1] * x.shape[2]
        y = x
        if bits.active:
            random = bits(number, size, used).to(x.device).view(x.shape)
            # Thresholds are of cumulative shares: the lowest one above a draw must come last.
            if self._bounds is not None:
                lowest, highest = self._bounds
                y = torch.where(random < self._highest, highest, y)
                y = torch.where(random < self._lowest, lowest, y)
            if self._masks:
                y = torch.where(random < self._zero, 0, y)
            if self._emphasis is not None and pass_.tape is not None:
                pass_.emphasis = torch.where(random < self._highest, *self._emphasis)
        if normal.active:
            noise = normal(number, size, used).to(x.device).view(x.shape)
            y = x.clone() if y is x else y
            # Not for all runs: adding 0 would turn another run's -0 into 0.
            for rows in self._noisy:
                y[rows] += noise[rows] * self._std[rows]
        return y

"""Corruption of the inputs that an autoencoder has to undo, each run with its own kind and stream.

# K runs, B batch, I inputs

A kind is a function from its options to a `CorruptionRule`: what becomes of an input.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import torch
from annotated_types import Ge, Lt
from torch import Tensor

from dlx.nn.draws import Draws, random_bits, standard_normal
from dlx.nn.passes import Pass
from dlx.registry import register
from dlx.segments import where

_LEVELS = 1 << 16  # masks compare 16 random bits with a threshold

Rate = Annotated[float, Ge(0), Lt(1)]


@dataclass(frozen=True)
class CorruptionRule:
    """What becomes of an input x, drawn for each row and input by itself.

    With the probabilities given it is replaced by 0, by its lowest or by its highest value; to one
    that is left, noise is added: x + std n with n ~ N(0, 1).

    Attributes:
        zero: probability of 0
        lowest: probability of the lowest value
        highest: probability of the highest value; the three add up to less than 1
        std: standard deviation of the noise
    """

    zero: float = 0.0
    lowest: float = 0.0
    highest: float = 0.0
    std: float = 0.0


@register("corruption")
def gaussian(*, std: Annotated[float, Ge(0)] = 0.3) -> CorruptionRule:
    """Noise on every input: x + std n, n ~ N(0, 1).

    Args:
        std: standard deviation of the noise, in the units that the network sees

    Reference:
        Vincent, Larochelle, Lajoie, Bengio and Manzagol (2010), Stacked denoising autoencoders,
        section 3.3
    """
    return CorruptionRule(std=std)


@register("corruption")
def masking(*, rate: Rate = 0.3) -> CorruptionRule:
    """Inputs are 0 with probability rate, the others stay as they are (dropout divides them).

    Args:
        rate: share of the inputs that are masked

    Reference:
        Vincent, Larochelle, Bengio and Manzagol (2008), Extracting and composing robust features
        with denoising autoencoders
    """
    return CorruptionRule(zero=rate)


@register("corruption")
def salt_and_pepper(*, rate: Rate = 0.1) -> CorruptionRule:
    """Inputs take their lowest or highest value, with probability rate / 2 each.

    Where all inputs of the training rows lie in [0, 1] these are 0 and 1; else each input's own
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
    """How the inputs of one run are corrupted, and what its cost makes of that.

    Attributes:
        rule: what becomes of an input
        emphasis: what an input counts in the training cost where it was replaced, and elsewhere;
            None: 1
        lowest: of each input, I numbers; none: 0
        highest: likewise; none: 1
    """

    rule: CorruptionRule
    emphasis: tuple[float, float] | None = None
    lowest: tuple[float, ...] = field(default=(), repr=False)
    highest: tuple[float, ...] = field(default=(), repr=False)


class Corruption:
    """Corrupts the inputs of each run while it trains, and wherever a pass asks for it.

    What is drawn in training depends on the run's seed and the step alone. An evaluation on
    corrupted inputs draws by the seed and the chunk of rows, so that every one sees the same; it
    draws on the CPU, so that every device does.

    Args:
        corruptions: one per run, None for none
        seeds: one per run
    """

    def __init__(
        self,
        corruptions: Sequence[InputCorruption | None],
        seeds: Sequence[int],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        given = [each or InputCorruption(CorruptionRule()) for each in corruptions]
        rules, emphases = [each.rule for each in given], [each.emphasis for each in given]
        self.present = any(each is not None for each in corruptions)
        shares = [(r.zero, r.zero + r.lowest, r.zero + r.lowest + r.highest) for r in rules]
        noisy = [rule.std > 0 for rule in rules]
        masked = [
            share[-1] > 0 or emphasis is not None
            for share, emphasis in zip(shares, emphases, strict=True)
        ]

        def drawn(place: str, device: torch.device) -> tuple[Draws, Draws]:
            """Return random bits, four of 16 from one of 64, and normal numbers."""
            place = f"input/{place}"
            bits = Draws(
                "corruption", place, seeds, masked, device, random_bits, torch.int64, 4, torch.int16
            )
            place = f"{place}/noise"
            return bits, Draws("corruption", place, seeds, noisy, device, standard_normal, dtype)

        def column(values: Sequence[float]) -> Tensor:
            return torch.tensor(values, dtype=dtype, device=device)[:, None, None]

        self._training = drawn("training", device)
        self._evaluation = drawn("evaluation", torch.device("cpu"))
        # A 16-bit integer is below the threshold of a share s with probability s.
        levels = [[min(round(s * _LEVELS), _LEVELS - 1) - _LEVELS // 2 for s in e] for e in shares]
        thresholds = torch.tensor(levels, dtype=torch.int16).to(device)
        self._zero, self._lowest, self._highest = thresholds.T[:, :, None, None].unbind()
        self._masks = any(rule.zero for rule in rules)
        self._bounds: tuple[Tensor, Tensor] | None = None
        if any(rule.lowest or rule.highest for rule in rules):
            widest = max(len(each.lowest) for each in given) or 1
            low = [each.lowest or (0.0,) * widest for each in given]
            high = [each.highest or (1.0,) * widest for each in given]
            self._bounds = tuple(  # type: ignore[assignment]
                torch.tensor(each, dtype=dtype, device=device).unsqueeze(1) for each in (low, high)
            )
        self._std = column([rule.std for rule in rules])
        self._noisy = where(noisy, lambda is_noisy: is_noisy)
        self._emphasis: tuple[Tensor, Tensor] | None = None
        if any(emphases):
            corrupted, clean = zip(*(each or (1.0, 1.0) for each in emphases), strict=True)
            self._emphasis = column(corrupted), column(clean)

    def forward(self, x: Tensor, pass_: Pass) -> Tensor:
        """Return corrupted inputs: (K, B, I); as they are in an evaluation that does not ask.

        In training it leaves in the pass what each input counts in the cost.
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
            drawn = bits(number, size, used).to(x.device).view(x.shape)
            # The thresholds are those of added up shares, so that the last one decides.
            if self._bounds is not None:
                lowest, highest = self._bounds
                y = torch.where(drawn < self._highest, highest, y)
                y = torch.where(drawn < self._lowest, lowest, y)
            if self._masks:
                y = torch.where(drawn < self._zero, 0, y)
            if self._emphasis is not None and pass_.tape is not None:
                pass_.emphasis = torch.where(drawn < self._highest, *self._emphasis)
        if normal.active:
            noise = normal(number, size, used).to(x.device).view(x.shape)
            y = x.clone() if y is x else y
            # Only where there is noise: adding zero would turn another run's -0 into 0.
            for segment in self._noisy:
                y[segment.rows] += noise[segment.rows] * self._std[segment.rows]
        return y

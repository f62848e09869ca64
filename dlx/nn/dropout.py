"""Inverted dropout on the run axis, each run with its own rate and its own mask stream.

# K runs, B batch, I units
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from dlx.nn.passes import Pass
from dlx.streams import key

_LEVELS = 1 << 16  # masks compare 16 random bits with a threshold
_BLOCK = 8192  # masks of small layers are drawn for many steps at once


class Dropout:
    """Drops a share of the units of each run while it trains.

    y = x m / q with m ~ Bernoulli(q), q = 1 - rate rounded to 1/65536, so that E[y] = x. The mask
    of a step depends on the run's seed, the layer and the step alone.

    Args:
        layer: the layer's name
        rates: the share that is dropped, one per run, in [0, 1)
        seeds: one per run

    Reference:
        Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov (2014), Dropout
    """

    def __init__(
        self,
        layer: str,
        rates: Sequence[float],
        seeds: Sequence[int],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self._layer = layer
        self.active = any(rates)
        self._distinct = sorted({seed for seed, rate in zip(seeds, rates, strict=True) if rate})
        place = {seed: index for index, seed in enumerate(self._distinct)}
        self._stream = torch.tensor([place.get(seed, 0) for seed in seeds], device=device)
        kept = torch.tensor([max(round((1 - rate) * _LEVELS), 1) for rate in rates])
        # Signed comparison: the kept values are the lowest of the 16-bit integers.
        self._threshold = (kept - _LEVELS // 2 - 1).to(torch.int16).to(device)[:, None, None]
        self._scale = (_LEVELS / kept.to(torch.float64)).to(dtype).to(device)[:, None, None]
        self._generator = torch.Generator(device) if self.active else None
        self._drawn: tuple[tuple[int, int, int], Tensor] | None = None

    def forward(self, x: Tensor, how: Pass) -> Tensor:
        """Return `x` under this step's masks: (K, B, I); B is smaller in an epoch's last batch."""
        if not self.active or how.tape is None:
            return x
        bits = self._bits(how.step, how.batch_size, x.shape[2])[:, : x.shape[1] * x.shape[2]]
        bits = bits.index_select(0, self._stream).view(x.shape)
        mask = (bits <= self._threshold) * self._scale
        how.tape.append(mask)
        return x * mask

    def backward(self, upstream: Tensor, how: Pass) -> Tensor:
        """Return dX = dY m / q."""
        return upstream * how.pop() if self.active else upstream

    def _bits(self, step: int, batch_size: int, units: int) -> Tensor:
        """Return the random 16-bit integers of a step: (distinct seeds, batch_size * units)."""
        size = batch_size * units
        steps = max(1, _BLOCK // size)
        block = step // steps
        if self._drawn is None or self._drawn[0] != (block, batch_size, units):
            self._drawn = ((block, batch_size, units), self._draw(block, steps * size))
        start = (step % steps) * size
        return self._drawn[1][:, start : start + size]

    def _draw(self, block: int, size: int) -> Tensor:
        generator = self._generator
        assert generator is not None
        words = torch.empty(
            len(self._distinct), -(-size // 4), dtype=torch.int64, device=self._stream.device
        )
        for row, seed in zip(words, self._distinct, strict=True):
            generator.manual_seed(key(seed, "dropout", self._layer, block))
            # torch's default range leaves the top bit 0; this one fills all 64.
            row.random_(-(2**63), None, generator=generator)
        return words.view(torch.int16)

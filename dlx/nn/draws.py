"""Random numbers that layers draw in training, one stream for each seed of a cohort.

# K runs
"""

from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor

from dlx.streams import generator

_BLOCK = 8192  # small layers draw for many steps at once


class Draws:
    """Random numbers of every step, a pure function of (seed, stream, layer, step).

    Only runs that are `active` draw; those of equal seed share their numbers.

    Args:
        fill: `fill(row, generator)` fills one row in place
        dtype: of the rows that are filled
        view: dtype of the numbers, several to an element of a row; default: that of the rows
    """

    def __init__(
        self,
        stream: str,
        layer: str,
        seeds: Sequence[int],
        active: Sequence[bool],
        device: torch.device,
        fill: Callable[[Tensor, Generator], object],
        dtype: torch.dtype,
        view: torch.dtype | None = None,
    ) -> None:
        self._place = (stream, layer)
        self.active = any(active)
        self._distinct = sorted({s for s, draws in zip(seeds, active, strict=True) if draws})
        place = {seed: index for index, seed in enumerate(self._distinct)}
        self._row = torch.tensor([place.get(seed, 0) for seed in seeds], device=device)
        self._in_order = [place.get(seed) for seed in seeds] == list(range(len(seeds)))
        self._fill, self._dtype, self._view = fill, dtype, view or dtype
        self._packed = dtype.itemsize // self._view.itemsize
        self._drawn: tuple[tuple[int, int], Tensor] | None = None

    def __call__(self, step: int, size: int, used: int) -> Tensor:
        """Return the first `used` of the `size` numbers of each run's full batch: (K, used)."""
        steps = max(1, _BLOCK // size)
        block = step // steps
        if self._drawn is None or self._drawn[0] != (block, size):
            self._drawn = ((block, size), self._draw(block, steps * size))
        start = (step % steps) * size
        drawn = self._drawn[1][:, start : start + used]
        return drawn if self._in_order else drawn.index_select(0, self._row)

    def place_of(self, run: int) -> int:
        """Return which of the seeds that differ a run has."""
        return int(self._row[run])

    def of_steps(self, first: int, number: int, size: int) -> Tensor:
        """Return the numbers of neighbouring steps for the seeds that differ: (D, number, size)."""
        steps = max(1, _BLOCK // size)
        blocks = range(first // steps, (first + number - 1) // steps + 1)
        drawn = torch.cat([self._draw(b, steps * size)[:, : steps * size] for b in blocks], 1)
        start = (first - blocks[0] * steps) * size
        return drawn[:, start : start + number * size].reshape(len(drawn), number, size)

    def _draw(self, block: int, size: int) -> Tensor:
        """Return the numbers of a block of steps: (distinct seeds, at least size)."""
        device = self._row.device
        shape = (len(self._distinct), -(-size // self._packed))
        rows = torch.empty(shape, dtype=self._dtype, device=device)
        for row, seed in zip(rows, self._distinct, strict=True):
            self._fill(row, generator(seed, *self._place, block, device=device))
        return rows.view(self._view)

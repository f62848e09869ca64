"""Random numbers that layers draw in training, one stream for each seed of a cohort.

# K runs
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from dlx.streams import Fill, drawn, key

_BLOCK = 8192  # small layers draw for many steps at once


class Draws:
    """Random numbers of every step, a pure function of (seed, stream, layer, step).

    Only runs that are `active` draw; those of equal seed share their numbers.

    Args:
        fill: how rows are drawn
        dtype: of rows
        view: dtype of the numbers, several to an element of a row; default: that of the rows
    """

    def __init__(
        self,
        stream: str,
        layer: str,
        seeds: Sequence[int],
        active: Sequence[bool],
        device: torch.device,
        fill: Fill,
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
        self._ahead: tuple[int, int, Tensor] | None = None  # first step, size, (D, number, size)

    def __call__(self, step: int, size: int, used: int) -> Tensor:
        """Return the first `used` of the `size` numbers of each run's full batch: (K, used)."""
        steps = max(1, _BLOCK // size)
        block = step // steps
        if self._drawn is None or self._drawn[0] != (block, size):
            self._drawn = ((block, size), self._draw([block], steps * size)[:, 0])
        start = (step % steps) * size
        drawn = self._drawn[1][:, start : start + used]
        return drawn if self._in_order else drawn.index_select(0, self._row)

    def place_of(self, run: int) -> int:
        """Return which of the seeds that differ a run has."""
        return int(self._row[run])

    def of_steps(self, first: int, number: int, size: int) -> Tensor:
        """Return the numbers of neighbouring steps for the seeds that differ: (D, number, size)."""
        if self._ahead is not None:
            start, known_size, known = self._ahead
            if size == known_size and start <= first and first + number <= start + known.shape[1]:
                return known[:, first - start : first - start + number]
        return self._of_steps(first, number, size)

    def draw_ahead(self, first: int, number: int, size: int) -> None:
        """Draw the numbers of steps that `of_steps` will be asked for."""
        self._ahead = first, size, self._of_steps(first, number, size)

    def _of_steps(self, first: int, number: int, size: int) -> Tensor:
        steps = max(1, _BLOCK // size)
        blocks = range(first // steps, (first + number - 1) // steps + 1)
        in_blocks = self._draw(blocks, steps * size)[:, :, : steps * size]
        start = (first - blocks[0] * steps) * size
        numbers = in_blocks.reshape(len(in_blocks), -1)[:, start : start + number * size]
        return numbers.reshape(len(numbers), number, size)

    def _draw(self, blocks: Sequence[int], size: int) -> Tensor:
        """Return the numbers of blocks of steps: (distinct seeds, blocks, at least size)."""
        keys = [key(seed, *self._place, block) for seed in self._distinct for block in blocks]
        length = -(-size // self._packed)
        rows = drawn(self._fill, keys, length, self._dtype, self._row.device)
        return rows.view(self._view).view(len(self._distinct), len(blocks), -1)

"""Mini-batches of every run: which training rows it sees at which step.

# K runs, N training rows, B batch, I inputs
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from dlx.streams import generator


def steps_per_epoch(num_rows: int, batch_size: int) -> int:
    """Return the batches of an epoch; the last one may be smaller."""
    return -(-num_rows // batch_size)


def order(seed: int, epoch: int, num_rows: int) -> Tensor:
    """Return the shuffled row numbers of one epoch of the run with `seed`: (N,) int64, CPU."""
    return torch.randperm(num_rows, generator=generator(seed, "order", epoch))


class Batches:
    """Each run's mini-batches, shuffled every epoch; with one batch an epoch, all rows in order.

    Args:
        inputs: (N, I), shared by the runs
        targets: (N,) or (N, C)
        seeds: one per run
        batch_size: B
    """

    def __init__(
        self, inputs: Tensor, targets: Tensor, seeds: Sequence[int], batch_size: int
    ) -> None:
        self._inputs = inputs
        self._targets = targets
        self._seeds = list(seeds)
        self._batch_size = batch_size
        self._order: tuple[int, tuple[Tensor, ...]] | None = None

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Return the inputs (K, B, I) and targets (K, B) or (K, B, C) of an optimizer step."""
        num_runs, num_rows = len(self._seeds), len(self._inputs)
        if self._batch_size >= num_rows:
            return (
                self._inputs.expand(num_runs, *self._inputs.shape),
                self._targets.expand(num_runs, *self._targets.shape),
            )
        epoch, batch = divmod(step, steps_per_epoch(num_rows, self._batch_size))
        rows = self._epoch(epoch)[batch]
        flat = rows.reshape(-1)
        return (
            self._inputs.index_select(0, flat).view(*rows.shape, *self._inputs.shape[1:]),
            self._targets.index_select(0, flat).view(*rows.shape, *self._targets.shape[1:]),
        )

    def keep(self, rows: Sequence[int]) -> "Batches":
        """Return the batches of the runs in `rows` alone."""
        kept = Batches(
            self._inputs, self._targets, [self._seeds[row] for row in rows], self._batch_size
        )
        if self._order is not None:
            epoch, batches = self._order
            kept._order = (epoch, tuple(batch[list(rows)] for batch in batches))
        return kept

    def _epoch(self, epoch: int) -> tuple[Tensor, ...]:
        """Return the row numbers of every batch of an epoch: (K, B) each."""
        if self._order is None or self._order[0] != epoch:
            drawn = {seed: order(seed, epoch, len(self._inputs)) for seed in set(self._seeds)}
            rows = torch.stack([drawn[seed] for seed in self._seeds])
            self._order = (epoch, rows.to(self._inputs.device).split(self._batch_size, 1))
        return self._order[1]

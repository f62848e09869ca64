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


def bootstrap(seed: int, num_rows: int) -> Tensor:
    """Return the row numbers of a bootstrap sample, with repetitions: (N,) int64, CPU.

    Reference:
        Breiman (1996), Bagging predictors
    """
    return torch.randint(num_rows, (num_rows,), generator=generator(seed, "bagging"))


class Batches:
    """Each run's mini-batches, shuffled every epoch; with one batch an epoch, all rows in order.

    Args:
        inputs: (N, I), shared by the runs
        targets: (N,) or (N, C)
        seeds: one per run
        batch_size: B
        bagging: which runs are trained on a bootstrap sample of the rows; default: none
    """

    def __init__(
        self,
        inputs: Tensor,
        targets: Tensor,
        seeds: Sequence[int],
        batch_size: int,
        bagging: Sequence[bool] | None = None,
    ) -> None:
        self._inputs = inputs
        self._targets = targets
        self._seeds = list(seeds)
        self._batch_size = batch_size
        self._bagging = list(bagging or [False] * len(self._seeds))
        bags = {s for s, bagged in zip(self._seeds, self._bagging, strict=True) if bagged}
        self._samples = {seed: bootstrap(seed, len(inputs)) for seed in bags}
        self._order: tuple[int, tuple[Tensor, ...]] | None = None
        self._whole: tuple[Tensor, Tensor] | None = None

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Return the inputs (K, B, I) and targets (K, B) or (K, B, C) of an optimizer step."""
        if self._batch_size >= len(self._inputs):
            if self._whole is None:
                self._whole = self._all_rows()
            return self._whole
        epoch, batch = divmod(step, steps_per_epoch(len(self._inputs), self._batch_size))
        return self._gather(self._epoch(epoch)[batch])

    def keep(self, rows: Sequence[int]) -> "Batches":
        """Return the batches of the runs in `rows` alone."""
        seeds = [self._seeds[row] for row in rows]
        bagging = [self._bagging[row] for row in rows]
        kept = Batches(self._inputs, self._targets, seeds, self._batch_size, bagging)
        if self._order is not None:
            epoch, batches = self._order
            kept._order = (epoch, tuple(batch[list(rows)] for batch in batches))
        return kept

    def _all_rows(self) -> tuple[Tensor, Tensor]:
        if self._samples:
            rows = self._sampled({seed: torch.arange(len(self._inputs)) for seed in self._seeds})
            return self._gather(rows)
        num_runs = len(self._seeds)
        return (
            self._inputs.expand(num_runs, *self._inputs.shape),
            self._targets.expand(num_runs, *self._targets.shape),
        )

    def _gather(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        flat = rows.reshape(-1)
        return (
            self._inputs.index_select(0, flat).view(*rows.shape, *self._inputs.shape[1:]),
            self._targets.index_select(0, flat).view(*rows.shape, *self._targets.shape[1:]),
        )

    def _epoch(self, epoch: int) -> tuple[Tensor, ...]:
        """Return the row numbers of every batch of an epoch: (K, B) each."""
        if self._order is None or self._order[0] != epoch:
            drawn = {seed: order(seed, epoch, len(self._inputs)) for seed in set(self._seeds)}
            self._order = (epoch, self._sampled(drawn).split(self._batch_size, 1))
        return self._order[1]

    def _sampled(self, order: dict[int, Tensor]) -> Tensor:
        """Return each run's row numbers, given the order of its seed: (K, N) on the device."""
        rows = [
            self._samples[seed][order[seed]] if bagged else order[seed]
            for seed, bagged in zip(self._seeds, self._bagging, strict=True)
        ]
        return torch.stack(rows).to(self._inputs.device)

"""Mini-batches of every run: which training rows it sees at which step.

# K runs, N training rows, B batch, I inputs, D runs that differ in seed or bagging
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlx import streams
from dlx.data.selection import Change, Selection, examples


def steps_per_epoch(num_rows: int, batch_size: int) -> int:
    """Return the number of batches in an epoch; the last batch may be smaller."""
    return -(-num_rows // batch_size)


def orders(seeds: Sequence[int], epoch: int, num_rows: int) -> Tensor:
    """Return the shuffled row numbers of an epoch of the run with each seed: (D, N) int64, CPU."""
    return streams.orders([streams.key(seed, "order", epoch) for seed in seeds], num_rows)


def bootstrap(seed: int, num_rows: int) -> Tensor:
    """Return the row numbers of a bootstrap sample, with repetitions: (N,) int64, CPU.

    Reference:
        Breiman (1996), Bagging predictors
    """
    return streams.stream(seed, "bagging").whole_numbers(num_rows, num_rows)


class RowNumbers(NamedTuple):
    """The rows that a run sees one after another."""

    inputs: NDArray[np.int64]
    targets: NDArray[np.int64]


class Batches:
    """Each run's mini-batches, shuffled every epoch; with one batch an epoch, all rows in order.

    Args:
        inputs: (N, I), shared by the runs, (K, N, I), or the selection of each run
        targets: (N,) or (N, C); (K, N) or (K, N, C); or a selection. The same object as the inputs
            where these are to be reconstructed
        seeds: one per run
        batch_size: B
        bagging: which runs are trained on a bootstrap sample of the rows; None: no run is
    """

    def __init__(
        self,
        inputs: Tensor | Selection,
        targets: Tensor | Selection,
        seeds: Sequence[int],
        batch_size: int,
        bagging: Sequence[bool] | None = None,
    ) -> None:
        self._inputs, self._targets = examples(inputs, targets)
        self._num_rows = self._inputs.num_rows
        self._seeds = list(seeds)
        self._batch_size = batch_size
        self._bagging = list(bagging or [False] * len(self._seeds))
        runs = list(zip(self._seeds, self._bagging, strict=True))
        self._samples = {s: bootstrap(s, self._num_rows) for s, bagged in runs if bagged}
        # Runs of equal seed see their rows in the same order, which is kept once.
        self._distinct = {run: place for place, run in enumerate(dict.fromkeys(runs))}
        places = torch.tensor([self._distinct[run] for run in runs], device=self._inputs.device)
        self._places = None if len(self._distinct) == len(runs) else places
        self._orders: dict[int, Tensor] = {}  # (D, N) by epoch, of those that were asked for last
        self._whole: tuple[Tensor, Tensor] | None = None

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Return the inputs (K, B, I) and targets (K, B) or (K, B, C) of an optimizer step."""
        if self._batch_size >= self._num_rows:
            if self._whole is None:
                self._whole = self._all_rows()
            return self._whole
        epoch, batch = divmod(step, steps_per_epoch(self._num_rows, self._batch_size))
        start = batch * self._batch_size
        rows = self._drawn([epoch])[0][:, start : start + self._batch_size]
        return self._gather(self._of_runs(rows))

    def keep(self, rows: Sequence[int]) -> "Batches":
        """Return the batches of the runs in `rows` alone."""
        seeds = [self._seeds[row] for row in rows]
        bagging = [self._bagging[row] for row in rows]
        inputs = self._inputs.keep(rows)
        targets = inputs if self._targets is self._inputs else self._targets.keep(rows)
        kept = Batches(inputs, targets, seeds, self._batch_size, bagging)
        places = [self._distinct[run] for run in kept._distinct]
        kept._orders = {epoch: orders[places] for epoch, orders in self._orders.items()}
        return kept

    @property
    def num_rows(self) -> int:
        """N."""
        return self._num_rows

    @property
    def num_inputs(self) -> int:
        """I."""
        return self._inputs.base.shape[1]

    @property
    def bases(self) -> tuple[Tensor, Tensor]:
        """The inputs and targets of which runs take their rows: (M, I) and (M,) or (M, C)."""
        return self._inputs.base, self._targets.base

    def change(self, run: int) -> Change | None:
        """Return what is done to a run's inputs as they lie there."""
        return self._inputs.change_of(run)

    def numbers(self, first_epoch: int, num_epochs: int) -> list[RowNumbers]:
        """Return the rows of inputs and of targets that each run sees in epochs: (E N,) int64.

        They are numbers of rows of the bases; runs that see the same rows have the same arrays.
        """
        drawn = self._drawn(range(first_epoch, first_epoch + num_epochs))
        known: dict[tuple[int, int, int], RowNumbers] = {}
        result = []
        for run, pair in enumerate(zip(self._seeds, self._bagging, strict=True)):
            place = self._distinct[pair]
            key = place, self._inputs.place_of(run), self._targets.place_of(run)
            if key not in known:
                order = torch.cat([orders[place] for orders in drawn])
                of_inputs = self._inputs.numbers_of(run)
                of_targets = self._targets.numbers_of(run)
                known[key] = RowNumbers(
                    (order if of_inputs is None else of_inputs[order]).numpy(),
                    (order if of_targets is None else of_targets[order]).numpy(),
                )
            result.append(known[key])
        return result

    def draw_ahead(self, epochs: Sequence[int]) -> None:
        """Draw the rows of epochs that will be asked for."""
        seeds = list(dict.fromkeys(self._seeds))
        for epoch in epochs:
            if epoch not in self._orders:
                drawn = orders(seeds, epoch, self._num_rows)
                self._orders[epoch] = self._sampled(dict(zip(seeds, drawn, strict=True)))

    def _all_rows(self) -> tuple[Tensor, Tensor]:
        if self._samples:
            in_order = torch.arange(self._num_rows)
            return self._gather(self._of_runs(self._sampled(dict.fromkeys(self._seeds, in_order))))
        inputs = self._for_each_run(self._inputs.chunk(0, self._num_rows))
        if self._targets is self._inputs:
            return inputs, inputs
        return inputs, self._for_each_run(self._targets.chunk(0, self._num_rows))

    def _for_each_run(self, rows: Tensor) -> Tensor:
        return rows.expand(len(self._seeds), *rows.shape[1:])

    def _gather(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rows of every run, given their numbers (K, B)."""
        inputs = self._inputs.gather(rows)
        return inputs, inputs if self._targets is self._inputs else self._targets.gather(rows)

    def _drawn(self, epochs: Sequence[int]) -> list[Tensor]:
        """Return the row numbers of epochs in each order that differs, (D, N) each."""
        if self._batch_size >= self._num_rows:
            in_order = torch.arange(self._num_rows)
            return [self._sampled(dict.fromkeys(self._seeds, in_order))] * len(epochs)
        self.draw_ahead(epochs)
        self._orders = {epoch: self._orders[epoch] for epoch in epochs}
        return list(self._orders.values())

    def _sampled(self, orders: dict[int, Tensor]) -> Tensor:
        """Return the row numbers in orders that differ, given that of each seed: (D, N)."""
        rows = [
            self._samples[seed][orders[seed]] if bagged else orders[seed]
            for seed, bagged in self._distinct
        ]
        return torch.stack(rows).to(self._inputs.device)

    def _of_runs(self, rows: Tensor) -> Tensor:
        """Return each run's row numbers, given those of the orders that differ: (K, B)."""
        return rows if self._places is None else rows.index_select(0, self._places)

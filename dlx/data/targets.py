"""Targets of runs that share their inputs but learn different targets, such as wrong labels.

# K runs, N rows, T sets of targets, C columns
"""

from collections.abc import Sequence

import torch
from torch import Tensor


class TargetSets:
    """T sets of targets for the same rows, one of which is each run's.

    Args:
        sets: as the head encodes them, (T, N) or (T, N, C)
        which: the number of each run's set: (K,)
    """

    def __init__(self, sets: Tensor, which: Sequence[int]) -> None:
        self.sets = sets
        self.which = tuple(which)
        self._which = torch.tensor(self.which, device=sets.device)

    def keep(self, rows: Sequence[int]) -> "TargetSets":
        """Return the targets of the runs in `rows` alone."""
        return TargetSets(self.sets, [self.which[row] for row in rows])

    def thinned(self, rows: Tensor) -> "TargetSets":
        """Return the targets of some of the N rows, given their numbers."""
        return TargetSets(self.sets.index_select(1, rows), self.which)

    def of_runs(self, start: int = 0, stop: int | None = None) -> Tensor:
        """Return each run's targets of neighbouring rows: (K, B) or (K, B, C)."""
        return self.sets[:, start:stop].index_select(0, self._which)

    def gather(self, rows: Tensor) -> Tensor:
        """Return each run's targets of its own rows, given their numbers (K, B)."""
        first = self._which.unsqueeze(1) * self.sets.shape[1]
        flat = self.sets.flatten(0, 1)
        return flat.index_select(0, (rows + first).view(-1)).view(*rows.shape, *flat.shape[1:])

    def owners(self) -> list[tuple[Tensor, Tensor]]:
        """Return each set that runs learn, (N,) or (N, C), with the numbers of these runs."""
        return [
            (self.sets[number], torch.nonzero(self._which == number).view(-1))
            for number in sorted(set(self.which))
        ]


Targets = Tensor | TargetSets
Examples = tuple[Tensor, Tensor]
SharedExamples = tuple[Tensor, Targets]


def of_runs(examples: SharedExamples, rows: list[int]) -> SharedExamples:
    """Return the examples of the runs in `rows` alone; the same object where all runs share it."""
    inputs, targets = examples
    if isinstance(targets, TargetSets):
        return inputs, targets.keep(rows)
    return (inputs[rows], targets[rows]) if inputs.ndim == 3 else examples

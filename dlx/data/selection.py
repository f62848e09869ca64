"""Rows that runs take from one copy of the data, each by row numbers of its own.

# K runs, M rows of the data, D selections that differ, N rows of each, B rows of a batch
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class Change:
    """What is done to rows as they were read: NaN ↦ fill, then x ↦ (x - shift) / scale.

    It is done in float64 and rounded to float32, so that large numbers keep what tells them apart.
    Each tensor is (I,) float64, or (D, 1, I) where selections differ.
    """

    fill: Tensor | None = None  # None: no value is missing
    shift: Tensor | None = None  # None, like the scale: inputs stay as they are
    scale: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """Return rows (..., I) changed, in float32."""
        x = x.to(torch.float64)
        if self.fill is not None:
            x = torch.where(x.isnan(), self.fill, x)
        if self.shift is not None and self.scale is not None:
            x = x.sub(self.shift).div_(self.scale)
        return x.to(torch.float32)

    def to(self, device: torch.device | str) -> "Change":
        """Return the same change with its tensors on a device."""
        return Change(*(t if t is None else t.to(device) for t in self._tensors))

    @property
    def _tensors(self) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        return self.fill, self.shift, self.scale

    def of(self, which: Tensor) -> "Change":
        """Return the changes of some of the D selections, given their numbers."""

        def own(tensor: Tensor | None) -> Tensor | None:
            if tensor is None or tensor.ndim == 1:
                return tensor
            return tensor.index_select(0, which)

        return Change(*map(own, self._tensors))

    @cached_property
    def digest(self) -> bytes:
        """What is equal where changes are."""
        return digest(*self._tensors)

    @classmethod
    def stacked(cls, changes: "Sequence[Change | None]", width: int) -> "Change | None":
        """Return the changes of D selections of `width` inputs as one; None if none has any."""
        having = [change for change in changes if change is not None]
        if not having:
            return None
        like = next((t for change in having for t in change._tensors if t is not None), None)
        if like is None:
            return cls()
        plain = {"fill": torch.nan, "shift": 0.0, "scale": 1.0}
        tensors: dict[str, Tensor] = {}
        for name, value in plain.items():
            own = [change and getattr(change, name) for change in changes]
            if any(tensor is not None for tensor in own):
                rows = [like.new_full((width,), value) if t is None else t for t in own]
                tensors[name] = torch.stack(rows).unsqueeze(1)
        return cls(**tensors)


class Selection:
    """N rows of the data for each of K runs, gathered when they are asked for.

    Args:
        base: the data, (M,) or (M, I); runs share it
        rows: numbers of its rows, (D, N); None: all, in their order
        which: the selection of each run, (K,); None: all have the only one
        change: of the D selections; None: rows are taken as they are
    """

    def __init__(
        self,
        base: Tensor,
        rows: Tensor | None = None,
        which: Sequence[int] | None = None,
        change: Change | None = None,
    ) -> None:
        self.base = base
        self.change = change
        self.which = None if which is None else tuple(which)
        self._rows = rows
        self._which = None if which is None else torch.tensor(self.which, device=base.device)
        self._own_change = change
        if change is not None and self._which is not None:
            self._own_change = change.of(self._which)

    @classmethod
    def own(cls, values: Tensor) -> "Selection":
        """Return the selection of K runs that have N rows each to themselves: (K, N, ...)."""
        num_runs, num_rows = values.shape[:2]
        rows = torch.arange(num_runs * num_rows, device=values.device).view(num_runs, num_rows)
        return cls(values.flatten(0, 1), rows, range(num_runs))

    @classmethod
    def together(cls, selections: "Sequence[Selection]") -> "Selection":
        """Return the selection of K runs, given that of each: of one base, N rows each.

        Equal ones are kept once; where all are equal, they are changed once and for all.
        """
        places: dict[bytes, int] = {}
        which = [places.setdefault(selection.key, len(places)) for selection in selections]
        first = selections[0]
        distinct = [selections[which.index(place)] for place in range(len(places))]
        if len(distinct) == 1:
            return first if first.change is None else cls(first.tensor())
        rows = torch.cat([selection._all_rows() for selection in distinct])
        width = first.base.shape[-1] if first.base.ndim > 1 else 1
        change = Change.stacked([selection.change for selection in distinct], width)
        return cls(first.base, rows, which, change)

    @classmethod
    def stacked(cls, values: Sequence[Tensor]) -> "Selection":
        """Return the selection of K runs, given the rows (N, ...) of each; equal ones once."""
        places: dict[bytes, int] = {}
        keys = {id(tensor): digest(tensor) for tensor in values}
        which = [places.setdefault(keys[id(tensor)], len(places)) for tensor in values]
        if len(places) == 1:
            return cls(values[0])
        distinct = torch.cat([values[which.index(place)] for place in range(len(places))])
        rows = torch.arange(len(distinct), device=distinct.device).view(len(places), -1)
        return cls(distinct, rows, which)

    def place_of(self, run: int) -> int:
        """Return which of the D selections a run has."""
        return 0 if self.which is None else self.which[run]

    def numbers_of(self, run: int) -> Tensor | None:
        """Return the rows of the base that a run has, (N,); None: all in their order."""
        return None if self._rows is None else self._rows[self.place_of(run)]

    def change_of(self, run: int) -> Change | None:
        """Return what is done to a run's rows."""
        if self.change is None:
            return None
        return self.change.of(torch.tensor([self.place_of(run)], device=self.device))

    @property
    def num_rows(self) -> int:
        """N, the rows of each run."""
        return len(self.base) if self._rows is None else self._rows.shape[1]

    @property
    def is_shared(self) -> bool:
        """Whether all runs have the same rows."""
        return self.which is None

    @property
    def device(self) -> torch.device:
        """Where the data lie."""
        return self.base.device

    @property
    def key(self) -> bytes:
        """What is equal for selections of one base that take and change the same rows alike."""
        change = b"" if self.change is None else self.change.digest
        return self._rows_digest + change

    @cached_property
    def _rows_digest(self) -> bytes:
        return digest(self._rows)

    def _all_rows(self) -> Tensor:
        if self._rows is None:
            return torch.arange(len(self.base), device=self.device).unsqueeze(0)
        return self._rows

    def tensor(self) -> Tensor:
        """Return all rows of the only selection, (N, ...): made anew at each call."""
        [rows] = self.chunk(0, self.num_rows)
        return rows

    def chunk(self, start: int, stop: int) -> Tensor:
        """Return neighbouring rows of every run, (K, B, ...); of shared ones (1, B, ...)."""
        if self._rows is None:
            return self._changed(self.base[start:stop].unsqueeze(0))
        rows = self._rows[:, start:stop]
        if self._which is not None:
            rows = rows.index_select(0, self._which)
        return self._changed(self._at(rows))

    def gather(self, rows: Tensor) -> Tensor:
        """Return rows of every run, (K, B, ...), given their numbers among its N: (K, B)."""
        if self._rows is None:
            return self._changed(self._at(rows))
        if self._which is not None:
            rows = rows + (self._which * self.num_rows).unsqueeze(1)
        return self._changed(self._at(self._rows.view(-1)[rows]))

    def _at(self, rows: Tensor) -> Tensor:
        """Return rows of the base, given their numbers in any shape."""
        return self.base.index_select(0, rows.reshape(-1)).view(*rows.shape, *self.base.shape[1:])

    def _changed(self, values: Tensor) -> Tensor:
        return values if self._own_change is None else self._own_change(values)

    def keep(self, runs: Sequence[int]) -> "Selection":
        """Return the selection of some of the K runs."""
        if self.which is None:
            return self
        kept = [self.which[run] for run in runs]
        places = {which: place for place, which in enumerate(dict.fromkeys(kept))}
        numbers = torch.tensor(list(places), device=self.device)
        return Selection(
            self.base,
            self._all_rows().index_select(0, numbers),
            [places[which] for which in kept],
            self.change and self.change.of(numbers),
        )

    def picked(self, rows: Tensor) -> "Selection":
        """Return some of the rows, given their numbers: (n,), or (K, n) of each run."""
        own = self._all_rows()
        if rows.ndim == 1:
            return Selection(self.base, own.index_select(1, rows), self.which, self.change)
        if self._which is not None:
            own = own.index_select(0, self._which)
        own = own.expand(len(rows), -1).gather(1, rows)
        return Selection(self.base, own, range(len(rows)), self._own_change)

    def to(self, device: torch.device | str) -> "Selection":
        """Return the same selection on a device."""
        if self.device == torch.empty(0, device=device).device:
            return self
        rows = self._rows if self._rows is None else self._rows.to(device)
        return Selection(
            self.base.to(device), rows, self.which, self.change and self.change.to(device)
        )


def digest(*tensors: Tensor | None) -> bytes:
    """Return what is equal where all tensors are, bit for bit."""
    found = hashlib.sha256()
    for tensor in tensors:
        if tensor is None:
            found.update(b"none")
            continue
        values = tensor.cpu().contiguous()
        found.update(f"{values.dtype}{tuple(values.shape)}".encode())
        found.update(values.numpy().data)
    return found.digest()


Examples = tuple[Selection, Selection]
"""Inputs and encoded targets of runs; the same object where inputs are to be reconstructed."""


def examples(inputs: Tensor | Selection, targets: Tensor | Selection) -> Examples:
    """Return inputs and targets as selections.

    Inputs (N, I) and their targets, (N,) or (N, C), are shared by runs; inputs (K, N, I) and
    targets, (K, N) or (K, N, C), are each run's own.
    """
    if isinstance(inputs, Selection):
        assert isinstance(targets, Selection)
        return inputs, targets
    make = Selection.own if inputs.ndim == 3 else Selection
    selected = make(inputs)
    if targets is inputs:
        return selected, selected
    return selected, targets if isinstance(targets, Selection) else make(targets)

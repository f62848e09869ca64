"""The parts of the data as training needs them: rows of one copy of the data."""

# N rows, I inputs, T targets

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from dlx.data.dataset import Task
from dlx.data.preprocessing import Preprocessing
from dlx.data.selection import Selection
from dlx.data.tables.encoder import Encoder
from dlx.errors import DataError


@dataclass(frozen=True)
class Part:
    """One part of the data."""

    selection: Selection  # of its rows, which are preprocessed when they are asked for
    # (N,) int64 class numbers, (N, T) int64 labels of 0 and 1, or (N, T) float32, see
    # `Task.target_shift`; None: the preprocessed inputs are reconstructed
    own_targets: torch.Tensor | None
    rows: np.ndarray  # (N,) the rows' numbers in the data set, ascending

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def inputs(self) -> torch.Tensor:
        """The preprocessed inputs (N, I) float32, made anew at each call."""
        return self.selection.tensor()

    def first(self, count: int) -> torch.Tensor:
        """Return the preprocessed inputs of the first rows."""
        return self.selection.chunk(0, count)[0]

    @property
    def targets(self) -> torch.Tensor:
        """What a network learns of each row: see `own_targets`."""
        return self.inputs if self.own_targets is None else self.own_targets

    def picked(self, rows: np.ndarray) -> "Part":
        """Return some of the rows, given their places in the part."""
        places = torch.from_numpy(rows)
        targets = None if self.own_targets is None else self.own_targets[places]
        return Part(self.selection.picked(places), targets, self.rows[rows])

    def to(self, device: torch.device | str) -> "Part":
        """Return the part with its tensors on a device."""
        targets = None if self.own_targets is None else self.own_targets.to(device)
        return Part(self.selection.to(device), targets, self.rows)


@dataclass(frozen=True)
class Splits:
    """All that training needs of a data set."""

    name: str  # the source's name
    task: Task  # what the network has to do
    features: tuple[str, ...] | None  # the names of the inputs; None: they have none
    train: Part
    train_dev: Part | None  # this and the next three are None where they have no rows
    stop: Part | None  # what early stopping, schedules and tuning watch
    dev: Part | None
    test: Part | None
    # made the inputs of a table's columns, before the preprocessing; None for other data
    encoder: Encoder | None
    # of the inputs, fitted on all training rows, with labels and without
    preprocessing: Preprocessing
    shared: bool  # whether train, dev and test are the same rows (the gates)
    fingerprint: str  # SHA-256 of inputs, targets and the row numbers of each part
    data_digest: str  # SHA-256 of inputs and targets
    # By part, a digest of which rows it has, by their lines in a table's file or their numbers
    row_digests: Mapping[str, str]
    copied: Mapping[str, int]  # by part, rows that are training rows too, value for value
    warnings: tuple[str, ...]  # sentences for the user
    notes: tuple[str, ...] = ()  # sentences that say what was taken for what
    # all training rows where the labels of some are withheld; otherwise None
    everything: Part | None = None

    @property
    def unlabelled(self) -> "Splits":
        """The same splits with all training rows, for what needs no labels."""
        if self.everything is None:
            return self
        return replace(self, train=self.everything, everything=None)

    @property
    def parts(self) -> dict[str, Part]:
        """The parts that have rows, by name."""
        names = ("train", "train_dev", "stop", "dev", "test")
        return {name: part for name in names if (part := getattr(self, name)) is not None}

    def part(self, name: str) -> Part:
        """Return the part of a name; DataError if it has no rows."""
        if name not in self.parts:
            raise DataError(
                f"data set {self.name!r} was split without {name} rows; "
                f"there are {', '.join(self.parts)}"
            )
        return self.parts[name]

    def reconstructing(self) -> "Splits":
        """Return the same splits with the preprocessed inputs of each part as its targets.

        The shift and scale of the task bring a network's outputs back to the units of the data.
        """
        if self.task.kind == "reconstruction":
            return self
        low, high = self.train.inputs.aminmax(dim=0)
        in_unit_interval = bool((low >= 0).all() and (high <= 1).all())
        bounds = (None, None) if in_unit_interval else (low, high)
        shift, scale, lowest, highest = (
            () if values is None else tuple(values.tolist())
            for values in (self.preprocessing.shift, self.preprocessing.scale, *bounds)
        )
        task = Task(
            "reconstruction",
            *(self.task.num_inputs, self.task.num_inputs, None, self.task.input_shape),
            target_shift=shift,
            target_scale=scale,
            in_unit_interval=in_unit_interval,
            lowest=lowest,
            highest=highest,
            white=self.task.white,
        )
        parts = {name: replace(part, own_targets=None) for name, part in self.parts.items()}
        return replace(self, task=task, **parts)

    def to(self, device: torch.device | str) -> "Splits":
        """Return the same splits with every tensor on a device."""
        parts = {name: part.to(device) for name, part in self.parts.items()}
        everything = self.everything and self.everything.to(device)
        preprocessing = self.preprocessing.to(device)
        return replace(self, **parts, everything=everything, preprocessing=preprocessing)

"""What a data source returns, and the task that it sets a network."""

# N rows, I inputs (the product of the input shape), T targets

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from dlx.data.tables.cells import PLAIN, Format
from dlx.errors import DataError

TaskKind = Literal["multiclass", "binary", "multilabel", "regression", "reconstruction"]


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    name: str  # in the header
    # what the codes 0, 1, … in it stand for; None: it holds numbers, or dates as seconds since 1970
    categories: tuple[str, ...] | None = None
    form: Format = PLAIN  # how its cells are written


@dataclass(frozen=True)
class Table:
    """What the columns of a table mean before they are encoded, and what its rows are called."""

    # of the inputs (N, C) float64: numbers, seconds or codes of categories, NaN where missing
    columns: tuple[Column, ...]
    targets: tuple[str, ...]  # the target columns' names
    rows: np.ndarray  # (N,) the rows' numbers in their file, as a spreadsheet counts them
    imputes: bool = False  # whether missing inputs are filled in; otherwise no input is missing
    id_name: str | None = None  # the name of the id column; None: the table has none
    ids: np.ndarray | None = None  # (N,) texts that identify the rows
    groups: np.ndarray | None = None  # (N,) int64; the rows of a group stay in one part
    # (N,) numbers in the order of time; test comes after dev, dev after train
    times: np.ndarray | None = None
    target_columns: tuple[Column, ...] = ()  # classes are the categories of their column
    # separator, encoding and header of a CSV file, as far as the config names them
    layout: Mapping[str, Any] = field(default_factory=dict)
    # reads the cells of the named columns again, as they stand in the file: (N,) texts of each
    texts: Callable[[Sequence[str]], Mapping[str, np.ndarray]] | None = field(
        default=None, repr=False, compare=False
    )


@dataclass(frozen=True)
class Dataset:
    """Rows of inputs with their targets, as a source read them."""

    name: str  # the source's name
    # (N, *shape), float32 or uint8; uint8 are pixels, which a network sees as x / 255. Images are
    # (height, width) or, as in torch, (3, height, width)
    inputs: np.ndarray
    # (N,) int64 class numbers, (N, T) int64 labels of 0 and 1 that do not exclude each other, or
    # (N, T) values to predict, float32 or of a table float64
    targets: np.ndarray
    classes: tuple[str, ...] | None  # names of classes or of the T labels; None for regression
    features: tuple[str, ...] | None = None  # the names of the I inputs; None: they have none
    test_rows: int = 0  # how many rows, the last ones, are the set's own test part
    shared_splits: bool = False  # whether the rows serve as train, dev and test at once (the gates)
    dev_rows: int = 0  # how many rows, before those of the test part, are the set's own dev part
    standardize_targets: bool = True  # whether training sees values to predict as z-scores
    # what a user's columns mean; their inputs are encoded once the training rows are chosen
    table: Table | None = None
    warnings: tuple[str, ...] = ()  # sentences for the user
    notes: tuple[str, ...] = ()  # sentences that say what was taken for what
    # a warning that dev and test rows come from different sources, for the case that both parts
    # have rows; empty: they come from the same
    mismatch: str = ""
    white: int = 65535  # of grey images of 16 bits, the value that is white
    description: str = ""  # one sentence; empty means the source's docstring says it

    @property
    def first_test_row(self) -> int:
        """The row at which the set's own test part begins."""
        return len(self.targets) - self.test_rows


@dataclass(frozen=True)
class Task:
    """What a network has to do: the shape of its input and the meaning of its output."""

    # two classes are binary, more are multiclass, labels that do not exclude each other are
    # multilabel, values are regression; where the targets are the inputs themselves it is
    # reconstruction
    kind: TaskKind
    num_inputs: int  # I
    # the number of classes; 1 for binary; T for multilabel and regression; I for reconstruction
    num_outputs: int
    # the names of the classes or labels; None for regression and reconstruction
    classes: tuple[str, ...] | None
    input_shape: tuple[int, ...]  # the shape of one row before it was flattened to (I,)
    num_train: int = 0  # training rows; 0 for regression
    class_counts: tuple[int, ...] = ()  # training rows of each class or label; none for regression
    # T numbers: a target t of the data is trained on as (t - shift) / scale; empty: targets are
    # trained on as they are
    target_shift: tuple[float, ...] = ()
    target_scale: tuple[float, ...] = ()  # T numbers; see `target_shift`
    # whether all preprocessed inputs of the training rows lie in [0, 1]; for reconstruction alone
    in_unit_interval: bool = False
    # where a reconstruction's inputs leave [0, 1], the lowest value of each of the I inputs in the
    # preprocessed training rows
    lowest: tuple[float, ...] = field(default=(), repr=False)
    highest: tuple[float, ...] = field(default=(), repr=False)  # the highest value, likewise
    white: int = 65535  # of grey images of 16 bits, the value that is white

    @property
    def digits(self) -> list[int]:
        """The decimals that a float32 z-score of each of the T values to predict can tell."""
        return [math.ceil(7 - math.log10(scale)) for scale in self.target_scale]

    def in_units(self, outputs: np.ndarray) -> np.ndarray:
        """Return predictions (N, T) in the units of the data: outputs * scale + shift.

        Values to predict are float64, so that large ones keep their digits; reconstructions stay
        float32.
        """
        if not self.target_scale:
            return outputs
        shift, scale = np.array(self.target_shift), np.array(self.target_scale)
        values = outputs * scale + shift
        return values if self.kind == "regression" else values.astype(outputs.dtype)

    def standardized(self, targets: np.ndarray) -> np.ndarray:
        """Return values to predict (N, T) as they are trained on: (t - shift) / scale, float32."""
        if not self.target_scale:
            return targets.astype(np.float32)
        shift, scale = np.array(self.target_shift), np.array(self.target_scale)
        return ((targets.astype(np.float64) - shift) / scale).astype(np.float32)


def with_own_test(
    name: str, parts: Sequence[tuple[np.ndarray, np.ndarray]], classes: tuple[str, ...]
) -> Dataset:
    """Return a set of classes whose inputs and targets come in parts, the last of them its test."""
    inputs, targets = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    test_rows = len(parts[-1][1])
    return Dataset(name, np.ascontiguousarray(inputs), targets, classes, test_rows=test_rows)


def task_of(dataset: Dataset) -> Task:
    """Return the task that a data set sets."""
    shape = dataset.inputs.shape[1:]
    if dataset.classes is None:
        kind, num_outputs = "regression", dataset.targets.shape[1]
    elif dataset.targets.ndim == 2:
        kind, num_outputs = "multilabel", len(dataset.classes)
    elif len(dataset.classes) == 2:
        kind, num_outputs = "binary", 1
    else:
        kind, num_outputs = "multiclass", len(dataset.classes)
    size = math.prod(shape)
    return Task(kind, size, num_outputs, dataset.classes, shape, white=dataset.white)


def class_counts(dataset: Dataset, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
    """Return how many of the rows have each class or label: (C,) int64."""
    assert dataset.classes is not None
    targets = dataset.targets[rows]
    if targets.ndim == 2:
        return targets.sum(0)
    return np.bincount(targets, minlength=len(dataset.classes))


def to_float(inputs: np.ndarray) -> np.ndarray:
    """Return rows as a network sees them before preprocessing: (N, I), pixels x / 255 in float32.

    Numbers of 64 bits stay so, all others become float32.
    """
    flat = inputs.reshape(len(inputs), math.prod(inputs.shape[1:]))
    if flat.dtype == np.uint8:
        return flat / np.float32(255)
    return flat.astype(np.float64 if flat.dtype == np.float64 else np.float32, copy=False)


def check(dataset: Dataset) -> None:
    """Check that every row can be trained on."""
    name, targets = dataset.name, dataset.targets
    if len(dataset.inputs) == 0:
        raise DataError(f"data set {name!r} has no rows; add some")
    if math.prod(dataset.inputs.shape[1:]) == 0:
        raise DataError(
            f"data set {name!r} has no inputs: its rows are of shape {dataset.inputs.shape[1:]}; "
            "give each row a number or more"
        )
    if len(targets) != len(dataset.inputs):
        raise DataError(
            f"data set {name!r} has {len(dataset.inputs)} rows of inputs "
            f"but {len(targets)} of targets; give each row one target"
        )
    # A table's inputs have been checked where their rows and columns could still be named.
    if dataset.inputs.dtype != np.uint8 and dataset.table is None:
        _check_finite(name, "input", dataset.inputs, dataset.features)
    if dataset.classes is None:
        _check_finite(name, "target", targets, None)
        return
    if targets.ndim == 2:
        _check_labels(dataset)
        return
    if len(dataset.classes) < 2:
        only = "".join(map(repr, dataset.classes)) or "none"
        raise DataError(
            f"data set {name!r} has too few classes to tell apart ({only}); add rows of another one"
        )
    wrong = np.flatnonzero((targets < 0) | (targets >= len(dataset.classes)))
    if len(wrong):
        raise DataError(
            f"data set {name!r}, row {wrong[0]} (the first is 0): label {targets[wrong[0]]} "
            f"is out of range, the {len(dataset.classes)} classes are 0 to "
            f"{len(dataset.classes) - 1}; correct it"
        )


def _check_labels(dataset: Dataset) -> None:
    name, targets, classes = dataset.name, dataset.targets, dataset.classes or ()
    if targets.shape[1] != len(classes):
        raise DataError(
            f"data set {name!r} has {targets.shape[1]} columns of labels but {len(classes)} names "
            "for them; name every column"
        )
    wrong = np.argwhere((targets != 0) & (targets != 1))
    if len(wrong):
        row, column = wrong[0]
        raise DataError(
            f"data set {name!r}, row {row} (the first is 0), label {classes[column]!r}: "
            f"{targets[row, column]} is neither 0 nor 1; write 1 where the label holds, else 0"
        )


def _check_finite(
    name: str, what: str, values: np.ndarray, features: tuple[str, ...] | None
) -> None:
    finite = np.isfinite(values)
    if finite.all():
        return
    row, *column = (int(index) for index in np.argwhere(~finite)[0])
    label = repr(features[column[0]]) if features else ", ".join(map(str, column))
    raise DataError(
        f"data set {name!r}, row {row} (the first is 0), {what} column {label}: "
        f"{values[row, *column]} is not a finite number; drop the row or fill the value in"
    )

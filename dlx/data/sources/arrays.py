"""A user's arrays: npz and npy files of NumPy, IDX files, and what a function returns.

Inputs are (N, I) or (N, *shape); those of images (N, height, width), (N, channels, height, width)
or (N, height, width, channels). Rows of unsigned bytes in two dimensions or more are pixels, which
a network sees as x / 255. Targets are (N,) or (N, T); `dlx.data.tasks` says what they are.
"""

# N rows, I inputs, T targets

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from dlx.capacity import check_fits
from dlx.data import idx as idx_format
from dlx.data.channels import Channels, arranged
from dlx.data.dataset import Dataset
from dlx.data.npy import Archive, read_npy
from dlx.data.source_files import SMALLER, WRITE_AGAIN
from dlx.data.tables.columns import coarse
from dlx.data.tasks import Targets, TaskName, decide
from dlx.errors import ConfigError, DataError
from dlx.registry import like, register

Arrays = tuple[np.ndarray, np.ndarray]
Name = TypeVar("Name", str, Path)

_LOOKED_AT = 1_000  # rows, for numbers that become one


@register("data")
def npz(
    data_dir: Path,
    *,
    path: Path,
    inputs: str = "inputs",
    targets: str = "targets",
    test_inputs: str | None = None,
    test_targets: str | None = None,
    task: TaskName = "auto",
    channels: Channels = "auto",
) -> Dataset:
    """Your own arrays in an npz file, as numpy.savez writes it.

    Args:
        path: of the file, relative to the config
        inputs: name of the array of inputs, one row per example
        targets: name of the array of classes or numbers to predict
        test_inputs: name of the inputs of a test part; null: the file has no test part
        test_targets: name of the targets of the test part
        task: classification, multilabel or regression; auto: as the values look, see docs/data.md
        channels: of images: first, or last; auto: whichever axis has 1, 3 or 4 of them

    Raises:
        ConfigError: only one of the two arrays of the test part is named
        DataError: a file or an array is missing, is damaged or does not fit the others
    """
    with Archive(path) as archive:
        parts = _parts(archive.read, inputs, targets, test_inputs, test_targets)
    return dataset_of(path.name, parts, task, channels)


@register("data")
def npy(
    data_dir: Path,
    read: Callable[[Path], np.ndarray] = read_npy,
    *,
    inputs: Path,
    targets: Path,
    test_inputs: Path | None = None,
    test_targets: Path | None = None,
    task: TaskName = "auto",
    channels: Channels = "auto",
) -> Dataset:
    """Your own arrays in npy files, as numpy.save writes them, mapped into memory.

    Args:
        inputs: path of the inputs, one row per example, relative to the config
        targets: path of the classes or numbers to predict
        test_inputs: path of the inputs of a test part; null: there is no test part
        test_targets: path of the targets of the test part
        task: classification, multilabel or regression; auto: as the values look, see docs/data.md
        channels: of images: first, or last; auto: whichever axis has 1, 3 or 4 of them

    Raises:
        ConfigError: only one of the two files of the test part is named
        DataError: a file is missing, is damaged or does not fit the others
    """
    parts = _parts(lambda key, path: read(path), inputs, targets, test_inputs, test_targets)
    return dataset_of(inputs.name, parts, task, channels)


@register("data")
@like(npy)
def idx(data_dir: Path, **options: Any) -> Dataset:
    """Your own arrays in IDX files, the format of MNIST, gzipped or not.

    Reference:
        LeCun, Cortes, Burges: The MNIST database of handwritten digits
    """
    return npy(data_dir, lambda path: idx_format.read(path, WRITE_AGAIN), **options)


def _parts(
    read: Callable[[str, Name], np.ndarray],
    inputs: Name,
    targets: Name,
    test_inputs: Name | None,
    test_targets: Name | None,
) -> dict[str, Arrays]:
    """Return the arrays of train and, where they are named, of test.

    `read` returns an array, given the option that names it and its name or path.
    """
    if (test_inputs is None) != (test_targets is None):
        raise ConfigError("data.test_inputs and data.test_targets go together; give both or none")
    train = read("data.inputs", inputs), read("data.targets", targets)
    if test_inputs is None or test_targets is None:
        return {"train": train}
    test = read("data.test_inputs", test_inputs), read("data.test_targets", test_targets)
    return {"train": train, "test": test}


def dataset_of(
    name: str, parts: Mapping[str, Arrays], task: TaskName, channels: Channels = "auto"
) -> Dataset:
    """Return the data set that arrays of inputs and targets make."""
    for part, (x, t) in parts.items():
        where = name if part == "train" else f"{name}: {part} part"
        if x.ndim < 2 or t.ndim < 1 or len(x) != len(t):
            raise DataError(
                f"{where}: inputs of shape {x.shape} and targets of shape {t.shape}; inputs "
                "are (N, I) or (N, height, width), a row for each of the N targets"
            )
        if x.dtype.kind == "U":
            raise DataError(f"{where}: the inputs are {x.dtype} words, not numbers")
        if len(x) == 0:
            raise DataError(f"{where}: it has no rows; give it some or leave it out")
        for array, train, what in zip((x, t), parts["train"], ("inputs", "targets"), strict=True):
            if (_kind(array), array.shape[1:]) != (_kind(train), train.shape[1:]):
                raise DataError(
                    f"{where}: {what} of {array.dtype}, a row of shape {array.shape[1:]}, but "
                    f"those to train on are {train.dtype}, a row of shape {train.shape[1:]}"
                )
    ordered = [parts[part] for part in ("train", "dev", "test") if part in parts]
    inputs, targets = (  # arrays that are mapped into memory stay there
        arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
        for arrays in zip(*ordered, strict=True)
    )
    inputs, layout = arranged(name, inputs, channels)
    decided = decide(f"the targets of {name}", targets, task)
    rows = {part: len(x) for part, (x, _) in parts.items()}
    return Dataset(
        name=name,
        inputs=_as_numbers(inputs),
        targets=_as_values(decided.values) if decided.classes is None else decided.values,
        classes=decided.classes,
        dev_rows=rows.get("dev", 0),
        test_rows=rows.get("test", 0),
        warnings=(*_merged(name, inputs), *_coarse(name, decided)),
        notes=(*([layout] if layout else []), *decided.notes),
    )


def _kind(array: np.ndarray) -> str:
    """Return what an array holds: pixels, whole numbers, words or other numbers."""
    if array.dtype == np.uint8 and array.ndim > 2:
        return "pixels"
    return {"U": "words", "f": "numbers"}.get(array.dtype.kind, "whole numbers")


def _as_numbers(inputs: np.ndarray) -> np.ndarray:
    """Return inputs as float32, but for pixels, which stay as they are."""
    return inputs if inputs.dtype == np.uint8 and inputs.ndim > 2 else _as_float32(inputs)


def _as_values(targets: np.ndarray) -> np.ndarray:
    """Return values to predict (N, T) as float32 or, where that tells hardly any apart, float64."""
    with np.errstate(invalid="ignore", over="ignore"):  # what is not finite is refused later
        spread = targets.astype(np.float64).std(0)
        is_lost = np.abs(targets).max(0) * np.finfo(np.float32).eps > 1e-3 * spread
    return targets.astype(np.float64) if (is_lost & (spread > 0)).any() else _as_float32(targets)


def _merged(name: str, inputs: np.ndarray) -> tuple[str, ...]:
    """Return a warning if numbers of a column become one in 32 bits, by the first rows."""
    if np.can_cast(inputs.dtype, np.float32):  # none can
        return ()
    looked_at = inputs[:_LOOKED_AT].reshape(len(inputs[:_LOOKED_AT]), -1)
    with np.errstate(invalid="ignore", over="ignore"):
        rounded = looked_at.astype(np.float32)
        step = np.spacing(np.abs(rounded).max(0))
        coarse = np.flatnonzero(step > 1e-3 * looked_at.std(0, dtype=np.float64))
    for column in coarse.tolist():
        different = len(np.unique(looked_at[:, column]))
        left = len(np.unique(rounded[:, column]))
        if 2 * left < different:
            return (
                f"{name}: {different:,} different numbers of input {column} (the first is 0) "
                f"become {left:,} in 32 bits; subtract from the array what all of them share",
            )
    return ()


def _coarse(name: str, targets: Targets) -> list[str]:
    """Return warnings of columns of numbers to predict that are too large for 64 bits."""
    if targets.classes is not None:
        return []
    columns = targets.values.reshape(len(targets.values), -1).T
    return [
        sentence
        for place, column in enumerate(columns)
        for sentence in coarse(
            f"{name}, target {place}", column.astype(np.float64), lambda own=column: np.ptp(own) > 0
        )
    ]


def _as_float32(values: np.ndarray) -> np.ndarray:
    if values.dtype != np.float32:
        what = f"{values.dtype} of shape {values.shape} as numbers of 32 bits"
        check_fits(what, 4 * values.size, SMALLER)
    with np.errstate(over="ignore"):  # an overflow is reported later, with its place
        return values.astype(np.float32, copy=False)

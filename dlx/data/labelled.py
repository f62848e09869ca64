"""Rows with their targets in a new file, to measure a trained network on.

# N rows, I inputs, T targets
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dlx.config.types import Choice
from dlx.data.dataset import Task
from dlx.data.inputs import as_rows, fitting_images
from dlx.data.npy import Archive
from dlx.data.sources.image_folder import list_folder
from dlx.data.tables.cells import category, is_plain_number
from dlx.data.tables.encoder import Encoder
from dlx.data.tables.new_rows import read_rows
from dlx.data.tasks import class_name
from dlx.errors import DataError, did_you_mean

Where = Callable[[int], str]  # names a row


@dataclass(frozen=True)
class LabelledRows:
    """Rows of a new file with their targets."""

    inputs: np.ndarray  # (N, I) before the preprocessing
    # (N,) int64 class numbers, (N, T) int64 labels of 0 and 1, or (N, T) values in their own units
    targets: np.ndarray
    notes: tuple[str, ...] = ()  # sentences for the user
    warnings: tuple[str, ...] = ()


def read_labelled(
    path: Path,
    task: Task,
    features: Sequence[str] | None,
    encoder: Encoder | None,
    data: Choice,
    layout: Mapping[str, Any] = {},
) -> LabelledRows:
    """Return the rows of a table, of an npz file, or of a folder of classes with images.

    `data` is what the network was trained on: its options name the target columns, or the arrays
    (which may also be called `inputs` and `targets`), and say how images are read. `layout` says
    how a CSV file is written, see `dlx.data.tables.new_rows.read_rows`.

    Raises:
        DataError: the file is missing, damaged, or does not fit the network, a target is missing,
            or a class is none of those the network knows
    """
    options = data.arguments()
    suffix = path.suffix.lower()
    if path.is_dir():
        return _of_images(path, task, options if data.name == "image_folder" else {})
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    if encoder is not None and suffix != ".npz":
        table = read_rows(path, encoder, layout, labelled=True)
        assert table.targets is not None
        where = lambda place: f"{path}, row {table.rows[place]}"
        coded = as_targets(table.targets, task, where)
        return LabelledRows(table.inputs, coded, table.notes, table.warnings)
    if encoder is None and suffix == ".npz":
        return _of_archive(path, task, features, options)
    wanted = ".csv and .parquet files" if encoder else ".npz files and folders of classes"
    raise DataError(f"{path}: rows with their targets are read from {wanted}, as in training")


def _of_images(path: Path, task: Task, options: Mapping[str, Any]) -> LabelledRows:
    folder = list_folder(path)
    labels = folder.labels(task.classes or (), "the data that the network was trained on")
    inputs, remarks = fitting_images(folder.files, task, options)
    return LabelledRows(inputs, np.array(labels, np.int64), (*folder.notes, *remarks))


def _of_archive(
    path: Path, task: Task, features: Sequence[str] | None, options: Mapping[str, Any]
) -> LabelledRows:
    with Archive(path) as archive:
        names = [
            next((n for n in (options.get(key), key) if n in archive.names), key)
            for key in ("inputs", "targets")
        ]
        inputs, targets = (archive.read(f"the array of {name}", name) for name in names)
    channels = options.get("channels", "auto")
    rows = as_rows(path, inputs, task, tuple(features or ()) or None, channels)
    if len(targets) != len(rows):
        raise DataError(f"{path}: {len(rows):,} rows of inputs but {len(targets):,} of targets")
    where = lambda place: f"{path}, row {place} (the first is 0)"
    return LabelledRows(rows, as_targets(targets, task, where))


def as_targets(targets: np.ndarray, task: Task, where: Where) -> np.ndarray:
    """Return targets (N,) or (N, T) of a file as `LabelledRows` has them; NaN and '' are missing.

    Raises:
        DataError: there are more or fewer columns than the network predicts, a target is missing,
            or it is no number, no label, or a class that the network does not know
    """
    targets = targets.reshape(len(targets), -1)
    _refuse_missing(targets, where)
    number = targets.shape[1]
    is_one_hot = task.kind in ("multiclass", "binary") and number > 1
    wanted = len(task.classes or ()) if is_one_hot else task.num_outputs
    if task.kind in ("multiclass", "binary") and number == 1:
        return _class_numbers(targets[:, 0], task.classes or (), where)
    if number != wanted:
        raise DataError(f"{where(0)}: {number} targets, but the network predicts {wanted}")
    if targets.dtype.kind not in "biuf":
        raise DataError(f"{where(0)}: the target {targets[0, 0]!r} is no number")
    if task.classes is None:
        return targets.astype(np.float64)
    wrong = np.argwhere((targets != 0) & (targets != 1))
    if len(wrong):
        row, column = wrong[0]
        raise DataError(f"{where(row)}: {targets[row, column]} is neither 0 nor 1, so no label")
    labels = targets.astype(np.int64)
    if not is_one_hot:
        return labels
    if (labels.sum(1) != 1).any():
        row = int((labels.sum(1) != 1).argmax())
        raise DataError(f"{where(row)}: {labels[row].sum()} ones, but a row has one class")
    return labels.argmax(1)


def _refuse_missing(targets: np.ndarray, where: Where) -> None:
    is_text = targets.dtype.kind in "UO"
    missing = (targets == "") if is_text else ~np.isfinite(targets.astype(np.float64))
    if missing.any():
        row = int(np.argwhere(missing)[0][0])
        raise DataError(
            f"{where(row)}: the target is missing or no finite number, one of {missing.sum():,}; "
            "complete it, or leave the row out"
        )


def _class_numbers(targets: np.ndarray, classes: tuple[str, ...], where: Where) -> np.ndarray:
    """Return the numbers of classes (N,) among those that a network knows."""
    values, places = np.unique(targets, return_inverse=True)
    names = [class_name(value) for value in values.tolist()]
    if values.dtype.kind in "UO":
        is_numeric = all(map(is_plain_number, classes))
        names = [category(name, is_numeric=is_numeric) for name in names]
    known = {name: number for number, name in enumerate(classes)}
    for place, name in enumerate(names):
        if name not in known:
            shown = ", ".join(classes[:20]) + (" …" if len(classes) > 20 else "")
            raise DataError(
                f"{where(int((places == place).argmax()))}: the network knows no class {name!r}"
                f"{did_you_mean(name, classes)} (it knows {shown})"
            )
    return np.array([known[name] for name in names], np.int64)[places]

"""Inputs to predict from: a user's CSV, NumPy array or images as the rows that a network reads."""

# N rows, I inputs

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dlx.capacity import check_fits
from dlx.data import images
from dlx.data.channels import Channels, fitting
from dlx.data.dataset import Task, to_float
from dlx.data.images import Conversion, LeftOut
from dlx.data.npy import Archive, read_npy
from dlx.data.source_files import SMALLER, readable
from dlx.data.tables.cells import PLAIN, CellError
from dlx.data.tables.layout import Layout, is_number, records
from dlx.data.tables.reading import surveyed
from dlx.errors import DataError, did_you_mean

Features = tuple[str, ...] | None
SUFFIXES = (".csv", ".npy", ".npz")


def read(
    path: Path, task: Task, features: Features, array: str = "inputs", channels: Channels = "auto"
) -> np.ndarray:
    """Return the inputs in a file, before the run's preprocessing: (N, I) float32.

    `.csv`: numbers, in any layout that `dlx.data.tables.layout` reads, with or without a header.
    With a header, columns are matched by name if the features have names (other columns are
    ignored), otherwise by position. `.npy`: (N, I), (N, *input_shape) or a single row; of images,
    `channels` says where their channels stand.
    `.npz`: likewise; its only array, or the one called `array`. Pixels (uint8 images) count as x /
    255. Images are read by `read_images`.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        known = ", ".join((*SUFFIXES, *images.SUFFIXES))
        raise DataError(f"{path}: inputs are read from {known} files and folders of images")
    with _readable(path):
        if suffix == ".csv":
            return _read_csv(path, task, features)
        if suffix == ".npy":
            return as_rows(path, read_npy(path), task, features, channels)
        return as_rows(path, _from_archive(path, array), task, features, channels)


@dataclass(frozen=True)
class ImageRows:
    """Images to predict from."""

    inputs: np.ndarray  # (N, I) float32
    files: tuple[str, ...]  # (N,) their paths, in a folder relative to it
    notes: tuple[str, ...]  # sentences for the user


def are_images(path: Path) -> bool:
    """Return whether a path is a folder or has the name of an image file."""
    return path.is_dir() or path.suffix.lower() in images.SUFFIXES


def read_images(path: Path, task: Task, options: Mapping[str, Any]) -> ImageRows:
    """Return an image, or the images in a folder and its folders, as in training.

    `options` are those of the data that the network was trained on: the size and the background of
    an image folder. Images become grey or RGB, whichever the network reads.
    """
    left_out = LeftOut()
    if path.is_dir():
        files = images.images_below(path, left_out)
    else:
        with _readable(path):
            files = [path]
    said = left_out.sentences(path)
    if not files:
        raise DataError(f"{path}: no image in this folder{''.join(f' ({s})' for s in said)}")
    inputs, remarks = fitting_images(files, task, options)
    names = [str(file.relative_to(path)) if path.is_dir() else str(file) for file in files]
    return ImageRows(inputs, tuple(names), (*said, *remarks))


def fitting_images(
    files: Sequence[Path], task: Task, options: Mapping[str, Any]
) -> tuple[np.ndarray, list[str]]:
    """Return images as the rows that a network reads, (N, I) float32, and sentences for the user.

    `options` are those of `read_images`.
    """
    shape = task.input_shape
    is_rgb = len(shape) == 3 and shape[0] == 3
    if not (is_rgb or len(shape) == 2):
        raise DataError(f"{files[0]}: the network reads {task.num_inputs} numbers, not an image")
    chosen = {key: options[key] for key in ("size", "background") if key in options}
    pixels, remarks = images.read_images(files, Conversion(not is_rgb, white=task.white, **chosen))
    if pixels.shape[1:] != shape:
        raise DataError(
            f"{files[0]}: the image is {pixels.shape[-1]} wide and {pixels.shape[-2]} high, the "
            f"network reads {shape[-1]} × {shape[-2]}; resize it, or train with data.size, to "
            "which images are then scaled"
        )
    return to_float(pixels), remarks


def csv_header(path: Path) -> list[str]:
    """Return the cells of a CSV file's first row."""
    return next(records(path, surveyed(path, Layout(header=False))))[1]


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    with readable(path):
        yield


def _read_csv(path: Path, task: Task, features: Features) -> np.ndarray:
    rows = dict(records(path, surveyed(path, Layout(header=False), features or ())))
    names = features or tuple(str(i) for i in range(1, task.num_inputs + 1))
    columns, width = list(range(task.num_inputs)), task.num_inputs
    first, cells = next(iter(rows.items()))
    has_names = features is not None and set(features) <= set(cells)  # one may be called `1`
    if has_names or not any(map(is_number, cells)):
        del rows[first]
        if features:
            columns, width = _match(path, cells, features), len(cells)
        else:
            names = tuple(cells)
    if not rows:
        raise DataError(f"{path}: a header but no rows")
    if len(cells) != width:
        raise DataError(f"{path}, row {first}: {len(cells)} values instead of {width}")
    inputs = np.empty((len(rows), task.num_inputs), dtype=np.float32)
    for place, column in enumerate(columns):
        for row, (number, cells) in zip(inputs, rows.items(), strict=True):
            try:
                [row[place]] = PLAIN.values([cells[column]])
            except CellError as error:
                raise DataError(f"{path}, row {number}, column {names[place]!r}: {error}") from None
            if not cells[column]:
                raise DataError(
                    f"{path}, row {number}, column {names[place]!r}: the value is missing"
                )
    return inputs


def _match(path: Path, header: list[str], features: tuple[str, ...]) -> list[int]:
    for feature in features:
        if header.count(feature) != 1:
            columns = "no column" if feature not in header else "more than one column"
            near = "" if feature in header else did_you_mean(feature, header)
            raise DataError(f"{path}: the header has {columns} {feature!r}{near}")
    return [header.index(feature) for feature in features]


def _from_archive(path: Path, array: str) -> np.ndarray:
    with Archive(path) as archive:
        names = archive.names
        if array not in names and len(names) != 1:
            raise DataError(
                f"{path}: holds {', '.join(map(repr, names)) or 'no array'}; call the array to "
                f"read {array!r}"
            )
        return archive.read("array", array if array in names else names[0])


def as_rows(
    path: Path, array: np.ndarray, task: Task, features: Features, channels: Channels
) -> np.ndarray:
    """Return an array of a file as the rows that a network reads: (N, I) float32."""
    if array.dtype.kind not in "buif":
        raise DataError(f"{path}: holds {array.dtype}, not numbers")
    array = fitting(array, task.input_shape, channels)
    if array.shape in (task.input_shape, (task.num_inputs,)):
        array = array[np.newaxis]
    if array.shape[1:] not in (task.input_shape, (task.num_inputs,)):
        wanted = " or ".join(
            str(("N", *shape)).replace("'", "")
            for shape in dict.fromkeys([(task.num_inputs,), task.input_shape])
        )
        raise DataError(f"{path}: shape {array.shape} instead of {wanted}")
    if len(array) == 0:
        raise DataError(f"{path}: no rows")
    # uint8 images are pixels; a table's small whole numbers are not.
    are_pixels = array.dtype == np.uint8 and len(task.input_shape) > 1
    check_fits(path, 4 * array.size, SMALLER)
    with np.errstate(over="ignore"):  # an overflow is reported below, with its place
        x = to_float(np.array(array, dtype=np.uint8 if are_pixels else np.float32))
    bad = np.argwhere(~np.isfinite(x))
    if len(bad):
        row, column = bad[0]
        label = repr(features[column]) if features else str(column)
        value = array.reshape(x.shape)[row, column]
        raise DataError(
            f"{path}, row {row} (the first is 0), column {label}: {value} is not a finite number "
            "(of 32 bits)"
        )
    return x

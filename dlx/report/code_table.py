"""Codes as a table: what a layer says of each row, in files that can be read again.

# N rows, D numbers of a code
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dlx.data.dataset import Task
from dlx.data.inputs import csv_header, read
from dlx.errors import DataError
from dlx.report.predictions import Context, Predictions, beside, known_targets


@dataclass(frozen=True)
class Codes:
    """The codes of rows, and what else is known of them.

    Attributes:
        values: (N, D) float32
        layer: whose outputs they are
        known: columns of N cells by name, as far as there are: row, the id, target
        warnings: sentences for the user
    """

    values: np.ndarray
    layer: str
    known: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def table(self) -> Predictions:
        """Return them as a table: what is known of a row, code_1, code_2, ….

        A column that is called like one of a code is input(NAME).
        """
        codes = dict(zip(code_names(self.values.shape[1]), self.values.T, strict=True))
        columns = beside(self.known, set(codes)) | codes
        rows = [list(row) for row in zip(*columns.values(), strict=True)]
        return Predictions(tuple(columns), rows, self.warnings)

    def npz(self) -> bytes:
        """Return the contents of a NumPy archive: `codes` (N, D), and what is known by its name."""
        return archive({**beside(self.known, {"codes"}), "codes": self.values})


def known_of(task: Task, context: Context, id_name: str | None) -> dict[str, Any]:
    """Return what stands beside the code of a row: its number, its id, its targets.

    Args:
        task: that the data set sets
        context: of the rows
        id_name: the column of the ids, where there is one
    """
    known = {} if context.rows is None else {"row": context.rows}
    ids = {name: cells for name, cells in context.inputs.items() if name == id_name}
    targets = {} if context.targets is None else known_targets(task, context)
    return known | beside(ids, {*known, *targets}) | targets


def code_names(width: int) -> tuple[str, ...]:
    """Return the columns of a code of D numbers: code_1, code_2, …."""
    return tuple(f"code_{number}" for number in range(1, width + 1))


def archive(arrays: Mapping[str, Any]) -> bytes:
    """Return the contents of a compressed NumPy archive that needs no pickle to be read."""
    file = io.BytesIO()
    plain = {name: np.asarray(values) for name, values in arrays.items()}
    texts = {name: each.astype(str) for name, each in plain.items() if each.dtype == object}
    np.savez_compressed(file, **(plain | texts))  # type: ignore[arg-type]
    return file.getvalue()


def read_codes(path: Path, width: int, layer: str) -> np.ndarray:
    """Read the codes in a file: (N, D) float32.

    Args:
        path: `.csv`, with the columns code_1 … code_D, whatever else there is, or D numbers a line;
            `.npy`; `.npz`, its only array or the one called `codes`
        width: D, of the layer that they are decoded from
        layer: its name

    Raises:
        DataError: the file is missing, of another kind or damaged, a code has another width, or a
            value is not a finite number
    """
    suffix, names = path.suffix.lower(), None
    if suffix not in (".csv", ".npy", ".npz"):
        raise DataError(f"{path}: codes are read from .csv, .npy and .npz files")
    if suffix == ".csv":
        named = [cell for cell in csv_header(path) if cell.startswith("code_")]
        if named and len(named) != width:
            raise wrong_width(str(path), len(named), width, layer)
        names = code_names(width) if named else None
    task = Task("reconstruction", width, width, None, (width,))
    return read(path, task, names, array="codes")


def wrong_width(what: str, received: int, width: int, layer: str) -> DataError:
    """Return the error for codes of another width than a layer has."""
    return DataError(
        f"{what}: received codes of {received} numbers, but layer {layer} has {width}; decode "
        "codes of the same run and layer"
    )

"""Tables of codes, the outputs of a layer, and the files that codes are read from.

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
from dlx.report.predictions import Context, Predictions, beside, target_columns


@dataclass(frozen=True)
class Codes:
    """The codes of rows, and other columns of the same rows: row, the id and the targets."""

    values: np.ndarray  # (N, D) float32
    layer: str  # whose outputs they are
    columns: Mapping[str, Any] = field(default_factory=dict)  # N cells each, by name
    warnings: tuple[str, ...] = ()  # sentences for the user
    notes: tuple[str, ...] = ()  # sentences that say what was left out

    def table(self) -> Predictions:
        """Return a table of the other columns and code_1, code_2, ….

        Another column with the name of one of these is called input(NAME).
        """
        codes = dict(zip(_code_names(self.values.shape[1]), self.values.T, strict=True))
        return Predictions.of(beside(self.columns, set(codes)) | codes, self.warnings, self.notes)

    def npz(self) -> bytes:
        """Return the contents of a NumPy archive: `codes` (N, D) and the other columns."""
        return archive({**beside(self.columns, {"codes"}), "codes": self.values})


def columns_beside_codes(task: Task, context: Context, id_name: str | None) -> dict[str, Any]:
    """Return the columns of rows beside their codes: their numbers, ids and targets."""
    rows = context.names
    ids = {name: cells for name, cells in context.inputs.items() if name == id_name}
    targets = {} if context.targets is None else target_columns(task, context)
    return rows | beside(ids, {*rows, *targets}) | targets


def _code_names(width: int) -> tuple[str, ...]:
    return tuple(f"code_{number}" for number in range(1, width + 1))


def archive(arrays: Mapping[str, Any]) -> bytes:
    """Return the contents of a compressed NumPy archive that can be read without pickle."""
    file = io.BytesIO()
    plain = {name: np.asarray(values) for name, values in arrays.items()}
    texts = {name: array.astype(str) for name, array in plain.items() if array.dtype == object}
    np.savez_compressed(file, **(plain | texts))  # type: ignore[arg-type]
    return file.getvalue()


def read_codes(path: Path, width: int, layer: str) -> np.ndarray:
    """Return the codes in a file, of D numbers of a layer: (N, D) float32.

    Args:
        path: `.csv` with the columns code_1 … code_D among others, or with D numbers in a line;
            `.npy`; `.npz` with one array, or with one called `codes`
        width: D
        layer: its name

    Raises:
        DataError: the file is missing, of another kind or damaged, the codes have another width, or
            a value is not a finite number
    """
    suffix, names = path.suffix.lower(), None
    if suffix not in (".csv", ".npy", ".npz"):
        raise DataError(f"{path}: codes are read from .csv, .npy and .npz files")
    if suffix == ".csv":
        named = [cell for cell in csv_header(path) if cell.startswith("code_")]
        if named and len(named) != width:
            raise wrong_width(str(path), len(named), width, layer)
        names = _code_names(width) if named else None
    task = Task("reconstruction", width, width, None, (width,))
    return read(path, task, names, array="codes")


def wrong_width(what: str, received: int, width: int, layer: str) -> DataError:
    """Return the error for codes whose width is not that of the layer."""
    return DataError(
        f"{what}: received codes of {received} numbers, but layer {layer} has {width}; decode "
        "codes of the same run and layer"
    )

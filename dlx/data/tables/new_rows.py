"""Rows to predict from, in a new file: columns are matched by name with those of the training.

# N rows, I inputs, T targets
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlx.data.tables.cells import CellError, InputColumn, text_of
from dlx.data.tables.columns import Where, finite_numbers, is_numeric, plain, text_cells
from dlx.data.tables.encoder import Encoder
from dlx.data.tables.layout import Layout
from dlx.data.tables.reading import read_csv, read_parquet, surveyed
from dlx.errors import DataError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class NewRows:
    """Rows to predict from."""

    # (N, I) float64, encoded as the training rows were, before the preprocessing
    inputs: np.ndarray
    rows: np.ndarray  # (N,) their numbers in the file, as a spreadsheet counts them
    ids: np.ndarray | None  # (N,) texts of the id column; None: the file has none
    # (N, T) numbers, NaN where missing, or (N,) texts, '' where missing; None: not asked for
    targets: np.ndarray | None
    notes: tuple[str, ...]  # sentences for the user on how the file is read
    warnings: tuple[str, ...]  # sentences for the user


def read_rows(
    path: Path, encoder: Encoder, options: Mapping[str, Any] = {}, *, labelled: bool = False
) -> NewRows:
    """Read the columns that a network was trained on, and if they are `labelled` its targets.

    `options` say how a CSV file is written: separator, encoding and header; what they do not say is
    judged, and otherwise as in the training file.
    """
    frame = _frame(path, encoder, options)
    rows = frame.index.to_numpy()
    where: Where = lambda place: f"{path}, row {rows[place]}"
    warnings: list[str] = []
    values = []
    for column in encoder.columns:
        read, unknown = _read(path, frame, column, where)
        missing = np.isnan(read)
        if missing.any() and not encoder.imputes:
            raise DataError(
                f"{where(int(missing.argmax()))}, column {column.name!r}: the value is missing; "
                "complete it, or train with data.missing: impute"
            )
        warnings += column.warnings(read, unknown)
        values.append(read)
    named = encoder.id_name if encoder.id_name in frame.columns else None
    return NewRows(
        encoder.encode(values),
        rows,
        None if named is None else text_cells(frame[named]),
        _targets(path, frame, encoder, where) if labelled else None,
        frame.attrs["remarks"],
        tuple(warnings),
    )


def _frame(path: Path, encoder: Encoder, options: Mapping[str, Any]) -> pd.DataFrame:
    if path.suffix.lower() == ".parquet":
        return read_parquet(path)
    wanted = [column.name for column in encoder.columns]
    layout = replace(Layout(**encoder.layout), **options)
    found = surveyed(path, layout, wanted, is_new=not options)
    forms = {column.name: column.form for column in (*encoder.columns, *encoder.targets)}
    texts = [n for n, form in forms.items() if form.kind != "number" or not form.is_plain]
    if encoder.id_name is not None:
        texts.append(encoder.id_name)
    ignore = [name for name in found.header if name not in (*forms, encoder.id_name)]
    missing = lambda name: forms[name].missing
    return read_csv(path, found, ignore=ignore, text=texts, missing=missing)


def _read(
    path: Path, frame: pd.DataFrame, column: InputColumn, where: Where
) -> tuple[np.ndarray, Sequence[str]]:
    """Return what `InputColumn.read` does of a column's cells, and its unknown categories."""
    import pandas as pd

    name, series = column.name, _series(path, frame, column.name)
    if column.form.kind == "number" and column.form.is_plain and is_numeric(series):
        return finite_numbers(series, column.form, where), ()
    codes, cells = pd.factorize(series)
    texts = [text_of(cell) for cell in cells]
    try:
        values = column.read(texts)
    except CellError as error:
        place = int(np.flatnonzero(codes == texts.index(error.text))[0])
        raise DataError(f"{where(place)}, column {name!r}: {error}; correct it") from error
    unknown = [texts[place].strip() for place in np.flatnonzero(values == -1)]
    return np.append(values, np.nan)[codes], unknown


def _series(path: Path, frame: pd.DataFrame, name: str) -> pd.Series:
    if name not in frame.columns:
        header = frame.attrs["header"]
        raise DataError(
            f"{path}: no column {name!r}, which the network was trained on (it has: "
            f"{', '.join(header[:8])}{', …' if len(header) > 8 else ''})"
            f"{did_you_mean(name, header) or '; add it'}"
        )
    return frame[name]


def _targets(path: Path, frame: pd.DataFrame, encoder: Encoder, where: Where) -> np.ndarray:
    if not encoder.targets:
        raise DataError(f"{path}: the run does not say how its targets are read; train it again")
    first = encoder.targets[0]
    if len(encoder.targets) == 1 and first.form.kind == "category":
        cells = plain(_series(path, frame, first.name))
        return np.array(first.form.categories(map(text_of, cells)), dtype=object)
    return np.stack([_target(path, frame, column, where) for column in encoder.targets], 1)


def _target(path: Path, frame: pd.DataFrame, column: InputColumn, where: Where) -> np.ndarray:
    """Return one of several targets (N,): a number, or the place of a label's word."""
    values, _ = _read(path, frame, column, where)
    if (values == -1).any() and column.form.kind == "category":
        place = int((values == -1).argmax())
        raise DataError(
            f"{where(place)}, column {column.name!r}: {frame[column.name].iloc[place]!r} is "
            f"neither of the words in the training rows, {' and '.join(column.categories)}; "
            "correct it, or leave the row out"
        )
    return values

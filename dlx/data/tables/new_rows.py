"""Rows to predict from, in a new file: columns are matched by name with those of the training.

# N rows, C columns, I inputs
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dlx.data.dataset import Column
from dlx.data.tables.cells import read_cells, text_cells
from dlx.data.tables.encoder import Encoder
from dlx.data.tables.reading import Layout, read_csv, read_parquet
from dlx.errors import DataError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class NewRows:
    """Rows to predict from."""

    # (N, I) float32, encoded as the training rows were, before the preprocessing
    inputs: np.ndarray
    rows: np.ndarray  # (N,) their numbers in the file, as a spreadsheet counts them
    ids: np.ndarray | None  # (N,) texts of the id column; None: the file has none
    warnings: tuple[str, ...]  # sentences for the user


def read_rows(path: Path, encoder: Encoder, layout: Layout, id_name: str | None) -> NewRows:
    """Read the columns that a network was trained on; `layout` is that of a CSV file."""
    texts = [column.name for column in encoder.columns if column.categories is not None]
    if path.suffix.lower() == ".parquet":
        frame = read_parquet(path)
    else:
        wanted = [column.name for column in encoder.columns]
        named = [*texts, *([id_name] if id_name else [])]
        frame = read_csv(path, layout, text=named, wanted=wanted)
    values, columns = _values(path, frame, encoder)
    return NewRows(
        encoder(values, columns),
        frame.index.to_numpy(),
        text_cells(frame[id_name]) if id_name in frame.columns else None,
        tuple(encoder.unseen(values, columns)),
    )


def read_targets(path: Path, names: Sequence[str], layout: Layout, *, as_text: bool) -> np.ndarray:
    """Return target columns, (N, T) numbers, NaN where missing, or (N,) texts, '' where missing.

    `as_text`: the cells of the one column are texts, even where they look like numbers.
    """
    if path.suffix.lower() == ".parquet":
        frame = read_parquet(path)
    else:
        frame = read_csv(path, layout, text=names if as_text else (), wanted=names)
    for name in names:
        if name not in frame.columns:
            near = did_you_mean(name, frame.columns)
            raise DataError(f"{path}: no column {name!r}{near}, which the network predicts")
    where = lambda place: f"{path}, row {frame.index[place]}"
    cells = [read_cells(frame[name], where, is_text=as_text or None) for name in names]
    texts = next((column for column in cells if column.categories is not None), None)
    if texts is None:
        return np.stack([column.values for column in cells], 1)
    if len(names) > 1:
        raise DataError(f"{path}: several targets have to be numbers, but one holds texts")
    known = np.array([*(texts.categories or ()), ""], dtype=object)
    return known[np.where(np.isnan(texts.values), -1, texts.values).astype(np.int64)]


def _values(
    path: Path, frame: pd.DataFrame, encoder: Encoder
) -> tuple[np.ndarray, tuple[Column, ...]]:
    """Return the cells (N, C) of the encoder's columns, and what their codes stand for."""
    rows = frame.index.to_numpy()

    def where(place: int) -> str:
        return f"{path}, row {rows[place]}"

    values = np.empty((len(frame), len(encoder.columns)), np.float32)
    columns = []
    for place, column in enumerate(encoder.columns):
        if column.name not in frame.columns:
            raise DataError(
                f"{path}: no column {column.name!r}{did_you_mean(column.name, frame.columns)}, "
                "which the network was trained on"
            )
        cells = read_cells(frame[column.name], where, is_text=column.categories is not None)
        missing = np.isnan(cells.values)
        if missing.any() and not encoder.imputes:
            raise DataError(
                f"{where(int(missing.argmax()))}, column {column.name!r}: the value is missing; "
                "complete it, or train with data.missing: impute"
            )
        values[:, place] = cells.values
        columns.append(Column(column.name, cells.categories))
    return values, tuple(columns)

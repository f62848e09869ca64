"""The encoding of a table's columns as inputs of a network, fitted on training rows alone.

# N rows, C columns, I inputs
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dlx.arithmetic import total
from dlx.data.dataset import Column, Table
from dlx.data.preprocessing import Preprocessing
from dlx.data.tables import cells
from dlx.data.tables.cells import InputColumn
from dlx.errors import DataError, RunError
from dlx.runs.documents import NUMBER, misfit
from dlx.runs.files import parsed

MOST_CATEGORIES = 1000
_FORM = {
    "kind": {"number", "category", "date"},
    **{key: [str] for key in ("missing", "strip", "dates")},
    **dict.fromkeys(("decimal", "thousands"), str),
    **dict.fromkeys(("parentheses", "fractions", "is_numeric"), bool),
    "units": {str: NUMBER},
}
_COLUMN = {
    "name": str,
    "form": _FORM,
    "categories": [str],
    "fill": [NUMBER],
    **dict.fromkeys(("indicator", "has_times"), bool),
}
_SHAPE = {  # of table.json
    "columns": [_COLUMN],
    "targets": [_COLUMN],
    "imputes": bool,
    "id_name": str | None,
    "layout": {"separator?": str, "encoding?": str, "header?": bool},
}
_DAY = 86_400.0  # seconds
_MOST_ROWS = 10_000  # that are looked at for numbers that become one
_MERGED = 0.9  # share of different numbers that stay different, below which it is said


class Encoder(cells.Encoder):
    """From numbers, seconds and codes of a table's columns to its inputs."""

    def __call__(
        self, values: np.ndarray, columns: Sequence[Column], *, filled: bool = True
    ) -> np.ndarray:
        """Return the inputs (N, I) float64 of numbers, seconds and codes (N, C), NaN where missing.

        For a category that no training row has, all inputs of the column are 0. `columns` says what
        the values stand for; their names are those the encoder was fitted on. With `filled` a
        missing number is the mean of the training rows, otherwise NaN.
        """
        return self.encode(self._read(values, columns), filled=filled)

    def unseen(self, values: np.ndarray, columns: Sequence[Column]) -> list[str]:
        """Return a sentence for each column that no training row prepared the network for.

        It holds categories that no training row has, or lacks a value as none does.
        """
        sentences: list[str] = []
        read = self._read(values, columns)
        for place, (column, own) in enumerate(zip(self.columns, read, strict=True)):
            unknown = values[own == -1, place] if column.form.kind == "category" else []
            names = columns[place].categories or ()
            sentences += column.warnings(own, [names[int(code)] for code in np.unique(unknown)])
        return sentences

    def _read(self, values: np.ndarray, columns: Sequence[Column]) -> list[np.ndarray]:
        """Return the values (N,) of each column, with the places of its own categories as codes."""
        pairs = zip(self.columns, columns, values.T, strict=True)
        return [_own_codes(column, source, own) for column, source, own in pairs]

    @classmethod
    def from_json(cls, content: bytes, path: Path) -> Encoder:
        """Return the encoder that a file's content holds; RunError names the path if damaged."""
        try:
            document = parsed(content)
            if "missing_values" not in document and (problem := misfit(document, _SHAPE, "")):
                raise ValueError(problem)
            return cls.of_json(content)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunError(f"{path}: damaged ({error}); train the run again") from error


def fit(train: np.ndarray, table: Table, *, source: str) -> Encoder:
    """Fit an encoder on the training rows alone: (N, C) as `Encoder` takes them."""
    columns = [_fit(train[:, place], column, source) for place, column in enumerate(table.columns)]
    targets = [InputColumn(c.name, _form(c), c.categories or ()) for c in table.target_columns]
    return Encoder(tuple(columns), table.imputes, table.id_name, tuple(targets), table.layout)


def _fit(values: np.ndarray, column: Column, source: str) -> InputColumn:
    missing = np.isnan(values)
    present = values[~missing]
    if len(present) == 0:
        raise DataError(
            f"{source}: column {column.name!r} has no value in any training row; list it under "
            "data.ignore"
        )
    fitted = InputColumn(column.name, _form(column), indicator=bool(missing.any()))
    if column.categories is None:
        if fitted.form.kind == "date":
            fitted = replace(fitted, has_times=bool((present % _DAY).any()))
        values = fitted.inputs(present)[:, : len(fitted.parts)]
        means = total(values) / len(values)
        return replace(fitted, fill=tuple(means.tolist()))
    codes = np.unique(present).astype(np.int64)
    if len(codes) > MOST_CATEGORIES:
        raise DataError(
            f"{source}: column {column.name!r} has {len(codes):,} different texts in the training "
            f"rows, more than the {MOST_CATEGORIES:,} that become inputs; list it under "
            "data.ignore, or name it as data.id"
        )
    return replace(fitted, categories=tuple(column.categories[code] for code in codes))


def _form(column: Column) -> cells.Format:
    return column.form if column.categories is None else replace(column.form, kind="category")


def merged_numbers(encoder: Encoder, train: np.ndarray, change: Preprocessing) -> list[str]:
    """Return a sentence for each column of numbers of which many are one to the network.

    `train` are training rows (N, C) as `Encoder` takes them, `change` what is done to the inputs,
    which then have 32 bits.
    """
    sentences = []
    step = max(len(train) // _MOST_ROWS, 1)
    for place, (column, where) in enumerate(
        zip(encoder.columns, encoder.places.values(), strict=True)
    ):
        if column.form.kind != "number":
            continue
        own = train[::step, place]
        own = np.unique(own[~np.isnan(own)])
        inputs = own
        if change.shift is not None and change.scale is not None:
            inputs = (own - change.shift[where.start].item()) / change.scale[where.start].item()
        count = len(np.unique(inputs.astype(np.float32)))
        if count < _MERGED * len(own):
            sentences.append(
                f"column {column.name!r}: {len(own):,} different numbers become {count:,} in 32 "
                "bits; write data.standardize: true, or leave out the digits that all of them share"
            )
    return sentences


def _own_codes(column: InputColumn, source: Column, values: np.ndarray) -> np.ndarray:
    """Return the places of a column's own categories for codes of another file's, else -1."""
    if column.form.kind != "category":
        return values
    places = {name: float(place) for place, name in enumerate(column.categories)}
    own = np.array([*(places.get(name, -1.0) for name in source.categories or ()), np.nan])
    return own[np.where(np.isnan(values), len(own) - 1, values).astype(np.int64)]

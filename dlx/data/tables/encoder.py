"""The encoding of a table's columns as inputs of a network, fitted on training rows alone.

# N rows, C columns, I inputs
"""

import itertools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dlx.data.dataset import Column, Table
from dlx.data.tables.reading import MISSING
from dlx.errors import DataError, RunError

MOST_CATEGORIES = 1000


@dataclass(frozen=True)
class EncodedColumn:
    """How one column is encoded."""

    name: str
    # each has an input of 0 and 1; None: the column holds numbers
    categories: tuple[str, ...] | None
    mean: float  # of the training rows; it takes the place of missing numbers
    indicator: bool  # whether one more input is 1 where the value is missing

    @property
    def features(self) -> list[str]:
        """The names of its inputs."""
        if self.categories is None:
            names = [self.name]
        else:
            names = [f"{self.name}={category}" for category in self.categories]
        return [*names, f"{self.name} is missing"] if self.indicator else names


@dataclass(frozen=True)
class Encoder:
    """One-hot categories, means in place of missing numbers, and indicators of missing values."""

    columns: tuple[EncodedColumn, ...]  # in the order of their inputs
    imputes: bool  # whether missing values are filled in; otherwise they are errors
    missing_values: tuple[str, ...] = MISSING  # texts that stand for a missing value

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the I inputs."""
        return tuple(name for column in self.columns for name in column.features)

    @property
    def places(self) -> dict[str, slice]:
        """The place of each column's inputs among the I, by the column's name."""
        stops = itertools.accumulate(len(column.features) for column in self.columns)
        pairs = itertools.pairwise((0, *stops))
        return {c.name: slice(*pair) for c, pair in zip(self.columns, pairs, strict=True)}

    @property
    def fill(self) -> np.ndarray:
        """What takes the place of a missing number in each of the I inputs: (I,) float64."""
        fill = np.zeros(len(self.features))
        for column in self.columns:
            if column.categories is None:
                fill[self.places[column.name].start] = column.mean
        return fill

    def __call__(
        self, values: np.ndarray, columns: tuple[Column, ...], *, filled: bool = True
    ) -> np.ndarray:
        """Return the inputs (N, I) float64 of numbers and codes (N, C), NaN where missing.

        For a category that no training row has, all inputs of the column are 0. `columns` says what
        the values stand for; their names are those the encoder was fitted on. With `filled` a
        missing number is the mean of the training rows, otherwise NaN.
        """
        encoded = np.zeros((len(values), len(self.features)))
        slices = self.places
        for place, column in enumerate(self.columns):
            cells, where = values[:, place], slices[column.name]
            missing = np.isnan(cells)
            if column.categories is None:
                encoded[:, where.start] = np.where(missing & filled, column.mean, cells)
            else:
                inputs = _inputs_of_codes(column, columns[place])
                rows = np.flatnonzero(~missing)
                inputs = inputs[cells[rows].astype(np.int64)]
                seen = inputs >= 0
                encoded[rows[seen], where.start + inputs[seen]] = 1
            if column.indicator:
                encoded[missing, where.stop - 1] = 1
        return encoded

    def unseen(self, values: np.ndarray, columns: tuple[Column, ...]) -> list[str]:
        """Return a sentence for each column that holds categories no training row has."""
        sentences = []
        for place, column in enumerate(self.columns):
            if column.categories is None:
                continue
            cells = values[:, place]
            codes = cells[~np.isnan(cells)].astype(np.int64)
            unknown = codes[_inputs_of_codes(column, columns[place])[codes] < 0]
            if len(unknown):
                names = columns[place].categories or ()
                shown = ", ".join(repr(names[code]) for code in np.unique(unknown)[:3])
                sentences.append(
                    f"{len(unknown)} of {len(values)} rows have a {column.name!r} that no training "
                    f"row has ({shown}); all inputs of this column are 0 for them"
                )
        return sentences

    def document(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    def to_json(self) -> bytes:
        """Return the content of the file that `read` reads."""
        return content_of(self.document())

    @classmethod
    def from_json(cls, content: bytes, path: Path) -> "Encoder":
        """Return the encoder that a file's content holds; RunError names the path if damaged."""
        try:
            document = json.loads(content)
            for column in document["columns"]:
                if column["categories"] is not None:
                    column["categories"] = tuple(column["categories"])
            columns = tuple(EncodedColumn(**column) for column in document["columns"])
            return cls(columns, document["imputes"], tuple(document["missing_values"]))
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(f"{path}: damaged ({error}); train the run again") from error


def content_of(document: Mapping[str, Any]) -> bytes:
    """Return the content of the file of an encoder, given its `document`."""
    return json.dumps(document, indent=1, ensure_ascii=False).encode()


def fit(train: np.ndarray, table: Table, *, source: str) -> Encoder:
    """Fit an encoder on the training rows alone: (N, C) numbers and codes, NaN where missing."""
    columns = [_fit(train[:, place], column, source) for place, column in enumerate(table.columns)]
    return Encoder(tuple(columns), table.imputes, (*MISSING, *table.missing_values))


def _fit(cells: np.ndarray, column: Column, source: str) -> EncodedColumn:
    missing = np.isnan(cells)
    present = cells[~missing]
    if len(present) == 0:
        raise DataError(
            f"{source}: column {column.name!r} has no value in any training row; list it under "
            "data.ignore"
        )
    indicator = bool(missing.any())
    if column.categories is None:
        return EncodedColumn(column.name, None, float(present.mean(dtype=np.float64)), indicator)
    codes = np.unique(present).astype(np.int64)
    if len(codes) > MOST_CATEGORIES:
        raise DataError(
            f"{source}: column {column.name!r} has {len(codes):,} different texts in the training "
            f"rows, more than the {MOST_CATEGORIES:,} that become inputs; list it under "
            "data.ignore, or name it as data.id"
        )
    return EncodedColumn(
        column.name, tuple(column.categories[code] for code in codes), 0.0, indicator
    )


def _inputs_of_codes(column: EncodedColumn, source: Column) -> np.ndarray:
    """Return which of the column's inputs each code of the source stands for; -1: none of them."""
    places = {category: place for place, category in enumerate(column.categories or ())}
    inputs = [places.get(category, -1) for category in source.categories or ()]
    return np.array(inputs, dtype=np.int64)

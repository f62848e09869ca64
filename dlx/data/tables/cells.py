"""The cells of a column as numbers or as codes of categories; errors name the cell.

# N rows
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dlx.data.dataset import Column
from dlx.data.tables.reading import text_of
from dlx.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

LARGEST = float(np.finfo(np.float32).max)

Where = Callable[[int], str]  # from a row's place among the N to "sales.csv, row 17"


@dataclass(frozen=True)
class Cells:
    """The cells of a column."""

    values: np.ndarray  # (N,) float64, numbers or codes; NaN where missing
    # what the codes stand for, numbers in their order, then texts by alphabet; None: the values are
    # numbers
    categories: tuple[str, ...] | None


def read_cells(series: pd.Series, where: Where, *, is_text: bool | None = None) -> Cells:
    """Return the cells of a column that pandas read.

    `is_text` True: they are categories, even if they look like numbers; False: they are numbers;
    None: whichever the column holds.
    """
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(series):
        raise DataError(
            f"column {series.name!r} holds dates, which are no inputs; name it as data.time, list "
            "it under data.ignore, or write the numbers that matter (such as the month)"
        )
    is_bool = pd.api.types.is_bool_dtype(series)
    if is_text or (is_bool and is_text is None):
        return _categories(series)
    if pd.api.types.is_numeric_dtype(series):
        return _numbers(series, series.to_numpy(np.float64, na_value=np.nan), where)
    codes, texts = pd.factorize(series)
    texts = [text_of(text) for text in texts]
    numbers = pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce").to_numpy(np.float64)
    # A cell "nan" was read as missing, so that NaN here is a text that is not a number.
    is_number = ~np.isnan(numbers)
    if is_text is None and not is_number.any() and len(texts):
        if has_commas(texts):
            raise DataError(
                f"column {series.name!r} holds texts such as {texts[0]!r}; write numbers with a "
                f"decimal point and nothing between thousands, or list {series.name!r} under "
                "data.categorical if its values are categories"
            )
        return _categories(series)
    blank = np.array([not text for text in texts], dtype=bool)
    wrong = np.flatnonzero(np.isin(codes, np.flatnonzero(~is_number & ~blank)))
    if len(wrong):
        text = texts[codes[wrong[0]]]
        cure = (
            f"list {text!r} under data.missing_values if it means that, or {series.name!r} under "
            "data.categorical if its values are categories"
        )
        raise DataError(
            f"{where(wrong[0])}, column {series.name!r}: {text!r} is not a number; correct it"
            + (f", {cure}" if is_text is None else "")
        )
    values = np.append(numbers, np.nan)[codes]  # the code -1, missing, takes the last value
    return _numbers(series, values, where)


def has_commas(texts: Sequence[str]) -> bool:
    """Return whether all texts are numbers with decimal commas or commas between thousands."""
    return all(re.fullmatch(r"[-+]?[0-9][0-9.]*(,[0-9]+)+(\.[0-9]+)?", text) for text in texts)


def text_cells(series: pd.Series) -> np.ndarray:
    """Return the cells of an id column as texts, '' where missing: (N,)."""
    if series.dtype.kind == "f" and (series.dropna() % 1 == 0).all():
        series = series.astype("Int64")  # one missing value had made floats of whole numbers
    return series.map(text_of, na_action="ignore").fillna("").astype(str).to_numpy(object)


def shown(values: np.ndarray, column: Column) -> np.ndarray:
    """Return the cells that numbers and codes stand for, '' where missing: (N,)."""
    missing = np.isnan(values)
    if column.categories is None:
        return np.where(missing, "", values.astype(object)) if missing.any() else values
    names = np.array([*column.categories, ""], dtype=object)
    return names[np.where(missing, len(names) - 1, values).astype(np.int64)]


def read_times(series: pd.Series, where: Where) -> np.ndarray:
    """Return numbers that order rows in time, by numbers or ISO 8601 dates: (N,) float64 or NaN."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(series):
        return series.to_numpy(np.float64, na_value=np.nan)
    times = pd.to_datetime(series, format="ISO8601", utc=True, errors="coerce")
    wrong = np.flatnonzero((times.isna() & series.notna()).to_numpy())
    if len(wrong):
        raise DataError(
            f"{where(wrong[0])}, column {series.name!r}: {series.iloc[wrong[0]]!r} is neither a "
            "number nor a date such as 2024-01-31 or 2024-01-31 13:45"
        )
    return times.rank(method="dense").to_numpy(np.float64)


def _numbers(series: pd.Series, values: np.ndarray, where: Where) -> Cells:
    wrong = np.flatnonzero(np.abs(values) > LARGEST)  # False for NaN, a missing value
    if len(wrong):
        raise DataError(
            f"{where(wrong[0])}, column {series.name!r}: {values[wrong[0]]} is not a finite number "
            "(of 32 bits); correct it or drop the row"
        )
    return Cells(values, None)


def _categories(series: pd.Series) -> Cells:
    import pandas as pd

    codes, texts = pd.factorize(series)
    trimmed = [text_of(text) for text in texts]
    names = sorted({text for text in trimmed if text}, key=_by_number_or_name)
    places = {name: float(place) for place, name in enumerate(names)}
    values = np.array([*(places.get(text, np.nan) for text in trimmed), np.nan])
    return Cells(values[codes], tuple(names))


def _by_number_or_name(text: str) -> tuple[int, float, str]:
    try:
        return 0, float(text), text
    except ValueError:
        return 1, 0.0, text

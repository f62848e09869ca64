"""Cells as numbers, codes, ids and times; what is neither is named."""

import numpy as np
import pandas as pd
import pytest

from dlx.data.dataset import Column
from dlx.data.tables.cells import read_cells, read_times, shown, text_cells
from dlx.errors import DataError


def where(place: int) -> str:
    return f"table.csv, row {place + 2}"


def column(*cells: object) -> pd.Series:
    return pd.Series(list(cells), name="width")


def test_numbers():
    cells = read_cells(column(1, 2.5, None), where)
    np.testing.assert_array_equal(cells.values, [1, 2.5, np.nan])
    assert cells.categories is None


def test_texts_are_categories_in_order():
    cells = read_cells(column("red", " blue", None, "red ", ""), where)
    np.testing.assert_array_equal(cells.values, [1, 0, np.nan, 1, np.nan])
    assert cells.categories == ("blue", "red")


def test_categories_that_look_like_numbers_are_in_the_order_of_numbers():
    cells = read_cells(column("10", "9", "x"), where, is_text=True)
    assert cells.categories == ("9", "10", "x")


def test_truth_values_are_categories_however_they_are_spelt():
    assert read_cells(column(True, False), where).categories == ("False", "True")
    assert read_cells(column("true", "FALSE", None), where).categories == ("False", "True")


def test_a_text_among_numbers_is_named():
    message = (
        r"table.csv, row 4, column 'width': '12cm' is not a number; correct it, list '12cm' under "
        r"data.missing_values if it means that, or 'width' under data.categorical"
    )
    with pytest.raises(DataError, match=message):
        read_cells(column("1", "2", "12cm", "3"), where)
    with pytest.raises(DataError, match=r"row 2, column 'width': 'a' is not a number; correct it$"):
        read_cells(column("a", "b"), where, is_text=False)


@pytest.mark.parametrize("texts", [("1,5", "-2,25"), ("1,234", "+1,234,567.5"), ("1.234,5", "7,0")])
def test_numbers_with_commas_are_no_categories(texts):
    message = (
        "column 'width' holds texts such as '.*'; write numbers with a decimal point .* or list"
    )
    with pytest.raises(DataError, match=message):
        read_cells(column(*texts), where)
    assert read_cells(column(*texts), where, is_text=True).categories is not None
    assert read_cells(column(*texts, "Seoul, Busan"), where).categories is not None


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e39])
def test_numbers_that_are_not_finite_are_named(value):
    with pytest.raises(DataError, match=r"row 3, column 'width': .* is not a finite number"):
        read_cells(column(1.0, value), where)


def test_dates_are_no_inputs():
    dates = pd.Series(pd.to_datetime(["2024-01-31"]), name="sold")
    with pytest.raises(DataError, match="column 'sold' holds dates, which are no inputs"):
        read_cells(dates, where)


def test_ids_that_are_numbers_stay_whole():
    assert text_cells(column(1.0, None, 30.0)).tolist() == ["1", "", "30"]
    assert text_cells(column("007", " b", None)).tolist() == ["007", "b", ""]


def test_cells_are_shown_as_they_stood():
    numbers = shown(np.array([1.5, np.nan]), Column("width"))
    assert numbers.tolist() == [1.5, ""]
    texts = shown(np.array([1, np.nan, 0]), Column("colour", ("blue", "red")))
    assert texts.tolist() == ["red", "", "blue"]


def test_times():
    dates = read_times(column("2024-01-31", "2023-12-01 13:45", "2024-01-31", None), where)
    np.testing.assert_array_equal(dates, [2, 1, 2, np.nan])
    np.testing.assert_array_equal(read_times(column(3, 1), where), [3, 1])
    message = "row 3, column 'width': 'soon' is neither a number nor a date such as 2024-01-31"
    with pytest.raises(DataError, match=message):
        read_times(column("2024-01-31", "soon"), where)

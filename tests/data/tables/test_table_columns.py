"""Cells as numbers, codes, ids and times; what is neither is named."""

import re

import numpy as np
import pandas as pd
import pytest

from dlx.config.dump import inline
from dlx.data.dataset import Column
from dlx.data.sources.tables import Number
from dlx.data.tables.cells import Format, date_of, seconds_of
from dlx.data.tables.columns import Rules, read_cells, read_times, shown, text_cells
from dlx.data.tables.hints import odd_dates
from dlx.data.tables.recognition import (
    date_looks,
    dated_numbers,
    number_look,
    several_dates,
    several_units,
)
from dlx.errors import DataError


def where(place: int) -> str:
    return f"table.csv, row {place + 2}"


def column(*cells: object) -> pd.Series:
    return pd.Series(list(cells), name="width")


def test_numbers():
    cells = read_cells(column(1, 2.5, None), where)
    np.testing.assert_array_equal(cells.values, [1, 2.5, np.nan])
    assert cells.column.categories is None


def test_texts_are_categories_in_order():
    cells = read_cells(column("red", " blue", None, "red ", ""), where)
    np.testing.assert_array_equal(cells.values, [1, 0, np.nan, 1, np.nan])
    assert cells.column.categories == ("blue", "red")


def test_categories_that_look_like_numbers_are_in_the_order_of_numbers():
    cells = read_cells(column("10", "9", "x"), where, kind="category")
    assert cells.column.categories == ("9", "10", "x")


def test_truth_values_are_categories_however_they_are_spelt():
    assert read_cells(column(True, False), where).column.categories == ("False", "True")
    assert read_cells(column("true", "FALSE", None), where).column.categories == ("False", "True")


def test_a_text_among_numbers_is_named():
    message = (
        r"table.csv, row 4, column 'width': 'wide' is not a number; correct it, write "
        r"data.missing_values: \{width: \[wide\]\} if it means that, or list 'width' under data.cat"
    )
    with pytest.raises(DataError, match=message):
        read_cells(column("1", "2", "wide", "3"), where)
    with pytest.raises(DataError, match=r"row 2, column 'width': 'a' is not a number; correct it"):
        read_cells(column("a", "b"), where, kind="number")


@pytest.mark.parametrize(
    ("texts", "options"),
    [
        (("1,5", "-2,25"), {"decimal": ","}),
        (("1,234,000", "12", "+1,234,567.5"), {"thousands": ","}),
        (("1,00,000", "12"), {"thousands": ","}),
        (("1.234,5", "7,0", "1.000.000,1"), {"decimal": ",", "thousands": "."}),
        (("1 234,5", "7,0"), {"decimal": ",", "thousands": " "}),
        (("1\u202f234", "7\u00a0000"), {"thousands": " "}),
        (("1'234.5", "7.0"), {"thousands": "'"}),
        (("$7.50", "$1,000.00"), {"thousands": ",", "strip": ["$"]}),
        (("US$ 7", "US$ 8.5"), {"strip": ["US$"]}),
        (("4,000원", "1,000,000원"), {"thousands": ",", "strip": ["원"]}),
        (("12 cm", "7.5cm"), {"strip": ["cm"]}),
        (("120 m2", "7 m2"), {"strip": ["m2"]}),
        (("60 km/h", "7.5 km/h"), {"strip": ["km/h"]}),
        (("45%", "7 %", "0"), {"strip": ["%"]}),
        (("1,000,000+", "5+", "0"), {"thousands": ",", "strip": ["+"]}),
        (("(120)", "30", "-5"), {"parentheses": True}),
        (("($1,200.50)", "$30"), {"thousands": ",", "strip": ["$"], "parentheses": True}),
        (("5 kg", "300 g", "2 kg", "7 g"), {"units": {"g": 1, "kg": 1000}}),
        (("19M", "2.5M", "201k", "5", "3k", "1"), {"units": {"": 1, "M": 10**6, "k": 1000}}),
        (("90 min", "1,5 h", "3 h", "7 min"), {"decimal": ",", "units": {"h": 3600, "min": 60}}),
        (("7/10", "10/10", "0/10"), {"fractions": True}),
        (("45/60", "10/20"), {"fractions": True}),
    ],
)
def test_numbers_that_python_does_not_read_are_refused_with_what_reads_them(texts, options):
    cure = f"write data.numbers: {inline({'width': options})} to read them, or list 'width' under"
    with pytest.raises(DataError, match=re.escape(cure)):
        read_cells(column(*texts), where)
    rules = Rules(numbers={"width": Number(**options).form()})
    assert np.isfinite(read_cells(column(*texts), where, rules, "number").values).all()
    assert read_cells(column(*texts), where, kind="category").column.categories is not None


def test_a_comma_that_may_mean_either_is_asked_about():
    with pytest.raises(
        DataError, match=r"comma before decimals \(data.number: {decimal: ','}\) or"
    ):
        read_cells(column("1,234", "5,678"), where)


@pytest.mark.parametrize(
    "texts",
    [
        ("Seoul, Busan", "1,5"),
        ("B1", "B2", "B3"),
        ("<1", "<2"),
        ("Type 1", "Type 2"),
        ("1-2", "3-4"),
        ("19M", "201k"),
        ("1st", "2nd"),
        ("0", "1", "2", "3+"),
        ("1", "2"),
    ],
)
def test_what_only_looks_like_numbers_with_signs_is_none(texts):
    assert number_look(texts) is None


def test_signs_and_units_are_read():
    form = Format(decimal=",", thousands=".", strip=("€", "kg"), parentheses=True)
    texts = ["1.234,5 €", "€ -3", "(7,25 kg)", "-1.000", "\u22125", ""]
    np.testing.assert_array_equal(form.values(texts), [1234.5, -3, -7.25, -1000, -5, np.nan])
    for wrong in ("1.5", "1.23", "12.34.567", "1,2,3", "€", "kg", "1e", "1_000", "inf", "nan"):
        assert form.number(wrong) is None, wrong


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e39])
def test_numbers_that_are_not_finite_are_named(value):
    with pytest.raises(DataError, match=r"row 3, column 'width': .* is not a finite number"):
        read_cells(column(1.0, value), where)


def test_dates_are_no_inputs_unless_an_option_says_so():
    dates = pd.Series(pd.to_datetime(["2024-01-31"]), name="sold")
    message = r"column 'sold' holds dates such as '2024-01-31'; name it as data.time, .* data.dates"
    with pytest.raises(DataError, match=message):
        read_cells(dates, where)
    assert read_cells(dates, where, kind="date").values.tolist() == [1706659200]


def test_ids_that_are_numbers_stay_whole():
    assert text_cells(column(1.0, None, 30.0)).tolist() == ["1", "", "30"]
    assert text_cells(column("007", " b", None)).tolist() == ["007", "b", ""]


def test_cells_are_shown_as_they_stood():
    numbers = shown(np.array([1.5, np.nan]), Column("width"))
    assert numbers.tolist() == [1.5, ""]
    texts = shown(np.array([1, np.nan, 0]), Column("colour", ("blue", "red")))
    assert texts.tolist() == ["red", "", "blue"]


def test_equal_numbers_are_one_category_but_codes_keep_their_zeros():
    numbers = read_cells(column("1", "1.0", "2e0", " 2", "-0.0", None), where, kind="category")
    assert numbers.column.categories == ("0", "1", "2") and numbers.column.form.is_numeric
    codes = read_cells(column("01", "1", "1.0"), where, kind="category")
    assert set(codes.column.categories or ()) == {"01", "1", "1.0"}
    large = read_cells(column("9007199254740993", "9007199254740992.0"), where, kind="category")
    assert set(large.column.categories or ()) == {"9007199254740992", "9007199254740993"}


def test_leading_zeros_make_a_code():
    codes = read_cells(column("01234", "1234", "00501"), where)
    assert set(codes.column.categories or ()) == {"00501", "01234", "1234"}
    assert "leading zeros such as '01234': they are categories" in codes.remarks[0]
    assert read_cells(column("01", "1"), where, kind="number").values.tolist() == [1, 1]


def test_a_text_that_may_be_a_value_is_one_and_is_said():
    cells = read_cells(column("None", "NA", "Belt", "None", ""), where)
    assert cells.column.categories == ("Belt", "NA", "None")
    assert cells.remarks[0] == (
        "column 'width': 2 cells hold 'None', which is a value; if it means missing, write "
        "data.missing_values: {width: [None]}"
    )
    settled = read_cells(column("None", "Belt"), where, Rules({"width": ["None"]}))
    assert settled.column.categories == ("Belt",) and settled.remarks == ()
    numbers = read_cells(column("None", "1", "NA", "2"), where)
    np.testing.assert_array_equal(numbers.values, [np.nan, 1, np.nan, 2])


def test_missing_numbers_are_equal_as_numbers():
    rules = Rules({"width": ["-200", "?"]})
    texts = read_cells(column("-200.0", "?", "-2e2", "3"), where, rules)
    np.testing.assert_array_equal(texts.values, [np.nan, np.nan, np.nan, 3])
    numbers = read_cells(column(-200.0, 3, -200), where, rules)
    np.testing.assert_array_equal(numbers.values, [np.nan, 3, np.nan])
    with pytest.raises(DataError, match="'NA' is not a number"):  # the list replaces the usual one
        read_cells(column("NA", "3"), where, rules)


DATES = {
    "%d/%m/%Y": ("31/01/2024", "1/2/2024"),
    "%m/%d/%Y": ("01/31/2024", "2/1/2024"),
    "%Y년 %m월 %d일": ("2024년 1월 31일", "2024년 02월 01일"),
    "%Y. %m. %d.": ("2024. 1. 31.", "2024. 02. 01."),
    "%d-%b-%y": ("31-Jan-24", "01-Feb-24"),
    "%b %d, %Y": ("January 31, 2024", "Feb 1, 2024"),
    "%d.%m.%Y %H:%M": ("31.01.2024 00:00", "01.02.2024 00:00"),
    "%Y-%m-%d %p %I:%M": ("2024-01-31 오전 12:00", "2024-02-01 오전 12:00"),
    "%Y-%m-%dT%H:%M:%S%z": ("2024-01-31T00:00:00Z", "2024-02-01T09:00:00+09:00"),
    "%Y%m%d": ("20240131", "20240201"),
}


@pytest.mark.parametrize("form", DATES)
def test_dates_are_recognized(form):
    assert date_looks(DATES[form]) == [(form,)]
    for rules in (Rules(dates={"width": (form,)}), Rules(dates={"width": ()})):
        values = read_cells(column(*DATES[form]), where, rules, "date").values
        assert values.tolist() == [1706659200, 1706745600]


def test_dates_that_cannot_be_told_apart_are_asked_about():
    message = r"data.dates: {width: '?%d/%m/%Y'?} or data.dates: {width: '?%m/%d/%Y'?}"
    with pytest.raises(DataError, match=message):
        read_times(column("01/02/2024", "03/04/2024"), where)
    with pytest.raises(DataError, match=r"holds dates such as '01/12/2017'; name it as data.time"):
        read_cells(column("01/12/2017", "13/12/2017"), where)


@pytest.mark.parametrize("text", ["0000-01-01", "2023-02-29", "2024-13-01", "soon"])
def test_dates_that_are_none_are_named(text):
    rules = Rules(dates={"width": ("%Y-%m-%d",)})
    with pytest.raises(DataError, match=rf"row 3, column 'width': '{text}' is not a date written"):
        read_times(column("2024-01-31", text), where, rules)


def test_times():
    dates = read_times(column("2024-01-31", "2023-12-01 13:45", "2024-01-31", None), where)
    np.testing.assert_array_equal(dates, [1706659200, 1701438300, 1706659200, np.nan])
    np.testing.assert_array_equal(read_times(column(3, 1), where), [3, 1])
    message = "column 'width' holds texts, such as '2024-01-31', which are not all dates that are"
    with pytest.raises(DataError, match=message):
        read_times(column("2024-01-31", "soon"), where)


def test_a_date_that_is_none_among_dates_is_named():
    days = [f"2024-01-{day:02}" for day in range(1, 21)]
    with pytest.raises(
        DataError, match=r"holds dates such as '2024-01-01', but '0000-00-00' is no"
    ):
        read_cells(column(*days, "0000-00-00"), where)
    assert read_cells(column("2024-01-01", "soon", "later"), where).column.categories is not None


def test_texts_that_hardly_repeat_are_said_to_be_an_input_each():
    texts = pd.Series([f"<{number}" for number in range(40)], name="x")
    assert "40 different texts in 40 rows" in read_cells(texts, str).remarks[0]
    assert read_cells(pd.Series([f"k{n % 10}" for n in range(40)], name="x"), str).remarks == ()


def test_categories_have_one_spelling_and_those_that_differ_by_capitals_are_said():
    texts = ("dark red", "dark\u00a0 red", "da\u200brk red", "caf\u00e9", "cafe\u0301", "Dark red")
    cells = read_cells(column(*texts), where)
    assert cells.column.categories == ("Dark red", "caf\u00e9", "dark red")
    assert "'Dark red' and 'dark red' are two categories" in cells.remarks[0]


def test_digits_of_other_scripts_are_numbers():
    cells = read_cells(column("１２", "－５", "\u20133", "\u22121.5", "٣", "１．５", "+7"), where)
    np.testing.assert_array_equal(cells.values, [12, -5, -3, -1.5, 3, 1.5, 7])


def test_numbers_with_units_of_different_kinds_are_said():
    cells = read_cells(column(*["2 kg", "500 lb", "3 kg", "100 lb"] * 3), where)
    assert "several units ('kg', 'lb')" in cells.remarks[0]
    assert several_units(["3 kg", "2 kg"]) == [] == several_units(["3 kg", "2", "1 lb"])


def test_units_and_fractions_are_converted_and_others_refused():
    rules = Rules(numbers={"width": Number(units={"g": 1, "kg": 1000}).form()})
    cells = read_cells(column("2 kg", "-30 g", "1.5kg", None), where, rules, "number")
    np.testing.assert_array_equal(cells.values, [2000, -30, 1500, np.nan])
    for text in ("2 lb", "7"):
        with pytest.raises(DataError, match=f"'{text}' is not a number"):
            read_cells(column("2 kg", text), where, rules, "number")
    parts = Format(fractions=True)
    assert [parts.number(text) for text in ("7/10", "0/3", "2", "1/0")] == [0.7, 0, 2, None]


@pytest.mark.parametrize("texts", [("5M", "7", "3M"), ("120/80", "130/90"), ("7/10", "3/4")])
def test_what_is_no_number_beyond_doubt_is_not_read_as_one(texts):
    assert number_look(texts) is None


def test_words_that_may_mean_missing_are_values_and_said_but_signs_are_not():
    assert (
        "2 cells hold '없음', which is a value"
        in read_cells(column("없음", "a", "없음", "b"), where).remarks[0]
    )
    assert read_cells(column("+", "-", "+"), where).remarks == ()


@pytest.mark.parametrize(
    ("text", "form", "date"),
    [
        ("1. März 2024", "%d. %b %Y", "2024-03-01"),
        ("1er août 2023", "%der %b %Y", "2023-08-01"),
        ("3rd May 2024", "%d %b %Y", "2024-05-03"),
        ("3 juin 2024", "%d %b %Y", "2024-06-03"),
        ("5 de marzo de 2024", "%d de %b de %Y", "2024-03-05"),
        ("2024-03-05 (화)", "%Y-%m-%d (%a)", "2024-03-05"),
        ("2024-W10", "%G-W%V", "2024-03-04"),
        ("2024-W10-3", "%G-W%V-%u", "2024-03-06"),
        ("2024Q3", "%YQ%q", "2024-07-01"),
        ("2024년 2분기", "%Y년 %q분기", "2024-04-01"),
        ("2024-W54", "%G-W%V", None),
        ("31.12.2024 24:30", "%d.%m.%Y %H:%M", None),
        ("2024-12-31 24:00", "%Y-%m-%d %H:%M", "2025-01-01"),
    ],
)
def test_dates_of_other_countries_and_periods(text, form, date):
    seconds = seconds_of(text, form)
    assert (None if seconds is None else date_of(seconds)) == date
    assert date is None or "er" in form or date_looks([text]) == [(form,)]


def test_dates_of_several_formats_and_numbers_as_dates_are_named():
    mixed = column("2024-01-31", "31/12/2024", "2024-02-01")
    with pytest.raises(DataError, match=r"dates: \{width: \['%Y-%m-%d', '%d/%m/%Y'\]\}"):
        read_cells(mixed, where)
    with pytest.raises(DataError, match="holds dates of several formats"):
        read_times(mixed, where)
    with pytest.raises(
        DataError, match=r"'-' is none; write data.missing_values: \{width: \['-'\]"
    ):
        read_times(column("2024-01-31", "-", "2024-02-01"), where)
    numbers = column(*[202300 + month for month in range(1, 13)])
    assert "{width: '%Y%m'}" in read_cells(numbers, where).remarks[0]
    days = np.arange(20240101.0, 20240129)
    assert dated_numbers(days) == "%Y%m%d" and dated_numbers(days + 70) is None
    assert several_dates(["2024-01-31", "31/12/2024", "soon"]) == ()
    assert date_looks(["10.0.197.215", "10.0.19.2"]) == [] == list(several_dates(["10.0.197.215"]))


def test_a_repeated_date_far_from_all_others_is_said():
    day = 86_400.0
    seconds = np.array([1.0, 2, 3, 9e5, 9e5]) * day
    assert "in 2 rows of 'sold'" in odd_dates(["sold"], [seconds])[0]
    assert odd_dates(["sold"], [seconds[:4]]) == []
    first = np.r_[np.arange(19000, 19100), -25567, -25567] * day
    assert odd_dates(["sold"], [first])[0].startswith("the date 1900-01-01 lies apart")

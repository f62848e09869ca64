"""Ordinary files of people: each is read as they mean it, or a sentence says what is odd."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dlx.data.tables.cells import date_of, is_plain_number, seconds_of, text_of
from dlx.data.tables.columns import read_cells, read_times
from dlx.data.tables.layout import AUTO
from dlx.data.tables.reading import read_csv, read_parquet, surveyed
from dlx.data.tables.recognition import dated_numbers, odd_end, several_dates, several_units
from dlx.data.tables.starter import starter
from dlx.errors import DataError


def where(place: int) -> str:
    return f"row {place}"


def read(path: Path) -> pd.DataFrame:
    return read_csv(path, surveyed(path, AUTO))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


def test_digits_and_signs_of_other_scripts_are_numbers() -> None:
    texts = ("１２", "−5", "－5", "１．５", "٣", "+7")
    assert all(map(is_plain_number, texts))
    cells = read_cells(pd.Series(texts, name="a"), where)
    assert cells.values.tolist() == [12, -5, -5, 1.5, 3, 7]


@pytest.mark.parametrize(
    ("text", "form", "day"),
    [
        ("5. März 2024", "%d. %b %Y", "2024-03-05"),
        ("1er août 2023", "%der %b %Y", "2023-08-01"),
        ("3rd May 2024", "%d %b %Y", "2024-05-03"),
        ("2024-W10", "%G-W%V", "2024-03-04"),
        ("2024-W10-3", "%G-W%V-%u", "2024-03-06"),
        ("2024Q3", "%YQ%q", "2024-07-01"),
        ("2024년 2분기", "%Y년 %q분기", "2024-04-01"),
        ("2024년 3월 5일 (화)", "%Y년 %m월 %d일 (%a)", "2024-03-05"),
        ("31.12.2024 24:00", "%d.%m.%Y %H:%M", "2025-01-01"),
    ],
)
def test_dates_of_many_lands(text: str, form: str, day: str) -> None:
    seconds = seconds_of(text, form)
    assert seconds is not None and str(date_of(seconds)).startswith(day)


def test_a_week_or_a_day_that_is_not_there_is_no_date() -> None:
    assert seconds_of("2024-W54", "%G-W%V") is None
    assert seconds_of("30.02.2024", "%d.%m.%Y") is None
    assert seconds_of("31.12.2024 24:30", "%d.%m.%Y %H:%M") is None


def test_dates_of_several_formats_are_asked_about() -> None:
    texts = ["2024-03-05", "05.03.2024", "2024-04-01"] * 5
    assert several_dates(texts) == ("%Y-%m-%d", "%d.%m.%Y")
    assert several_dates([*texts, "soon"]) == ()


def test_numbers_that_are_dates_are_told() -> None:
    days = [20240100 + day for day in range(1, 29)]
    assert dated_numbers(np.array(days, float)) == "%Y%m%d"
    assert dated_numbers(np.array([202400 + month for month in range(1, 13)], float)) == "%Y%m"
    assert dated_numbers(np.arange(20240190.0, 20240210)) is None
    cells = read_cells(pd.Series(days, name="d"), where)
    assert "seem to be dates" in cells.remarks[0] and "{d: '%Y%m%d'}" in cells.remarks[0]


def test_a_date_apart_from_all_others_is_told() -> None:
    day = 86400.0
    usual = np.arange(19000, 19100) * day
    assert odd_end(np.r_[usual, -25567 * day, -25567 * day]) == -25567 * day  # 1900-01-01
    assert odd_end(usual) is None


def test_several_units_are_no_numbers_to_compare() -> None:
    assert several_units(["3.5 kg", "3500 g", "2 kg", "1200 g"]) == ["g", "kg"]
    assert several_units(["3 kg", "2 kg"]) == [] == several_units(["3 kg", "2", "1 g"])


def test_categories_that_differ_in_blanks_are_one_and_in_capitals_two() -> None:
    words = ["Seoul", "Seoul ", "Se\u200boul", "seoul", "Busan"]
    cells = read_cells(pd.Series(words * 3, name="c"), where)
    assert cells.column.categories == ("Busan", "Seoul", "seoul")
    assert any("'Seoul' and 'seoul' are two categories" in text for text in cells.remarks)
    assert text_of("가") == "가"


def test_names_that_come_again_and_dashes_are_left_out(path: Path) -> None:
    path.write_text("a,y\n---,---\n1,no\n2,yes\na,y\n3,no\n")
    frame = read(path)
    assert frame["a"].astype(float).tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,y\n1,2\n3,\x1a\n", r"row 3: the sign Ctrl-Z \(U\+001A\)"),
        ("a,y\n" + "1,2\n" * 20 + "3,\0\n", "row 22: null bytes"),
    ],
)
def test_signs_that_no_text_has_are_named(text: str, message: str, path: Path) -> None:
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read(path)


def test_excels_word_on_the_separator_is_heard(path: Path) -> None:
    path.write_text("sep=;\na;y\n1,5;2\n2,5;3\n")
    assert read(path).columns.tolist() == ["a", "y"]


def test_parquet_with_lists_is_refused_and_an_index_is_a_column(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [[1], [2, 3]]}, index=pd.Index([7, 9], name="k"))
    frame.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match="column 'b': a cell holds several values"):
        read_parquet(tmp_path / "t.parquet")
    frame.drop(columns="b").to_parquet(tmp_path / "t.parquet")
    assert read_parquet(tmp_path / "t.parquet")["k"].tolist() == [7, 9]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Sales,,\n\na,b,y\n1,2,3\n", r"names \(a, b, y, …\) do not stand in the first row"),
        ("a,b,y\nkg,cm,\n1,2,3\n2,3,4\n", r"row 2: it holds words \(kg, cm\), such as units"),
    ],
)
def test_titles_and_units_are_no_rows(text: str, message: str, path: Path) -> None:
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        starter(path, "y", path.parent)


def test_a_last_row_of_totals_is_told(path: Path) -> None:
    path.write_text("a,b,y\n1,x,2\n3,Total,4\n")
    assert "the last row of table.csv says 'Total'" in read(path).attrs["remarks"][0]


def test_words_that_may_mean_missing_are_told_but_signs_are_not() -> None:
    cells = read_cells(pd.Series(["없음", "a", "없음", "b"], name="c"), where)
    assert "2 cells hold '없음', which is a value" in cells.remarks[0]
    assert read_cells(pd.Series(["+", "-", "+"], name="c"), where).remarks == ()


def test_a_placeholder_among_dates_is_named() -> None:
    dates = pd.Series(["2024-01-31", "-", "2024-02-01"], name="d")
    with pytest.raises(DataError, match=r"'-' is none; write data.missing_values: \{d: \['-'\]\}"):
        read_times(dates, where)

"""Texts of a user's: what they may do to a terminal and to a spreadsheet, which is nothing."""

import csv
import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlx import texts
from dlx.ablation.results_csv import csv_text
from dlx.report.predictions import Predictions

FORMULAS = [
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)",
    "+1+2",
    "-2+3",
    "=1",
    "\t=1",
    "\r=1",
    " =1",
    "＝1",
    "\u200b=1",
    "\ufeff=1",
    "\u2060\t＠SUM(1)",
    "-x",
]
PLAIN = ["a", "", "1=2", "a@b", "-5", "+3.2", "-1,5", "- 5", "-1e-3", "-12 %", "-1.234,5", "'=1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_a_text(text: str) -> None:
    assert texts.cell(text) == f"'{text}".replace("\r", "\n")


@pytest.mark.parametrize("text", PLAIN)
def test_other_texts_and_numbers_stay(text: str) -> None:
    assert texts.cell(text) == text


def test_numbers_stay_numbers() -> None:
    assert [texts.cell(value) for value in (-1, -2.5, True, None)] == [-1, -2.5, True, None]


def test_the_switch_leaves_formulas() -> None:
    texts.raw_csv(True)
    try:
        assert [texts.cell(text) for text in FORMULAS if "\r" not in text] == [
            text for text in FORMULAS if "\r" not in text
        ]
    finally:
        texts.raw_csv(False)


def test_no_mark_turns_the_direction_of_writing() -> None:
    marks = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    assert texts.printable(f"a{marks}b").isascii()


@given(st.text())
def test_what_is_printed_commands_no_terminal(text: str) -> None:
    shown = texts.printable(text)
    kinds = {unicodedata.category(c) for c in shown if c not in "\t\n"}
    assert not kinds & {"Cc", "Cs", "Zl", "Zp"}
    assert "\n" not in texts.in_a_line(text) and "\t" not in texts.in_a_line(text)
    shown.encode()


def test_what_turns_the_direction_of_writing_is_shown() -> None:
    assert texts.printable("\x1b[31mred\x9b2J\u202egnp.exe\udcff") == (
        r"\x1b[31mred\x9b2J\u202egnp.exe\udcff"
    )


@given(st.lists(st.text(max_size=5), min_size=1, max_size=4, unique=True), st.text(max_size=5))
def test_no_cell_of_a_table_begins_a_formula(names: list[str], text: str) -> None:
    of_predictions = Predictions.of({name: [text, f"={text}"] for name in names}, ()).csv()
    of_results = csv_text([dict.fromkeys(names, f"@{text}"), {names[0]: text}])
    for table in (of_predictions, of_results):
        for row in csv.reader(io.StringIO(table.replace("\0", ""), newline="")):
            for cell in row:
                assert texts.cell(cell) == cell


def test_the_end_of_a_line_in_a_text_begins_no_row() -> None:
    table = Predictions.of({"a": ["x\r=1", "x\r\n@2", "x\n+3"]}, ()).csv()
    assert len(list(csv.reader(io.StringIO(table, newline="")))) == 4


def test_a_null_byte_in_a_cell_is_written_out() -> None:
    assert texts.cell("a\0b") == r"a\x00b"  # which readers of CSV refuse


def test_a_long_text_loses_its_middle() -> None:
    assert texts.shortened("activation=relu", 15) == "activation=relu"
    assert len(texts.shortened("activation=relu", 10)) == 10

"""Codes in files: written, read again, and what is refused."""

import io
from pathlib import Path

import numpy as np
import pytest

from dlx.data.dataset import Task
from dlx.errors import DataError
from dlx.report.code_table import Codes, columns_beside_codes, read_codes
from dlx.report.predictions import Context

VALUES = np.random.default_rng(0).standard_normal((4, 3), np.float32)
KNOWN = {"row": np.arange(4), "target": ["a", "b", "a", "ä"]}


@pytest.mark.parametrize("form", ["csv", "npz"])
def test_what_is_written_is_read_again_bit_for_bit(form: str, tmp_path: Path) -> None:
    codes = Codes(VALUES, "2", KNOWN)
    path = tmp_path / f"codes.{form}"
    path.write_bytes(codes.npz() if form == "npz" else codes.table().csv().encode())
    assert np.array_equal(read_codes(path, 3, "2"), VALUES)


def test_columns_and_arrays() -> None:
    codes = Codes(VALUES, "2", {**KNOWN, "code_2": list("wxyz")})
    table = codes.table()
    assert table.columns == ("row", "target", "input(code_2)", "code_1", "code_2", "code_3")
    assert table.rows[3] == [3, "ä", "z", *VALUES[3]]
    arrays = np.load(io.BytesIO(codes.npz()), allow_pickle=False)
    assert arrays["codes"].dtype == np.float32
    assert arrays["target"].tolist() == KNOWN["target"]


def test_of_a_table_the_id_stays_and_its_inputs_do_not() -> None:
    task = Task("binary", 1, 1, ("no", "yes"), (1,))
    context = Context(np.arange(2), np.array([1, 0]), {"row": ["r1", "r2"], "area": [1, 2]})
    columns = columns_beside_codes(task, context, "row")
    assert {name: list(cells) for name, cells in columns.items()} == {
        "row": [0, 1],
        "input(row)": ["r1", "r2"],
        "target": ["yes", "no"],
    }


@pytest.mark.parametrize("header", ["", "a,b,c\n", "code_3,code_2,x,code_1\n"])
def test_codes_written_by_others(header: str, tmp_path: Path) -> None:
    path = tmp_path / "codes.csv"
    row = "3,2,nothing,1\n" if "x" in header else "1,2,3\n"
    path.write_text(header + row)
    assert read_codes(path, 3, "2").tolist() == [[1, 2, 3]]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.csv",
            "row,code_1,code_2\n1,2,3\n",
            r"a\.csv: received codes of 2 numbers, but layer 2 has 3; decode codes of the same run",
        ),
        ("a.csv", "1,2\n", r"a\.csv, row 1: 2 values instead of 3"),
        ("a.csv", "code_1,code_2,code_4\n1,2,3\n", r"a\.csv: the header has no column 'code_3'"),
        ("a.csv", "1,2,x\n", r"column '3': 'x' is not a number"),
        ("a.csv", "", r"a\.csv: it holds no row"),
        ("a.npz", "no archive", r"a\.npz: not an npz file"),
        ("a.txt", "1,2,3\n", r"a\.txt: codes are read from \.csv, \.npy and \.npz files"),
    ],
)
def test_what_cannot_be_read(name: str, content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        read_codes(path, 3, "2")


def test_arrays_that_cannot_be_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", VALUES[:, :2])
    with pytest.raises(DataError, match=r"a\.npy: shape \(4, 2\) instead of \(N, 3\)"):
        read_codes(tmp_path / "a.npy", 3, "2")
    np.savez(tmp_path / "a.npz", first=VALUES, second=VALUES)
    with pytest.raises(DataError, match=r"holds 'first', 'second'; call the array to read 'codes'"):
        read_codes(tmp_path / "a.npz", 3, "2")
    with pytest.raises(DataError, match=r"b\.csv: no such file"):
        read_codes(tmp_path / "b.csv", 3, "2")

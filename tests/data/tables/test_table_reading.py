"""How a CSV or parquet file is read, and what is said of one that cannot be."""

import gzip
import importlib.util
import re
from pathlib import Path

import pandas as pd
import pytest

from dlx.data.tables import layout
from dlx.data.tables.layout import AUTO, Layout, records, survey
from dlx.data.tables.reading import check_there, read_csv, read_parquet, surveyed
from dlx.data.tables.starter import starter
from dlx.errors import ConfigError, DataError


def read(path, layout=AUTO, **options):
    return read_csv(path, surveyed(path, layout), **options)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp949", "euc-kr"])
def test_separators_and_encodings_are_found(separator, encoding, write):
    text = "도시,값\n서울,1\n부산,2.5\n".replace(",", separator)
    frame = read(write(text, encoding=encoding))
    assert frame.columns.tolist() == ["도시", "값"]
    assert frame["도시"].tolist() == ["서울", "부산"]
    assert frame["값"].tolist() == [1, 2.5]
    assert frame.index.tolist() == [2, 3]


WESTERN = "Größe,Temp(°C),Stadt\n1,2,Äpfel\n2,3,Zoë\n"
KOREAN = "지역,면적\n부산,1\nLG전자,2\n7원,3\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (WESTERN, "cp1252"),
        ("name,preço\nSão João,1\n", "cp1252"),
        ("price\n5 €\n", "cp1252"),
        (KOREAN, "cp949"),
        ("구,이름\n강남,똠방각하\n", "cp949"),
        ("T(°C),면적(㎡)\n5,6\n", "cp949"),
        ("T,°C\n5,6\n", "cp949"),
        ("T,°C\n5,6\n", "cp1252"),
        ("«Être»,Prêt\nÀ côté,6\n", "cp1252"),
        ("DIREÇÃO,AÇÃO\nSÃO,6\n", "cp1252"),
    ],
)
def test_encodings_are_judged_and_said(text, encoding, write):
    frame = read(write(text, encoding=encoding))
    header, first = (line.split(",") for line in text.splitlines()[:2])
    assert frame.columns.tolist() == header and frame.iloc[0].astype(str).tolist() == first
    assert frame.attrs["remarks"] == (
        f"table.csv is not UTF-8; it is read as {encoding} (if its words look wrong, name another "
        "encoding)",
    )


def test_a_file_that_is_utf_8_but_for_a_byte_is_refused(write):
    path = write("name,y\n" + "Zoë,1\n" * 9 + "José,2\n")
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xe9"))
    with pytest.raises(DataError, match=r"row 11: byte 0xe9 is not UTF-8, which all 9 other"):
        read(path)


def test_an_encoding_is_named(write):
    path = write("name,y\nZoë,1\nJosé,2\n", encoding="latin-1")
    assert read(path, Layout(encoding="latin-1"))["name"].tolist() == ["Zoë", "José"]
    with pytest.raises(DataError, match=r"row 2: byte 0xeb is not utf-8; name its encoding \(cp"):
        read(path, Layout(encoding="utf-8"))
    with pytest.raises(DataError, match=r"byte 0x6e is not utf-16; name its encoding"):
        read(path, Layout(encoding="utf-16"))
    for unknown in ("klingon", "base64", "undefined"):
        with pytest.raises(DataError, match=rf"encoding: received '{unknown}', which is no known"):
            read(path, Layout(encoding=unknown))


def test_the_wanted_columns_tell_the_separator(write):
    path = write("a,b;c,d;y\n1,5;2,5;0\n")
    assert surveyed(path, AUTO, ["y"]).header == ("a,b", "c,d", "y")


def test_quotes_blank_lines_and_long_records(write):
    path = write('name,y\n"Kim, Lee",1\n\n"two\nlines",2\n ,\n  x ,3\n')
    frame = read(path)
    assert frame["name"].tolist() == ["Kim, Lee", "two\nlines", "x "]
    assert frame.index.tolist() == [2, 4, 6]  # as a spreadsheet counts: a record is a row


def test_the_index_without_quotes(write):
    assert read(write("a,y\n1,2\n\n3,4\n\n")).index.tolist() == [2, 4]


def test_texts_stay_as_they_are_written(write):
    frame = read(write("code,y\n007,1\n1e3,2\n"), AUTO, text=["code"])
    assert frame["code"].tolist() == ["007", "1e3"]


def test_texts_that_mean_missing_leave_a_column_of_numbers(write):
    path = write("a,b,y\n-,NA,1\n2,red,2\n" + "3,blue,3\n" * 300 + "NA,NA,4\n")
    frame = read(path, missing=lambda name: ["-", "NA"])
    assert frame["a"].dtype.kind == "f" and frame["a"].isna().sum() == 2
    assert frame["b"].tolist()[:2] == ["NA", "red"]
    late = read(write("a\n" + "3\n" * 300 + "wide\n-\n"), missing=lambda name: ["-"])
    assert late["a"].tolist()[-2:] == ["wide", "-"]  # not all numbers: texts, as they stand


def test_numbers_with_leading_zeros_stay_texts(write):
    text = "zip,n,d\n1234,1,05:30\n" + "1234,2,06:30\n" * 300 + "00501,3,07:30\n"
    for table in (text, text.replace("00501", '"00501"')):
        frame = read(write(table))
        assert frame["zip"].tolist()[-1] == "00501" and frame["n"].dtype.kind == "i"


@pytest.mark.parametrize(
    "text",
    [
        "# lab 4\n# by me\n\nx,y\n1,a b\n2,c\n",
        "# x,y\n1,7\n2,8\n",  # as numpy.savetxt writes it
        "x y\n1   7\n2\t8\n",
        "  x   y\n  1   7\n 2   8  \n",
        "x\ty\n1\t7\n2\t8\n",
        " x ; y \n 1 ; 7 \n 2 ; 8 \n",
        "x\ty\n1\t7 Jan\n2\t8 Feb\n",
        "x\ty\n1\t7\n2\t8\n\n",
    ],
)
def test_comments_and_blanks(text, write):
    frame = read(write(text))
    assert frame.columns.tolist() == ["x", "y"] and frame["x"].tolist() == [1, 2]
    first = next(n for n, line in enumerate(text.splitlines(), 1) if line.strip()[:1] == "1")
    assert frame.index.tolist() == [first, first + 1]


def test_a_file_without_names(write):
    path = write("red,1,0\nblue,2,1\nred,3,0\n")
    with pytest.raises(DataError, match=r"row 1 holds values \(red, 1, 0\) and not .* header: fal"):
        read(path)
    frame = read(path, Layout(header=False))
    assert frame.columns.tolist() == ["1", "2", "3"] and frame.index.tolist() == [1, 2, 3]
    assert read(path, Layout(header=True)).columns.tolist() == ["red", "1", "0"]
    years = "city,2019,2020,2021\nSeoul,1,2,3\nBusan,4,5,6\n"
    assert read(write(years)).columns.tolist() == ["city", "2019", "2020", "2021"]


def test_a_compressed_file(tmp_path):
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress("도시,y\n서울,1\n".encode("cp949")))
    assert read(tmp_path / "t.csv.gz")["도시"].tolist() == ["서울"]


def test_a_compressed_file_that_is_cut_or_flipped(tmp_path):
    """Python has four kinds of errors for these; one of them is that of a terminal's Ctrl-D."""
    whole = gzip.compress(b"x,y\n1,2\n3,4\n" * 50)
    flips = [whole[:n] + bytes([whole[n] ^ 16]) + whole[n + 1 :] for n in range(10, len(whole))]
    path = tmp_path / "t.csv"
    refused = 0
    for content in [*(whole[:n] for n in range(2, len(whole))), *flips, whole + b"junk"]:
        path.write_bytes(content)
        for reads in (read, lambda path: starter(path, "y", tmp_path)):
            try:
                reads(path)
            except DataError as error:
                assert str(path) in str(error)
                refused += 1
    assert refused >= 2 * (len(whole) - 2)


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"PK\x03\x04", "Excel workbook"),
        (b"PAR1", "a parquet file"),
        (b"%PDF-1", "a PDF file"),
        (b"\x28\xb5\x2f\xfd", "compressed by zstd; unpack it"),
        (b"\x93NUMPY", "an npy file of NumPy; use data.name: npy"),
        (b'\n[{"a": 1}]\n', "JSON; save the table as CSV"),
        (b'{"a": 1, "y": 2}\n{"a": 2, "y": 3}\n', "JSON; save the table as CSV"),
        (b"\xef\xbb\xbf<!DOCTYPE html>\n<p>Not found</p>\n", "HTML or XML; save the table as CSV"),
        (b"table.csv".ljust(257, b"\0") + b"ustar", "a tar archive; unpack it"),
        (b"% title\n@RELATION iris\n@data\n1,2\n", "an ARFF file; put names in place"),
    ],
)
def test_files_of_other_kinds_are_called_by_name(start, words, tmp_path):
    (tmp_path / "t.csv").write_bytes(start + bytes(50))
    with pytest.raises(DataError, match=words):
        read(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_bytes(gzip.compress(start + bytes(50)))
    with pytest.raises(DataError, match=f"unpacked, this is .*{words}"):
        read(tmp_path / "t.csv")


def test_a_column_may_be_called_like_a_data_base(tmp_path):
    (tmp_path / "t.csv").write_text("SQLite,y\n1,2\n3,4\n")
    assert len(read(tmp_path / "t.csv")) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b,y\n1,2,3\n1,2\n", r"table.csv, row 3: 2 values instead of 3, separated by ','"),
        ("a,b,y\n\n1,2,3,4\n", r"row 3: 4 values instead of 3"),
        ('a,b,y\n"x",2,3\n1,2\n', r"row 3: 2 values instead of 3.*complete the row"),
        ("a,a,y\n1,2,3\n", "two columns are called 'a'; rename one of them"),
        ("1,2,3\n4,5,6\n", r"row 1 holds values \(1, 2, 3\).* a row of names above"),
        ("\n1,2\n", r"row 2 holds values \(1, 2\)"),
        ("", "it holds no row"),
        (",,\n,,\n", "it holds no row"),
        ("a,y\n", "a header but no rows"),
        ("a,y\n\n ,\n", "a header but no rows"),
        ('a,y\n"1,2\n', "row 2: 1 values instead of 2"),
    ],
)
def test_files_that_are_no_tables(text, message, write):
    with pytest.raises(DataError, match=message):
        read(write(text))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match=r"no such file; data.path is relative to the config file"):
        read(tmp_path / "table.csv")
    with pytest.raises(DataError, match="this is a folder; name a file"):
        read(tmp_path)
    (tmp_path / "zipped.csv").write_bytes(b"PK\x03\x04\x00\x00\xff\xfe\x81")
    with pytest.raises(DataError, match=r"zipped.csv"):
        read(tmp_path / "zipped.csv")


def test_parquet(tmp_path):
    pytest.importorskip("pyarrow", reason="needs dlx[parquet]")
    frame = pd.DataFrame({"a": [1.5, None], "b": ["x", "y"], "y": [1, 2]})
    path = tmp_path / "table.parquet"
    frame.to_parquet(path)
    read = read_parquet(path, ignore=["b"])
    assert read.columns.tolist() == ["a", "y"]
    assert read.index.tolist() == [2, 3]
    path.write_bytes(b"PAR1 not")
    with pytest.raises(DataError, match=r"table.parquet: not a parquet file"):
        read_parquet(path)
    frame.iloc[:0].to_parquet(path)
    with pytest.raises(DataError, match=r"table.parquet: no rows"):
        read_parquet(path)


def test_parquet_without_its_package(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs pyarrow; install it with: pip install 'dlx\[p"):
        read_parquet(tmp_path / "table.parquet")


def test_a_file_of_null_bytes_is_no_table(tmp_path):
    """As the files beside others that an archive of a Mac holds: `._table.csv`."""
    (tmp_path / "._t.csv").write_bytes(b"\x00\x05\x16\x07" + b"\x00" * 60 + b"a;b\n1;2\n")
    with pytest.raises(DataError, match=r"row 1: null bytes, which no text has; if this is a"):
        starter(tmp_path / "._t.csv", "b", tmp_path)


@pytest.mark.parametrize("row", [1, 2, 3])
def test_a_null_byte_in_a_table_is_named_with_its_row(row, write):
    lines = ["x,y", "1,2", "3,4", *["5,6"] * 50]
    lines[row - 1] += "\0"
    with pytest.raises(DataError, match=rf"row {row}: null bytes, which no text has"):
        read(write("\n".join(lines)))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    "text", ["x,y\n1,2\n", "가격,도시\n1,서울\n", "é,y\r\n1,2\r\n", f"{'x' * 3000},y\n1,2\n"]
)
def test_utf_16_without_a_mark(text, encoding, write):
    assert len(read(write(text, encoding=encoding))) == 1


def test_rows_that_repeat_the_names_and_lines_of_dashes_are_left_out(write):
    for text in ("a,y\n1,2\na,y\n3,4\n", '"a",y\n1,2\n"a",y\n3,4\n', "a,y\n1,2\n---,---\n3,4\n"):
        frame = read(write(text))
        assert (frame["a"].astype(int).tolist(), frame.index.tolist()) == ([1, 3], [2, 4])
        assert "row 3 of table.csv left out" in frame.attrs["remarks"][0]


def test_rows_of_separators_alone_are_left_out_and_said(write):
    frame = read(write("a,y\n1,2\n,\n3,4\n\n,\n"))
    assert frame.index.tolist() == [2, 4]
    assert frame.attrs["remarks"] == ("row 3 and 1 more of table.csv left out: no value at all",)
    assert read(write("a,y\n1,2\n\n3,4\n\n")).attrs["remarks"] == ()
    with pytest.raises(DataError, match=r"table\.csv: a header but no rows that hold a value"):
        read(write("a,y\n,\n"))


def test_a_last_row_of_totals_is_said(write):
    frame = read(write("a,b,y\n1,x,2\n3,Total,4\n"))
    assert frame.attrs["remarks"] == (
        "the last row of table.csv says 'Total': if it sums up the others, delete it",
    )


def test_the_separator_may_stand_above_the_names_as_excel_writes_it(write):
    assert read(write("sep=;\na;y\n1,5;2\n")).columns.tolist() == ["a", "y"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Sales,,\n\na,b,y\n1,2,3\n", r"names \(a, b, y, …\) do not stand in the first row"),
        ("a,b,y\nkg,cm,\n1,2,3\n2,3,4\n", r"row 2: it holds words \(kg, cm\), such as units"),
    ],
)
def test_rows_that_are_no_values_are_refused(text, message, write):
    path = write(text)
    with pytest.raises(DataError, match=message):
        starter(path, "y", path.parent)


@pytest.mark.parametrize(
    ("below", "remark"),
    [
        ("\x1a", None),
        ("Source: Statistics Office, 2024\n", "'Source: Statistics Office, 2024' at the end of"),
        ("Source: Office,,\n* estimated,,\n", r"'Source: Office' .*, and 1 more below it"),
        ("\nas of May\n\x1a\n", "'as of May' at the end of table.csv is no row of the table"),
    ],
)
def test_lines_below_a_table_are_left_out_and_said(below, remark, write, tmp_path):
    path = write("a,b,y\n1,2,3\n4,5,6\n" + below)
    frame = read(path)
    assert frame.to_numpy().tolist() == [[1, 2, 3], [4, 5, 6]]
    remarks = frame.attrs["remarks"]
    assert re.search(remark, remarks[0]) if remark else not remarks
    found = survey(path, AUTO)
    assert [cells for _, cells in records(path, found)] == [["1", "2", "3"], ["4", "5", "6"]]


@pytest.mark.parametrize("cell", ["(3)", "($ 5)", "#1", "New York City", "x", "a:b"])
def test_a_last_row_whose_other_cells_are_missing_is_a_row(cell, write):
    frame = read(write(f"a,b,y\nred,2,3\n{cell},,\n"))
    assert frame["a"].tolist() == ["red", cell] and not frame.attrs["remarks"]


@pytest.mark.parametrize("below", ["7\n", "New York\n", "Source: x\n7,8,9\n", "7,8\n"])
def test_a_row_that_lacks_values_is_no_line_below_the_table(below, write):
    with pytest.raises(DataError, match=r"row 4: \d values instead of 3"):
        read(write("a,b,y\n1,2,3\n4,5,6\n" + below))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,y\n1,2\n3,\x1a\n", r"row 3: the sign Ctrl-Z \(U\+001A\), which no text has"),
        ("a,y\n" + "1,2\n" * 20 + "3,\0\n", "row 22: null bytes"),
    ],
)
def test_signs_that_no_text_has_are_named(text, message, write):
    with pytest.raises(DataError, match=message):
        read(write(text))


def test_names_have_one_spelling(write):
    assert read(write("Stra\u00dfe,cafe\u0301\n1,2\n")).columns.tolist() == ["Straße", "caf\u00e9"]
    assert read(write("\ufeff\ufeffa,b\n1,2\n")).columns.tolist() == ["a", "b"]


def test_the_index_of_a_parquet_file_is_a_column_and_lists_are_refused(tmp_path):
    pytest.importorskip("pyarrow", reason="needs dlx[parquet]")
    path = tmp_path / "table.parquet"
    frame = pd.DataFrame({"a": pd.array([1, None], "Int64"), "y": [1, 2]}, index=["k", "l"])
    frame.rename_axis("key").to_parquet(path)
    assert read_parquet(path)["key"].tolist() == ["k", "l"]
    frame.assign(a=pd.Series([[1], [2]], frame.index)).to_parquet(path)
    with pytest.raises(DataError, match=r"column 'a': a cell holds several values \(list<"):
        read_parquet(path)
    start = starter(path, "y", tmp_path)
    assert "ignore: [a]" in start.text and "column 'a' holds several values" in start.notes[-1]
    with pytest.raises(DataError, match="column 'a': a cell holds several values"):
        starter(path, "a", tmp_path)


def test_bytes_of_a_parquet_file_that_are_texts_are_read_as_texts(tmp_path):
    """Programs that know no texts write them so."""
    pytest.importorskip("pyarrow", reason="needs dlx[parquet]")
    path = tmp_path / "table.parquet"
    texts, other = [b"yes", "\u00e9".encode(), None, b"yes"], [b"\xff", b"a", b"b", b"c"]
    pd.DataFrame({"texts": texts, "other": other}).to_parquet(path)
    frame = read_parquet(path)
    assert frame["texts"].dropna().tolist() == ["yes", "\u00e9", "yes"]
    assert frame["other"].tolist() == other


def test_a_misspelt_file_is_told_the_nearest_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file with a name so near is what was meant, so that no rule about folders is told."""
    monkeypatch.chdir(tmp_path)
    Path("new.csv").write_text("u\n1\n")
    with pytest.raises(DataError, match=r"neww\.csv: no such file; did you mean 'new\.csv'\?$"):
        check_there(Path("neww.csv"))


def test_a_line_break_in_quotes_in_the_last_row_is_a_part_of_its_value(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('a,b\n1,x\n2,"y\n\nz"\n')
    found = layout.survey(tmp_path / "t.csv", layout.AUTO, ())
    assert found.last_row is None and found.remarks == ()

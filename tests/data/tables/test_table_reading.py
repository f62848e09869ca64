"""How a CSV or parquet file is read, and what is said of one that cannot be."""

import importlib.util

import pandas as pd
import pytest

from dlx.data.tables.reading import Layout, read_csv, read_parquet, survey
from dlx.errors import ConfigError, DataError

AUTO = Layout()


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp949", "euc-kr"])
def test_separators_and_encodings_are_found(separator, encoding, write):
    text = "도시,값\n서울,1\n부산,2.5\n".replace(",", separator)
    frame = read_csv(write(text, encoding=encoding), AUTO)
    assert frame.columns.tolist() == ["도시", "값"]
    assert frame["도시"].tolist() == ["서울", "부산"]
    assert frame["값"].tolist() == [1, 2.5]
    assert frame.index.tolist() == [2, 3]


def test_an_encoding_is_named(write):
    path = write("name,y\nZoë,1\nJosé,2\n", encoding="latin-1")
    assert read_csv(path, Layout(encoding="latin-1"))["name"].tolist() == ["Zoë", "José"]
    with pytest.raises(DataError, match=r"row 2: byte 0xeb is not utf-8, nor .* data.encoding"):
        read_csv(path, AUTO)
    with pytest.raises(DataError, match=r"row 2: byte 0xeb is not utf-8; name its data.encoding"):
        read_csv(path, Layout(encoding="utf-8"))
    with pytest.raises(DataError, match=r"byte 0x6e is not utf-16; name its data.encoding"):
        read_csv(path, Layout(encoding="utf-16"))
    for unknown in ("klingon", "base64", "undefined"):
        message = rf"data.encoding: received '{unknown}', which is no known"
        with pytest.raises(ConfigError, match=message):
            read_csv(path, Layout(encoding=unknown))


def test_the_wanted_columns_tell_the_separator(write):
    path = write("a,b;c,d;y\n1,5;2,5;0\n")
    assert survey(path, AUTO, ["y"]).header == ("a,b", "c,d", "y")


def test_quotes_blank_lines_and_long_records(write):
    path = write('name,y\n"Kim, Lee",1\n\n"two\nlines",2\n ,\n  x ,3\n')
    frame = read_csv(path, AUTO)
    assert frame["name"].tolist() == ["Kim, Lee", "two\nlines", "x "]
    assert frame.index.tolist() == [2, 4, 6]  # as a spreadsheet counts: a record is a row


def test_the_index_without_quotes(write):
    assert read_csv(write("a,y\n1,2\n\n3,4\n\n"), AUTO).index.tolist() == [2, 4]


def test_texts_stay_as_they_are_written(write):
    frame = read_csv(write("code,y\n007,1\n1e3,2\n"), AUTO, text=["code"])
    assert frame["code"].tolist() == ["007", "1e3"]


def test_values_that_mean_missing(write):
    path = write("a,b,y\n-,NA,1\n2,?,2\n")
    frame = read_csv(path, Layout(missing_values=("-", "?")))
    assert frame["a"].isna().tolist() == [True, False]
    assert frame["b"].isna().tolist() == [True, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b,y\n1,2,3\n1,2\n", r"table.csv, row 3: 2 values instead of 3, separated by ','"),
        ("a,b,y\n\n1,2,3,4\n", r"row 3: 4 values instead of 3"),
        ('a,b,y\n"x",2,3\n1,2\n', r"row 3: 2 values instead of 3.*complete the row"),
        ("a,a,y\n1,2,3\n", "two columns are called 'a'; rename one of them"),
        ("1,2,3\n4,5,6\n", r"row 1 holds numbers \(1, 2, 3, …\).* add a header"),
        ("\n1,2\n", "row 1 has to hold the columns' names, but it is empty"),
        ("", "row 1 has to hold the columns' names"),
        ("a,y\n", "a header but no rows"),
        ("a,y\n\n ,\n", "a header but no rows"),
        ('a,y\n"1,2\n', "row 2: 1 values instead of 2"),
    ],
)
def test_files_that_are_no_tables(text, message, write):
    with pytest.raises(DataError, match=message):
        read_csv(write(text), AUTO)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match=r"no such file; data.path is relative to the config file"):
        read_csv(tmp_path / "table.csv", AUTO)
    with pytest.raises(DataError, match="this is a folder; name a file"):
        read_csv(tmp_path, AUTO)
    (tmp_path / "zipped.csv").write_bytes(b"PK\x03\x04\x00\x00\xff\xfe\x81")
    with pytest.raises(DataError, match=r"zipped.csv"):
        read_csv(tmp_path / "zipped.csv", AUTO)


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

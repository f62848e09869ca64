import gzip
import re

import numpy as np
import pytest

from dlx.data import idx
from dlx.errors import DataError


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "i4", "f4", "f8"])
def test_reads_what_was_written(tmp_path, write_idx, dtype, suffix):
    values = np.arange(24).reshape(2, 3, 4).astype(dtype)
    read = idx.read(write_idx(tmp_path / f"values{suffix}", values))
    np.testing.assert_array_equal(read, values)
    assert read.dtype == values.dtype
    assert read.dtype.isnative


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_reads_an_array_without_rows(tmp_path, write_idx, suffix):
    values = np.zeros((0, 5), dtype=np.uint8)
    assert idx.read(write_idx(tmp_path / f"values{suffix}", values)).shape == (0, 5)


def rewrite(path, change):
    """Change the bytes of an IDX file, inside the gzip data where it has some."""
    content = path.read_bytes()
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(change(gzip.decompress(content))))
    else:
        path.write_bytes(change(content))


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b[:-1], "truncated: 23 of the 24 bytes that shape (2, 3, 4) needs"),
        (lambda b: b[:10], "truncated: it ends within the header"),
        (lambda b: b[:2], "not an IDX file: only 2 bytes"),
        (lambda b: b + b"!", "trailing bytes after the 24"),
        (lambda b: b"\x89PNG" + b[4:], "not an IDX file: it starts with 89 50 4e 47"),
        (lambda b: b"\0\0\x07\3" + b[4:], "not an IDX file: it starts with 00 00 07 03"),
        (lambda b: b"\0\0\x08\0" + b[4:], "not an IDX file: it starts with 00 00 08 00"),
        (lambda b: b[:4] + b"\xff" * 12 + b[16:], "truncated: 24 of the"),
        (lambda b: b"\0\0\x08\4" + b"\xff" * 12 + bytes(4), "cannot reshape array of size 0 into"),
    ],
)
def test_says_what_is_wrong_with_the_content(tmp_path, write_idx, suffix, change, message):
    values = np.zeros((2, 3, 4), dtype=np.uint8)
    path = write_idx(tmp_path / f"values{suffix}", values)
    rewrite(path, change)
    with pytest.raises(DataError, match=re.escape(message)) as raised:
        idx.read(path)
    assert str(path) in str(raised.value)
    assert "delete the file and fetch the data set again" in str(raised.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b[:-9], "truncated: the gzip data ends too early"),
        (lambda b: b + b"!", "trailing bytes"),
        (lambda b: b"<!DOCTYPE html>", "not gzip data: it starts with 3c 21 44 4f"),
        (lambda b: b"", "not gzip data: it is empty"),
        (lambda b: b[:-8] + bytes(8), "damaged gzip data"),
    ],
)
def test_says_what_is_wrong_with_the_gzip_data(tmp_path, write_idx, change, message):
    values = np.random.default_rng(0).integers(0, 256, (20, 9), dtype=np.uint8)
    path = write_idx(tmp_path / "values.gz", values)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match=message):
        idx.read(path)


def test_gzip_data_under_a_raw_name_is_pointed_out(tmp_path):
    path = tmp_path / "values"
    path.write_bytes(gzip.compress(b"\0\0\x08\1"))
    with pytest.raises(DataError, match=r"gzip data: its name should end in \.gz"):
        idx.read(path)


def test_finds_the_raw_file_before_the_gzipped_one(tmp_path):
    path = tmp_path / "values"
    with pytest.raises(DataError, match=r"no values\.gz in .*run `dlx data fetch mnist`"):
        idx.find("mnist", path)
    (tmp_path / "values.gz").touch()
    assert idx.find("mnist", path) == tmp_path / "values.gz"
    path.touch()
    assert idx.find("mnist", path) == path


def test_an_unreadable_file_is_a_data_error(tmp_path):
    with pytest.raises(DataError, match=r"cannot be read \(Is a directory\)"):
        idx.read(tmp_path)

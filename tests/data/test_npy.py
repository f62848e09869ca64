"""npy and npz files that are what they say, and those that are not."""

import io
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dlx.data.npy import Archive, read_npy
from dlx.errors import DataError


def content(array: np.ndarray, **options: bool) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def archive_of(path, **contents: bytes):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in contents.items():
            archive.writestr(f"{name}.npy", data)
    return path


@settings(max_examples=50)
@given(
    arrays.arrays(
        st.sampled_from(["f4", "f8", "u1", ">i4", "?", "U3"]),
        arrays.array_shapes(max_dims=3, max_side=5),
    )
)
def test_arrays_come_back(tmp_path_factory, array):
    folder = tmp_path_factory.mktemp("arrays")
    (folder / "a.npy").write_bytes(content(array))
    np.testing.assert_array_equal(read_npy(folder / "a.npy"), array)
    np.savez_compressed(folder / "a.npz", first=array, second=array.T)
    with Archive(folder / "a.npz") as archive:
        assert archive.names == ["first", "second"]
        np.testing.assert_array_equal(archive.read("data.inputs", "first"), array)
        np.testing.assert_array_equal(archive.read("data.inputs", "second"), array.T)


def test_an_npy_file_is_mapped(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 2), np.float32))
    array = read_npy(tmp_path / "a.npy")
    assert isinstance(array.base, np.memmap) and not array.flags.writeable


WHOLE = content(np.arange(6.0).reshape(3, 2))
BAD = {
    "pickled objects, which could run code": content(np.array([{}, 1]), allow_pickle=True),
    r"header says float64 of shape \(9, 2\): 144 bytes, not 48": WHOLE.replace(b"(3,", b"(9,"),
    r"header says float64 of shape \(1, 2\): 16 bytes, not 48": WHOLE.replace(b"(3,", b"(1,"),
    "48 bytes, not 47": WHOLE[:-1],
    "48 bytes, not 49": WHOLE + b"!",
    "it holds complex128, not numbers": content(np.zeros((2, 2), complex)),
    "magic string": pickle.dumps([1, 2]),
    r"cannot be read|EOF|expected": WHOLE[:20],
}


@pytest.mark.parametrize("message", BAD)
def test_bad_arrays(tmp_path, message):
    (tmp_path / "bad.npy").write_bytes(BAD[message])
    with pytest.raises(DataError, match=rf"bad\.npy: not an npy file of numbers \(.*{message}"):
        read_npy(tmp_path / "bad.npy")
    path = archive_of(tmp_path / "bad.npz", inputs=BAD[message])
    with (
        Archive(path) as archive,
        pytest.raises(DataError, match=rf"bad\.npz: its array 'inputs' cannot be read.*{message}"),
    ):
        archive.read("data.inputs", "inputs")


def test_a_header_that_promises_the_world_allocates_nothing(tmp_path):
    huge = WHOLE.replace(b"(3, 2), }          ", b"(999999999999, 2),}")
    assert len(huge) == len(WHOLE) != huge.count(b"999")
    path = archive_of(tmp_path / "bad.npz", inputs=huge)
    with Archive(path) as archive, pytest.raises(DataError, match=r"header says .* not 48"):
        archive.read("data.inputs", "inputs")


def test_an_array_that_is_not_there(tmp_path):
    np.savez(tmp_path / "a.npz", inputs=np.zeros(2), labels=np.zeros(2))
    message = r"data.targets: .*a\.npz has no array 'label'; did you mean 'labels'\? \(it has 'inp"
    with Archive(tmp_path / "a.npz") as archive, pytest.raises(DataError, match=message):
        archive.read("data.targets", "label")


def test_files_that_are_not_there_or_no_archives(tmp_path):
    with pytest.raises(DataError, match=r"no\.npy: cannot be read \(No such file"):
        read_npy(tmp_path / "no.npy")
    with pytest.raises(DataError, match=r"no\.npz: cannot be read \(No such file"):
        Archive(tmp_path / "no.npz")
    (tmp_path / "text.npz").write_text("inputs")
    with pytest.raises(DataError, match=r"text\.npz: not an npz file \(File is not a zip file\)"):
        Archive(tmp_path / "text.npz")


def test_damage_inside_an_archive(tmp_path):
    path = archive_of(tmp_path / "a.npz", inputs=WHOLE)
    path.write_bytes(path.read_bytes().replace(np.float64(5).tobytes(), np.float64(6).tobytes()))
    with Archive(path) as archive, pytest.raises(DataError, match="Bad CRC-32"):
        archive.read("data.inputs", "inputs")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damage_under_another_compression(tmp_path, method):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("inputs.npy", WHOLE)
    whole = bytearray(path.read_bytes())
    whole[60:90] = bytes(30)
    path.write_bytes(whole)
    with Archive(path) as archive, pytest.raises(DataError, match="'inputs' cannot be read"):
        archive.read("data.inputs", "inputs")


def header(text: bytes) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


HEADERS = {
    "not closed": b"(" * 5000,
    "nested": b"(" * 3000 + b")" * 3000,
    "a call": b"__import__('os').system('touch it-ran')",
    "no dictionary": b"3",
    "not UTF-8": b"\xff\xfe",
    "a tab for an indent": b"if 1:\n\t1\n  2",
    "a fraction of rows": b"{'descr':'<f8','fortran_order':False,'shape':(1e30,)}",
    "rows below 0": b"{'descr':'<f8','fortran_order':False,'shape':(-1,)}",
    "rows without end": b"{'descr':'<f8','fortran_order':False,'shape':(10**99,)}",
    "no such type": b"{'descr':'<zz','fortran_order':False,'shape':(1,)}",
    "a type in a type": b"{'descr':" + b"('<f8',(" * 500 + b"1" + b",))" * 500 + b"}",
}


@pytest.mark.parametrize("what", HEADERS)
def test_a_header_that_is_no_header_is_told_and_not_run(what, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.npy").write_bytes(header(HEADERS[what]) + bytes(8))
    with pytest.raises(DataError, match=r"a\.npy: not an npy file of numbers"):
        read_npy(tmp_path / "a.npy")
    archive_of(tmp_path / "a.npz", inputs=header(HEADERS[what]) + bytes(8))
    with (
        Archive(tmp_path / "a.npz") as archive,
        pytest.raises(DataError, match=r"a\.npz: its array 'inputs' cannot be read"),
    ):
        archive.read("data.inputs", "inputs")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "a.npz"]


@pytest.mark.parametrize("length", [0, 1, 5, 6, 7, 8, 9, 10, 11, 60, 127, 128, 129])
def test_a_cut_file_is_told_at_every_length(length, tmp_path):
    (tmp_path / "a.npy").write_bytes(WHOLE[:length])
    with pytest.raises(DataError, match=r"a\.npy: not an npy file of numbers"):
        read_npy(tmp_path / "a.npy")
    archive_of(tmp_path / "a.npz", inputs=WHOLE[:length])
    with (
        Archive(tmp_path / "a.npz") as archive,
        pytest.raises(DataError, match=r"a\.npz: its array 'inputs' cannot be read"),
    ):
        archive.read("data.inputs", "inputs")

"""Small files that become large: refused before they have taken the memory, or the time."""

import bz2
import gzip
import io
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dlx.cli import main
from dlx.data import idx, images, inputs
from dlx.data.dataset import Task
from dlx.data.npy import Archive, read_npy
from dlx.data.pipeline import load_dataset
from dlx.data.sources import usps
from dlx.data.sources.arrays import dataset_of
from dlx.data.tables.layout import AUTO
from dlx.data.tables.reading import read_parquet, surveyed
from dlx.data.tables.starter import starter
from dlx.errors import DataError, DlxError, MemoryLimitError

MEMORY = 2**25
LARGE = 2**27  # bytes that the files become, or more
MEMBER = 2**22  # bytes of a piece of gzip data, many of which make a file


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with little memory; what is looked at more closely is smaller, too."""
    monkeypatch.setattr("dlx.capacity.memory", lambda: MEMORY)
    monkeypatch.setattr("dlx.data.tables.layout._MOST_BLANK", 10_000)
    monkeypatch.setattr("dlx.data.tables.reading._CHUNK", 2**20)


def packed(path: Path, piece: bytes, begin: bytes = b"") -> Path:
    """Write gzip data of a piece of text, again and again."""
    piece *= MEMBER // len(piece)
    member = gzip.compress(piece, 1)
    path.write_bytes(gzip.compress(begin) + member * (LARGE // len(piece) + 1))
    return path


def idx_of(path: Path) -> Path:
    header = bytes((0, 0, 8, 2)) + (MEMBER).to_bytes(4) + (LARGE // MEMBER).to_bytes(4)
    path.write_bytes(gzip.compress(header + bytes(LARGE), 1))
    return path


def npz_of(path: Path, *counts: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for place, count in enumerate(counts):
            with archive.open(f"a{place}.npy", "w") as file:
                shape = {"descr": "|u1", "fortran_order": False, "shape": (count,)}
                np.lib.format.write_array_header_1_0(file, shape)
                for _ in range(count // MEMBER):
                    file.write(bytes(MEMBER))
    return path


def all_of(path: Path) -> None:
    with Archive(path) as archive:
        for name in archive.names:
            archive.read("data.inputs", name)


def long_header(path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        content = b"\x93NUMPY\x02\x00" + LARGE.to_bytes(4, "little") + bytes(LARGE)
        archive.writestr("a.npy", content)
    return path


def sparse(path: Path, content: bytes = b"", size: int = LARGE) -> Path:
    """Write a file that has the size, and takes no room."""
    with path.open("wb") as file:
        file.write(content)
        file.truncate(size)
    return path


def npy_of(path: Path, dtype: str, count: int) -> Path:
    header = io.BytesIO()
    shape = {"descr": dtype, "fortran_order": False, "shape": (count // 4, 4)}
    np.lib.format.write_array_header_1_0(header, shape)
    size = len(header.getvalue()) + count * np.dtype(dtype).itemsize
    return sparse(path, header.getvalue(), size)


def table(path: Path) -> object:
    return surveyed(path, AUTO)


CASES: dict[str, tuple[Callable[[Path], Path], Callable[[Path], object], str]] = {
    "rows.csv.gz": (lambda p: packed(p, b"1,2\n", b"x,y\n"), table, "rows.csv.gz, unpacked: this"),
    "one_row.csv.gz": (lambda p: packed(p, b"0"), table, "row 1: it is longer than"),
    "quoted.csv.gz": (lambda p: packed(p, b"0", b'x,y\n1,"'), table, "row 2: it is longer than"),
    "started.csv.gz": (lambda p: packed(p, b"0"), lambda p: starter(p, None, p.parent), "longer"),
    "above.csv": (lambda p: plain(p, b"\n" * 10_001 + b"x,y\n1,2\n"), table, "lines above the"),
    "blank.csv": (lambda p: plain(p, b"x,y\n1,2\n" + b"\n" * 10_001), table, "blank rows"),
    "plain.csv": (lambda p: sparse(p, b"x,y\n1,2\n"), table, "it is longer than 1,048,576 bytes"),
    "images.gz": (idx_of, idx.read, "images.gz, unpacked: this needs at least 0.1 GiB"),
    "images": (
        lambda p: sparse(p, bytes((0, 0, 8, 1))),
        idx.read,
        "images: this needs at least 0.1",
    ),
    "one.npz": (lambda p: npz_of(p, LARGE), all_of, "one.npz, unpacked: this needs at least"),
    "sum.npz": (lambda p: npz_of(p, MEMORY // 2, MEMORY // 2, 2**22), all_of, "sum.npz, unpacked"),
    "header.npz": (long_header, all_of, "header.npz"),
    "new.npz": (
        lambda p: npz_of(p, LARGE),
        lambda p: inputs.read(p, Task("binary", 2, 1, ("0", "1"), (2,)), None),
        "new.npz, unpacked",
    ),
    "doubles.npy": (
        lambda p: npy_of(p, "<f8", LARGE // 8),
        lambda p: dataset_of(p.name, {"train": (a := read_npy(p), a[:, 0])}, "regression"),
        "as numbers of 32 bits: this needs",
    ),
}


def plain(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", CASES)
def test_what_unpacks_to_more_than_the_memory(name: str, tmp_path: Path, little: None) -> None:
    write, read, words = CASES[name]
    path = write(tmp_path / name)
    tracemalloc.start()
    try:
        with pytest.raises(DlxError, match=words) as raised:
            read(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert raised.value.exit_code in (3, 6) and "\n" not in str(raised.value)
    assert peak < 2 * MEMORY


def test_usps_has_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usps, "_MOST", 2**16)
    for file in usps.FILES:
        (tmp_path / file).write_bytes(bz2.compress(b"1 1:-1" * 2**14))
    with pytest.raises(DataError, match=r"usps.bz2: unpacked it has more than 65,536 bytes"):
        load_dataset("usps", tmp_path)


def test_images_that_become_large(tmp_path: Path, little: None) -> None:
    wide = tmp_path / "wide.png"
    Image.new("1", (9_500, 9_500)).save(wide)
    assert wide.stat().st_size < 2**16
    conversion = images.Conversion(grey=True)
    with pytest.raises(DataError, match=r"wide.png: Image size .* exceeds limit .* make the image"):
        images.read_images([wide], conversion)
    files = [tmp_path / f"{number}.png" for number in range(20)]
    for file in files:
        Image.new("L", (1000, 1000)).save(file)
    words = r"data.size: 20 images of 1,000 × 1,000 pixels take too much.* at least 0.1 GiB"
    with pytest.raises(MemoryLimitError, match=words):
        images.read_images(files, conversion)


def test_a_parquet_file_that_repeats_a_text(tmp_path: Path, little: None) -> None:
    pa = pytest.importorskip("pyarrow", reason="needs dlx[parquet]")
    pq = pytest.importorskip("pyarrow.parquet", reason="needs dlx[parquet]")
    many = np.zeros(1000, np.int32)
    texts = pa.DictionaryArray.from_arrays(pa.array(many), pa.array(["x" * 2**18]))
    plainly = pa.schema([("t", pa.string()), ("y", pa.int32())])
    path = tmp_path / "texts.parquet"
    with pq.ParquetWriter(path, plainly) as writer:
        # A column of texts, each of which stands in the file once.
        for begin in range(0, 1000, 100):
            part = pa.table({"t": texts[begin : begin + 100], "y": many[:100]})
            writer.write_table(part.cast(plainly))
    with pytest.raises(MemoryLimitError, match=r"texts.parquet, .* at least 0.2 GiB"):
        read_parquet(path)
    rows = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"x": np.zeros(LARGE // 8, np.int8)}), rows)
    with pytest.raises(MemoryLimitError, match=r"rows.parquet, .* at least 0.1 GiB"):
        read_parquet(rows)


def test_a_command_ends_with_one_line(
    tmp_path: Path, little: None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = packed(tmp_path / "t.csv.gz", b"1,2\n", b"x,y\n")
    config = tmp_path / "t.yaml"
    config.write_text(f"data: {{name: csv, path: {path}, target: y}}\n")
    runs = tmp_path / "runs"
    for words in (["train", config, "--runs-dir", runs], ["init", path]):
        assert main([*map(str, words)]) == 6
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: out of memory: {path}, unpacked: this needs at least ")
    assert not runs.exists()

"""The IDX format of the MNIST family, raw or gzipped.

    2 zero bytes | 1 byte: type | 1 byte: number of dimensions D | D sizes, uint32 | the values

All numbers are big-endian.

Reference:
    LeCun, Cortes, Burges: The MNIST database of handwritten digits,
    http://yann.lecun.com/exdb/mnist/ (file formats at the bottom of the page)
"""

import math
import sys
import zlib
from pathlib import Path

import numpy as np

from dlx.data.files import FETCH_AGAIN, damaged, missing, read_bytes

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_DIMENSIONS = 8
GZIP = 31  # zlib's window bits for "a gzip header, and the largest window"


def find(name: str, path: Path) -> Path:
    """Return `path`, or `path` with `.gz` where only that is there.

    Raises:
        DataError: neither is there; the message says how to fetch data set `name`.
    """
    gzipped = path.with_name(path.name + ".gz")
    for candidate in (path, gzipped):
        if candidate.is_file():
            return candidate
    raise missing(name, gzipped)


def read(path: Path, cure: str = FETCH_AGAIN) -> np.ndarray:
    """Read an IDX file; its name ends in `.gz` if it is gzipped.

    Args:
        path: the file.
        cure: what the user is told to do about a file that cannot be read.

    Returns:
        A read-only array of the file's type and shape, in the machine's byte order.

    Raises:
        DataError: the file is foreign, truncated or damaged, or has trailing bytes.
    """
    content = read_bytes(path)
    try:
        return _parse(_Gzip(content) if path.suffix == ".gz" else _Raw(content))
    except _Damage as damage:
        raise damaged(path, str(damage), cure) from damage.__cause__


class _Damage(Exception):
    """What is wrong with the content of a file."""


def _parse(source: "_Raw | _Gzip") -> np.ndarray:
    magic = source.take(4)
    if len(magic) < 4:
        raise _Damage(f"not an IDX file: only {len(magic)} bytes")
    if magic[:2] != b"\0\0" or magic[2] not in TYPES or not 1 <= magic[3] <= MAX_DIMENSIONS:
        hint = " (gzip data: its name should end in .gz)" if magic[:2] == b"\x1f\x8b" else ""
        raise _Damage(f"not an IDX file: it starts with {magic.hex(' ')}{hint}")
    dtype = np.dtype(TYPES[magic[2]])
    header = source.take(4 * magic[3])
    if len(header) < 4 * magic[3]:
        raise _Damage("truncated: it ends within the header")
    shape = tuple(int(size) for size in np.frombuffer(header, dtype=">u4"))
    expected = math.prod(shape) * dtype.itemsize
    # One byte more than expected shows trailing bytes, and a lying header allocates nothing.
    body = source.take(expected + 1)
    if len(body) < expected:
        raise _Damage(f"truncated: {len(body)} of the {expected} bytes that shape {shape} needs")
    if len(body) > expected or source.has_more():
        raise _Damage(f"trailing bytes after the {expected} that shape {shape} needs")
    values = np.frombuffer(body, dtype=dtype).reshape(shape)
    return values.astype(dtype.newbyteorder("="), copy=False)


class _Raw:
    def __init__(self, content: bytes) -> None:
        self.rest = memoryview(content)

    def take(self, count: int) -> memoryview:
        """Return the next `count` bytes, or as many as there are."""
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def has_more(self) -> bool:
        return len(self.rest) > 0


class _Gzip:
    def __init__(self, content: bytes) -> None:
        if content[:2] != b"\x1f\x8b":
            start = f"starts with {content[:4].hex(' ')}" if content else "is empty"
            raise _Damage(f"not gzip data: it {start}")
        self.rest = content
        self.stream = zlib.decompressobj(GZIP)

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes, or as many as there are."""
        try:
            taken = self.stream.decompress(self.rest, min(count, sys.maxsize))
        except zlib.error as error:
            raise _Damage(f"damaged gzip data ({error})") from error
        self.rest = self.stream.unconsumed_tail
        if len(taken) < count and not self.stream.eof:
            raise _Damage("truncated: the gzip data ends too early")
        return taken

    def has_more(self) -> bool:
        return len(self.stream.unused_data) > 0

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

from dlx.capacity import check_fits
from dlx.data.source_files import FETCH_AGAIN, MOST_PACKED, SMALLER, damaged, missing, read_bytes

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_DIMENSIONS = 8
GZIP_MAGIC = b"\x1f\x8b"
GZIP = 31  # zlib's window bits for "a gzip header, and the largest window"


def find(name: str, path: Path) -> Path:
    """Return `path`, or `path` with `.gz` where only that exists."""
    gzipped = path.with_name(path.name + ".gz")
    for candidate in (path, gzipped):
        if candidate.is_file():
            return candidate
    raise missing(name, gzipped)


def read(path: Path, cure: str = FETCH_AGAIN) -> np.ndarray:
    """Read an IDX file, gzipped if its name ends in `.gz`, as a read-only array."""
    content = read_bytes(path)
    try:
        return _parse(path, content, gzipped=path.suffix == ".gz")
    except ValueError as error:
        raise damaged(path, str(error), cure) from error.__cause__


def _parse(path: Path, content: bytes, *, gzipped: bool) -> np.ndarray:
    start = _first_bytes(content, 4 + 4 * MAX_DIMENSIONS, gzipped=gzipped)
    if len(start) < 4:
        raise ValueError(f"not an IDX file: only {len(start)} bytes")
    zeros, code, dimensions = start[:2], start[2], start[3]
    if zeros != b"\0\0" or code not in TYPES or not 1 <= dimensions <= MAX_DIMENSIONS:
        hint = " (gzip data: its name should end in .gz)" if zeros == GZIP_MAGIC else ""
        raise ValueError(f"not an IDX file: it starts with {start[:4].hex(' ')}{hint}")
    header = 4 + 4 * dimensions
    if len(start) < header:
        raise ValueError("truncated: it ends within the header")
    shape = tuple(int(size) for size in np.frombuffer(start, ">u4", dimensions, offset=4))
    dtype = np.dtype(TYPES[code])
    expected = math.prod(shape) * dtype.itemsize
    if gzipped:
        check_fits(f"{path}, unpacked", min(expected, MOST_PACKED * len(content)), SMALLER)
    # One byte more than expected shows trailing bytes, and a lying header allocates nothing.
    whole = _first_bytes(content, header + expected + 1, gzipped=gzipped)
    size = len(whole) - header
    if size < expected:
        raise ValueError(f"truncated: {size} of the {expected} bytes that shape {shape} needs")
    if size > expected:
        raise ValueError(f"trailing bytes after the {expected} that shape {shape} needs")
    values = np.frombuffer(whole, dtype, offset=header).reshape(shape)
    return values.astype(dtype.newbyteorder("="), copy=False)


def _first_bytes(content: bytes, count: int, *, gzipped: bool) -> bytes:
    """Return a file's first `count` bytes, unzipped; ValueError if gzip data are not whole."""
    if not gzipped:
        return content[:count]
    if not content.startswith(GZIP_MAGIC):
        start = f"starts with {content[:4].hex(' ')}" if content else "is empty"
        raise ValueError(f"not gzip data: it {start}")
    stream = zlib.decompressobj(GZIP)
    try:
        first = stream.decompress(content, min(count, sys.maxsize))
    except zlib.error as error:
        raise ValueError(f"damaged gzip data ({error})") from error
    if len(first) < count and not stream.eof:
        raise ValueError("truncated: the gzip data ends too early")
    if stream.unused_data:
        raise ValueError("trailing bytes after the gzip data")
    return first

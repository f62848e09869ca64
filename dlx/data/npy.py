"""NumPy's own files, read so that they can neither run code nor promise more than they hold.

Reference:
    https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

import io
import math
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from dlx.capacity import check_fits
from dlx.data.source_files import SMALLER, WRITE_AGAIN, damaged, readable
from dlx.errors import DataError, did_you_mean, refuse_special

_LONGEST_HEADER = 2**16  # bytes; of plain numbers it has about a hundred


def read_npy(path: Path) -> np.ndarray:
    """Return the array of an npy file, mapped into memory: what is not used is not read."""
    try:
        with readable(path):
            refuse_special(path)
            with path.open("rb") as file:
                _check_header(file, path.stat().st_size)
            return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except DataError:
        raise
    except Exception as error:  # a header is Python, and may be wrong in any way that Python knows
        raise damaged(path, f"not an npy file of numbers ({error})", WRITE_AGAIN) from error


class Archive:
    """The arrays of an npz file; a context manager."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0  # bytes of all arrays so far
        try:
            with readable(path):
                refuse_special(path)
                self._zip = zipfile.ZipFile(path)
        except zipfile.BadZipFile as error:
            raise damaged(path, f"not an npz file ({error})", WRITE_AGAIN) from error
        self.names = [n.removesuffix(".npy") for n in self._zip.namelist() if n.endswith(".npy")]

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *exception: object) -> None:
        self._zip.close()

    def read(self, key: str, name: str) -> np.ndarray:
        """Return the array of a name; `key` is the option that gives the name."""
        if name not in self.names:
            raise DataError(
                f"{key}: {self._path} has no array {name!r}{did_you_mean(name, self.names)} "
                f"(it has {', '.join(map(repr, self.names)) or 'none'})"
            )
        entry = self._zip.getinfo(f"{name}.npy")
        self._read += entry.file_size
        check_fits(f"{self._path}, unpacked", self._read, SMALLER)
        try:
            with self._zip.open(entry) as file:
                _check_header(file, entry.file_size)
            with self._zip.open(entry) as file:
                return np.lib.format.read_array(file, allow_pickle=False)
        except Exception as error:  # of zipfile, of any of its decompressors, or of NumPy
            problem = f"its array {name!r} cannot be read ({error})"
            raise damaged(self._path, problem, WRITE_AGAIN) from error


def _check_header(whole: IO[bytes], size: int) -> None:
    """Check the header of an array of `size` bytes, before anything is allocated for it.

    ValueError: pickled objects, no numbers, or another size than the header says.
    """
    file = io.BytesIO(whole.read(_LONGEST_HEADER))
    if np.lib.format.read_magic(file) == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    if dtype.hasobject:
        raise ValueError("it holds pickled objects, which could run code")
    if dtype.kind not in "biufU":
        raise ValueError(f"it holds {dtype}, not numbers")
    expected, actual = math.prod(shape) * dtype.itemsize, size - file.tell()
    if expected != actual:
        raise ValueError(
            f"its header says {dtype} of shape {shape}: {expected} bytes, not {actual}"
        )

"""Reading the files of a data set, with checks of those that could run code."""

import contextlib
import hashlib
import io
import pickle
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dlx.capacity import check_fits
from dlx.errors import DataError, refuse_special


def missing(name: str, path: Path) -> DataError:
    """Return the error for a data set whose file does not exist."""
    return DataError(
        f"data set {name!r} is missing: no {path.name} in {path.parent}; run `dlx data fetch "
        f"{name}`, or name the folder that has it with --data-dir or DLX_DATA"
    )


FETCH_AGAIN = "delete the file and fetch the data set again"
WRITE_AGAIN = "write the file again, or name another"
MOST_PACKED = 1032  # bytes that become of one in gzip's format
SMALLER = "give a smaller file, or use a machine with more memory"


def damaged(path: Path, problem: str, cure: str = FETCH_AGAIN) -> DataError:
    """Return the error for a file that is not what its name says."""
    return DataError(f"{path}: {problem}; {cure}")


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn an `OSError` of the block, or one of a compressed file, into a `DataError`."""
    try:
        yield
    except (EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read, since it is cut or damaged ({error})") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def read_bytes(path: Path, name: str = "") -> bytes:
    """Return a file's content; if it is one of data set `name`, a cure is to fetch that."""
    if name and not path.is_file():
        raise missing(name, path)
    with readable(path):
        refuse_special(path)
        check_fits(path, path.stat().st_size, SMALLER)
        return path.read_bytes()


class _ArraysOnly(pickle.Unpickler):
    """Builds dictionaries, lists, strings, numbers and NumPy arrays; anything else is an error."""

    def find_class(self, module: str, name: str) -> Any:
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        # NumPy 2 moved numpy.core; the old name still works but warns.
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return np.empty(0).__reduce__()[0]
        raise pickle.UnpicklingError(f"it holds a {module}.{name}")


def read_pickle(path: Path, name: str, md5: str) -> Any:
    """Read a pickle of plain values and arrays as Python 2 wrote them, once its MD5 is right."""
    content = read_bytes(path, name)
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if digest != md5:
        raise damaged(path, f"MD5 is {digest}, published is {md5}, so it was not opened")
    try:
        return _ArraysOnly(io.BytesIO(content), encoding="latin1").load()
    except pickle.UnpicklingError as error:
        raise damaged(path, f"not a pickle of plain values and arrays ({error})") from error

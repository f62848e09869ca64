"""Files that are whole or do not exist: atomic replacement, appending by whole records."""

import contextlib
import errno
import json
import math
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dlx.errors import StorageError

_FULL = "free some space or choose another directory"
_FORBIDDEN = "choose a directory that you may write to"
_CURES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: "raise the limit on file sizes (ulimit -f) or choose another directory",
    errno.EROFS: _FORBIDDEN,
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.ENOENT: "the directory does not exist: make it, or choose another",
    errno.ENOTDIR: "a part of the path is a file: choose another directory",
    errno.EEXIST: "a file is in the way: choose another directory",
    errno.ENAMETOOLONG: "choose a shorter path",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENFILE: "close other programs, which hold the system's open files",
}


# Windows opens files as texts, and writes a line's end as two bytes, unless told not to.
BINARY = getattr(os, "O_BINARY", 0)


def finite(value: Any) -> Any:
    """Return a document as JSON can hold it: numbers plain, and null where they are not finite."""
    if isinstance(value, Mapping):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def parsed(content: bytes | str) -> Any:
    """Return what JSON says; ValueError if it is none, or nested deeper than Python goes."""
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


@contextlib.contextmanager
def storage_errors(path: Path, action: str = "write") -> Iterator[None]:
    """Turn an `OSError` of the block into a `StorageError` that names the path and the cure."""
    try:
        yield
    except OSError as error:
        cure = _CURES.get(error.errno or 0, "check the disk")
        raise StorageError(f"cannot {action} {path}: {error.strerror or error}; {cure}") from error


def make_directory(path: Path) -> None:
    """Make a directory and its parents, unless they exist."""
    with storage_errors(path, "make"):
        path.mkdir(parents=True, exist_ok=True)


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file so that at any moment, even after a crash, the old or the new one is whole.

    The bytes go to a hidden file beside it (`.<name>.<8 hex>.tmp`), which is synced and then takes
    the name; the directory is synced too. Once this returns, the file survives a power cut.
    StorageError: disk full, read-only, no permission; the old file stays as it was.
    """
    replace_atomic(path, lambda temporary: temporary.write_bytes(content))


def replace_atomic(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file that takes the place of `path` whole; see `write_atomic`."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with storage_errors(path):
        try:
            write(temporary)
            descriptor = os.open(temporary, os.O_RDWR)  # Windows syncs no file opened to be read
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        sync_directory(path.parent)


def remove_temporaries(folder: Path) -> None:
    """Delete what killed `write_atomic` calls left in a folder that nobody else writes to."""
    for leftover in folder.glob(".*.tmp"):
        with contextlib.suppress(OSError):
            leftover.unlink()


def sync_directory(folder: Path) -> None:
    """Make the names in a folder durable: what was created, renamed or deleted in it."""
    if not hasattr(os, "O_DIRECTORY"):  # Windows, which cannot sync a folder
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class AppendFile:
    """A file that grows by whole records: one that could be written only in part is taken back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with storage_errors(path, "open"):
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | BINARY, 0o666)
            self.size = os.fstat(self._descriptor).st_size

    def append(self, record: bytes | str) -> None:
        """Hand a record to the operating system: it survives the death of this process.

        StorageError: not all of it could be written; the file is as long as before.
        """
        content = record.encode() if isinstance(record, str) else record
        try:
            with storage_errors(self.path):
                left = memoryview(content)
                while left:
                    left = left[os.write(self._descriptor, left) :]
        except BaseException:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(content)

    def truncate(self, size: int) -> None:
        """Cut the file to its first `size` bytes."""
        with storage_errors(self.path):
            os.ftruncate(self._descriptor, size)
        self.size = size

    def sync(self) -> None:
        """Make what was appended survive a power cut."""
        with storage_errors(self.path):
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            with storage_errors(self.path):
                os.close(descriptor)

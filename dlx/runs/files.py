"""Files that are whole or do not exist: atomic replacement, appending by whole records."""

import contextlib
import errno
import hashlib
import json
import math
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from dlx.errors import FEW_FILES, RunError, StorageError, UnreadableError

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
    errno.EISDIR: "a directory is in the way: name a file",
    errno.ELOOP: "links lead in a circle: choose another directory",
    errno.ENXIO: "it is a socket, or a pipe that nobody reads: name a file",
    errno.ENAMETOOLONG: "choose a shorter path",
    errno.EMFILE: FEW_FILES,
    errno.ENFILE: "close other programs, which hold the system's open files",
}


# Windows opens files as texts, and writes a line's end as two bytes, unless told not to.
BINARY = getattr(os, "O_BINARY", 0)
# A folder of runs may come from a stranger: a link in it would lead to the user's own files, and
# opening a FIFO would wait for ever.
_PLAIN = BINARY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def open_plain(path: Path, flags: int) -> int:
    """Open a file of a run's folder, and return its descriptor.

    Raises:
        OSError: as `os.open`
        RunError: it is a link, or a FIFO or socket
    """
    try:
        descriptor = os.open(path, flags | _PLAIN, 0o666)
    except OSError as error:
        if path.is_symlink() or error.errno in (errno.ENXIO, errno.ENODEV):
            raise _not_plain(path) from error
        raise
    followed = not hasattr(os, "O_NOFOLLOW") and path.is_symlink()
    if followed or stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        close_descriptor(descriptor)
        raise _not_plain(path)
    return descriptor


def close_descriptor(descriptor: int) -> None:
    """Close a file that was read, locked or synced, whatever the system says: nothing is lost."""
    with contextlib.suppress(OSError):
        os.close(descriptor)


def read_plain(path: Path) -> bytes:
    """Return the content of a file of a run's folder.

    Raises:
        FileNotFoundError, NotADirectoryError: there is none
        RunError: it is a folder, a link, or a FIFO, socket or device
        UnreadableError: the system does not give it
    """
    try:
        descriptor = open_plain(path, os.O_RDONLY)
        try:
            if stat.S_ISCHR(os.fstat(descriptor).st_mode):  # which may have no end
                raise _not_plain(path)
            with open(descriptor, "rb", closefd=False) as file:
                return file.read()
        finally:
            close_descriptor(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        kind = RunError if isinstance(error, IsADirectoryError) else UnreadableError
        raise kind(f"cannot read {path}: {error.strerror}") from error


def gone(path: Path) -> StorageError:
    """Return the error of a file or folder that was moved while dlx wrote to it."""
    return StorageError(
        f"{path} is gone: it was moved or deleted while dlx wrote to it; put it back, or go on "
        "with the folder where it is now by `dlx resume`"
    )


def exists(path: Path) -> bool:
    """Say whether there is a file or folder; OSError where the system does not tell.

    `Path.exists` says no then, from Python 3.14 on, and what is there would be lost or left out.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError as error:
        if _is_no_path(error):
            return False
        raise
    return True


def _is_no_path(error: OSError) -> bool:
    """Say whether a path is none: links in a circle, and on Windows what is no name there."""
    return error.errno == errno.ELOOP or getattr(error, "winerror", None) in (21, 123, 1921)


def matching(folder: Path, pattern: str) -> list[Path]:
    """Return the paths below a folder that fit a pattern, sorted; OSError if a folder is not given.

    `Path.glob` leaves out what it may not read and, from Python 3.13 on, what it cannot.
    """
    paths = [folder]
    for part in pattern.split("/"):
        below = []
        for path in paths:
            try:
                below += [inner for inner in path.iterdir() if fnmatchcase(inner.name, part)]
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                if not _is_no_path(error):
                    raise
        paths = below
    return sorted(paths)


def refuse_links(folder: Path) -> None:
    """Raise a RunError if anything below a folder is a link or a special file; none is opened."""
    waiting = [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                    elif not entry.is_file(follow_symlinks=False):
                        raise _not_plain(Path(entry.path))
        except FileNotFoundError:
            pass  # removed meanwhile
        except OSError as error:
            raise UnreadableError(f"cannot read {error.filename}: {error.strerror}") from error


def _not_plain(path: Path) -> RunError:
    kind = "a link" if path.is_symlink() else "a special file"
    return RunError(
        f"{path} is {kind}, which dlx does not follow in a folder of runs; delete it, or put the "
        "file or folder itself in its place"
    )


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
        return json.loads(content, parse_constant=refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def refuse(constant: str) -> None:
    """Refuse NaN and Infinity, which Python's JSON knows alone."""
    raise ValueError(f"it holds {constant}, which JSON does not know")


@contextlib.contextmanager
def storage_errors(path: Path, action: str = "write") -> Iterator[None]:
    """Turn an `OSError` of the block into a `StorageError` that names the path and the cure."""
    try:
        yield
    except OSError as error:
        cure = _CURES.get(error.errno or 0, "check the disk")
        raise StorageError(f"cannot {action} {path}: {error.strerror or error}; {cure}") from error


def make_directory(path: Path) -> None:
    """Make a directory and its parents, unless they exist, so that they survive a power cut."""
    with storage_errors(path, "make"):
        missing = [folder for folder in (path, *path.parents) if not exists(folder)]
        for folder in reversed(missing or [path]):
            folder.mkdir(exist_ok=True)
            sync_directory(folder.parent)


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file so that at any moment, even after a crash, the old or the new one is whole.

    The bytes go to a hidden file beside it (`.<name>.<8 hex>.tmp`), which is synced and then takes
    the name; the directory is synced too. Once this returns, the file survives a power cut.
    StorageError: disk full, read-only, no permission; the old file stays as it was.
    """
    replace_atomic(path, lambda temporary: temporary.write_bytes(content))


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file on the disk, in hexadecimal; StorageError names it."""
    with storage_errors(path, "read"), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
                close_descriptor(descriptor)
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
        close_descriptor(descriptor)


class AppendFile:
    """A file that grows by whole records: one that could be written only in part is taken back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with storage_errors(path, "open"):
            self._descriptor = _open_to_append(path)
            self.size = os.fstat(self._descriptor).st_size
        self._is_named = False  # whether its name has been synced

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
            if not self._is_named:
                sync_directory(self.path.parent)
                self._is_named = True

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            with storage_errors(self.path):
                os.close(descriptor)


def _open_to_append(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    descriptor = open_plain(path, flags)
    if os.fstat(descriptor).st_nlink > 1:
        close_descriptor(descriptor)
        part(path)
        descriptor = open_plain(path, flags)
    return descriptor


def part(path: Path) -> None:
    """Make a file that has other names, perhaps one of the user's own, a file for itself."""
    if path.stat().st_nlink > 1:
        write_atomic(path, read_plain(path))

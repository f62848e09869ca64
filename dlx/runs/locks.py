"""Locks that a process holds on a file and loses when it ends, however it ends."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from dlx.errors import RunInUseError
from dlx.runs.files import storage_errors

# `is_held` takes the lock for a moment to try it; a holder-to-be waits such moments out.
_PATIENCE_SECONDS = 0.3


@contextlib.contextmanager
def hold(
    path: Path, *, wait: bool = False, stop: Callable[[], bool] = lambda: False
) -> Iterator[None]:
    """Hold the lock file `path` (made if it is not there) during the block.

    Args:
        path: the lock file; it stays, with the process number of its last holder in it.
        wait: wait for as long as another process holds it.
        stop: says whether to wait no longer.

    Raises:
        RunInUseError: it is held, and `wait` is false or the waiting was stopped.
        StorageError: the file cannot be made or written.
    """
    with storage_errors(path, "lock"):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with storage_errors(path, "lock"):
            # Not `flock` itself waits: it goes on after a signal that is only noted.
            while not _try(descriptor):
                if wait and not stop():
                    continue
                holder = os.pread(descriptor, 32, 0).decode().strip()
                raise RunInUseError(
                    f"{path.parent} is in use by process {holder or '(unknown)'}: "
                    "wait until it ends, or stop it"
                )
        # For the message only: on a full disk, a run must still be there to be removed.
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Return whether a process holds the lock file `path`."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        with storage_errors(path, "lock"):
            # Shared, so that two processes that look at once do not see each other.
            return not _try_once(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _try(descriptor: int) -> bool:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not _try_once(descriptor, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _try_once(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

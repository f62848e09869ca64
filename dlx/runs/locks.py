"""Locks that a process holds on a file and loses when it ends, however it ends."""

import contextlib
import os
import random
import re
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import lock_descriptor, unlock_descriptor

from dlx.errors import DlxWarning, RunInUseError
from dlx.runs.files import close_descriptor, open_plain, storage_errors

# `is_held` takes the lock for a moment to try it. Whoever wants to hold it waits such moments out,
# and so does another process that looks, after pauses of random length.
_PATIENCE_SECONDS = 0.3
_PAUSE_SECONDS = 0.02
_LOOKS = 8
_LOOK_PAUSE_SECONDS = (0.001, 0.004)
_SILENT_SECONDS = 1.0  # of waiting, before the user is told what for
_pause = random.SystemRandom()


@contextlib.contextmanager
def hold(
    path: Path, *, wait: bool = False, stop: Callable[[], bool] = lambda: False
) -> Iterator[None]:
    """Hold the lock file `path` during the block; it is made if it does not exist.

    It stays, with the process number and host of its last holder in it. A wait of more than a
    second is told once, as a `DlxWarning`. RunInUseError: another process holds it, and `wait` is
    false or `stop()` ended the waiting.
    """
    with storage_errors(path, "lock"):
        descriptor = open_plain(path, os.O_RDWR | os.O_CREAT)
    try:
        with storage_errors(path, "lock"):
            _acquire(path, descriptor, wait, stop)
        # For the message only: on a full disk, a run must still be there to be removed.
        with contextlib.suppress(OSError):
            if os.fstat(descriptor).st_nlink == 1:  # else the content of another file would be lost
                os.ftruncate(descriptor, 0)
                words = f" {os.getpid()} on {socket.gethostname()}\n"
                os.write(descriptor, words.encode())
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                unlock_descriptor(descriptor)
    finally:
        close_descriptor(descriptor)


def is_held(path: Path) -> bool:
    """Return whether a process holds the lock file `path`.

    True also where that cannot be found out: on a network's file system, of a file that this
    process may not write.
    """
    for mode in (os.O_RDWR, os.O_RDONLY):
        with contextlib.suppress(OSError):
            descriptor = open_plain(path, mode)
            break
    else:
        return False
    try:
        for _ in range(_LOOKS):
            if lock_descriptor(descriptor, blocking=False):
                return False
            time.sleep(_pause.uniform(*_LOOK_PAUSE_SECONDS))
    except OSError:
        return True
    finally:
        close_descriptor(descriptor)
    return True


def _acquire(path: Path, descriptor: int, wait: bool, stop: Callable[[], bool]) -> None:
    """Take the lock; RunInUseError if another process holds it and nobody waits any longer."""
    began = time.monotonic()
    is_told = False
    # No call that waits inside: it would go on after a signal that is only noted.
    while not lock_descriptor(descriptor, blocking=False):
        waited = time.monotonic() - began
        if stop() if wait else waited > _PATIENCE_SECONDS:
            raise RunInUseError(
                f"{path.parent} is in use by {_holder(descriptor)}: wait until it ends, or stop it"
            )
        if waited > _SILENT_SECONDS and not is_told:
            is_told = True
            words = f"waiting for {_holder(descriptor)}, which uses {path.parent}"
            warnings.warn(words, DlxWarning, stacklevel=4)
        time.sleep(_PAUSE_SECONDS)


def _holder(descriptor: int) -> str:
    """Return the process that holds a lock file, in words."""
    # Windows locks the first byte, a blank, against readers too.
    os.lseek(descriptor, 1, os.SEEK_SET)
    words = os.read(descriptor, 400).decode(errors="replace")
    holder = re.match(r"[0-9]+ on [\w.-]+$", words, re.MULTILINE)
    return f"process {holder[0]}" if holder else "another process"

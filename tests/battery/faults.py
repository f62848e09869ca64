"""Faults of the system in this process and its copies: calls on files that fail, processes killed.

`faults.c` stands between a program and the C library, so that what fails is the real call, below
Python's own buffers and repeats. A process has it that was started with `preloaded()`.
"""

import contextlib
import ctypes
import errno
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

WRITE, SYNC, OPEN, NAME, REMOVE, READ, CLOSE = 1, 2, 4, 8, 16, 32, 64
KINDS = WRITE, SYNC, OPEN, NAME, REMOVE, READ, CLOSE
_ALL = WRITE | SYNC | OPEN | NAME | REMOVE  # that change something


@dataclass(frozen=True)
class Fault:
    """What a call meets.

    Attributes:
        how: an errno, or one of the numbers below 0 of faults.c
        kinds: which calls can meet it
        lasting: whether all later calls meet it too
    """

    how: int
    kinds: int = _ALL
    lasting: bool = False


FAULTS = {
    "kill": Fault(-1),
    "kill in a write": Fault(-3, WRITE),
    "kill before a removal": Fault(-1, REMOVE),  # when all else is written
    "full disk": Fault(errno.ENOSPC, WRITE | OPEN | NAME, lasting=True),
    "broken disk": Fault(errno.EIO, lasting=True),
    "error of the disk": Fault(errno.EIO),
    "interrupted call": Fault(errno.EINTR, WRITE | SYNC | OPEN),
    "short write": Fault(-2, WRITE),
    "short writes": Fault(-2, WRITE, lasting=True),
    "error of a read": Fault(errno.EIO, READ),
    "unreadable disk": Fault(errno.EIO, READ, lasting=True),
    "error of a close": Fault(errno.EIO, CLOSE),
}


class _State(ctypes.Structure):
    _fields_ = (
        ("count", ctypes.c_long),
        ("counts", ctypes.c_long * len(KINDS)),
        ("at", ctypes.c_long),
        ("how", ctypes.c_int),
        ("kinds", ctypes.c_int),
        ("lasting", ctypes.c_int),
        ("met", ctypes.c_int),
        ("root", ctypes.c_char * 4096),
    )


def why_not() -> str:
    """Return why this machine cannot have faults; empty: it can."""
    if sys.platform != "linux":
        return "the C library is preloaded on Linux alone"
    return "" if importlib.util.find_spec("ziglang") else "no compiler"


def preloaded(folder: Path) -> dict[str, str]:
    """Build the library in a folder; return the variables of a process that is to have it."""
    library = folder / "faults.so"
    source = Path(__file__).with_suffix(".c")
    command = [sys.executable, "-m", "ziglang", "cc", "-shared", "-fPIC", "-O1", "-o", library]
    subprocess.run([*map(str, command), str(source)], check=True, capture_output=True)
    return os.environ | {"LD_PRELOAD": str(library), "OMP_NUM_THREADS": "1"}


def state() -> _State:
    """Return the faults of this process."""
    return ctypes.POINTER(_State).in_dll(ctypes.CDLL(None), "faults").contents


def calls(own: _State, fault: Fault) -> int:
    """Return how many calls there were that could have met a fault."""
    return sum(own.counts[place] for place, kind in enumerate(KINDS) if kind & fault.kinds)


@contextlib.contextmanager
def faults(root: Path, fault: Fault, at: int) -> Iterator[_State]:
    """Count calls on files below a folder and, unless `at` is below 0, let one meet a fault."""
    own = state()
    own.count, own.at, own.met = 0, at, 0
    own.counts[:] = [0] * len(KINDS)
    own.how, own.kinds, own.lasting = fault.how, fault.kinds, fault.lasting
    own.root = os.fsencode(root)
    try:
        yield own
    finally:
        own.root = b""

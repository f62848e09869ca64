"""How much memory this process may have at most, whoever else wants some."""

import functools
import os
import subprocess
import sys
from pathlib import Path

from dlx.errors import MemoryLimitError

# Bytes of addresses: of Python and NumPy; of other libraries beside torch; of threads on a core.
_LEAST, _ROOM, _OF_CORE = 2**29, 2**29, 2**28

_CURE = "raise the limit on the process (ulimit -v)"

# Of the group of processes that this one belongs to, in a container.
_GROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")

_BOUNDLESS = 2**63  # where the system does not tell (Windows)


def memory() -> int:
    """Return the least of the machine's memory and of the limits on this process, in bytes."""
    limits = [addresses(), *_of_group()]
    if hasattr(os, "sysconf"):
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return min(limits)


def addresses() -> int:
    """Return how many bytes of addresses this process may have (`ulimit -v`)."""
    try:
        import resource
    except ImportError:  # on Windows
        return _BOUNDLESS
    bound, _ = resource.getrlimit(resource.RLIMIT_AS)
    return _BOUNDLESS if bound == resource.RLIM_INFINITY else bound


def check_addresses(needs_torch: bool) -> None:
    """Refuse a limit on addresses within which libraries cannot begin.

    They need them for code and for what threads may want one day, whether it is used or not. With
    fewer, libraries in C wait for ever or end the process without a word.

    Raises:
        MemoryLimitError: the limit is too low
    """
    most = addresses()
    if most == _BOUNDLESS:
        return
    needed = _LEAST
    if needs_torch and most >= needed:
        needed = _with_torch() + _ROOM + _OF_CORE * (os.cpu_count() or 1)
    if most < needed:
        raise MemoryLimitError(
            f"out of memory: a process of dlx needs {needed / 2**20:,.0f} MiB of addresses to "
            f"begin, and may have {most / 2**20:,.0f}; {_CURE}"
        )


def _with_torch() -> int:
    """Return how many bytes of addresses a process takes that has begun and loaded torch."""
    program = "import numpy, torch; print(open('/proc/self/statm').read().split()[0])"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    if ended.returncode:
        said = (ended.stderr.strip() or "no word").splitlines()[-1]
        raise MemoryLimitError(
            f"out of memory: torch does not begin within {gigabytes(addresses())} of addresses "
            f"({said}); {_CURE}"
        )
    return int(ended.stdout) * os.sysconf("SC_PAGE_SIZE")


@functools.cache  # an ablation asks once for each run
def _of_group() -> list[int]:
    texts = [Path(file).read_text().strip() for file in _GROUP_LIMITS if Path(file).exists()]
    return [int(text) for text in texts if text.isdecimal()]


def gigabytes(size: int) -> str:
    """Return a number of bytes as messages show it."""
    return f"{size / 2**30:,.1f} GiB"


def check_fits(what: object, size: int, cure: str) -> None:
    """Refuse what needs at least so many bytes, before they are taken.

    A small compressed file can become as large as it likes.

    Raises:
        MemoryLimitError: there are fewer
    """
    most = memory()
    if size > most:
        raise MemoryLimitError(
            f"out of memory: {what}: this needs at least {gigabytes(size)}, and there are "
            f"{gigabytes(most)}; {cure}"
        )

"""How much memory this process may have at most, whoever else wants some."""

import functools
import os
from pathlib import Path

from dlx.errors import MemoryLimitError

# Of the group of processes that this one belongs to, in a container.
_GROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory() -> int:
    """Return the least of the machine's memory and of the limits on this process, in bytes.

    2^63 where the system does not tell (Windows).
    """
    limits = [2**63]
    if hasattr(os, "sysconf"):
        import resource  # not on Windows either

        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
        bound, _ = resource.getrlimit(resource.RLIMIT_AS)
        limits += [bound] if bound != resource.RLIM_INFINITY else []
    return min([*limits, *_of_group()])


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

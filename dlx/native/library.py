"""The library of this processor, loaded once.

`DLX_NATIVE_LEVEL` chooses a lower level than the processor has (v2, v3 or v4 of x86-64).
"""

import ctypes
import functools
import json
import os
import platform
from pathlib import Path

from dlx.errors import ConfigError
from dlx.native.build import (
    DIGESTS,
    LEVELS,
    LIBRARIES,
    SOURCES_NAME,
    architecture,
    digest,
    digest_of_sources,
    file_name,
)

LEVEL_VARIABLE = "DLX_NATIVE_LEVEL"
# Of the bits that the kernels compute: another number where these change.
ARITHMETIC = 2


class Unavailable(Exception):
    """There is no library that this machine can load; the message says why."""


def load() -> ctypes.CDLL:
    """Return the library of the highest level that the processor has, or of the chosen one.

    Raises:
        Unavailable: it was not built, or cannot be loaded
        ConfigError: DLX_NATIVE_LEVEL names a level that the processor does not have
    """
    loaded = _load(os.environ.get(LEVEL_VARIABLE, ""))
    if isinstance(loaded, str):
        raise Unavailable(loaded)
    return loaded


def absence() -> str | None:
    """Return why there is no library here; None where there is one."""
    loaded = _load(os.environ.get(LEVEL_VARIABLE, ""))
    return loaded if isinstance(loaded, str) else None


def level() -> str:
    """Return the level of the library that `load` returns."""
    return _chosen(os.environ.get(LEVEL_VARIABLE, ""))


def forget() -> None:
    """Look for the libraries anew at the next call."""
    for function in (_load, _chosen, _library):
        function.cache_clear()


def levels() -> list[str]:
    """Return the levels that this processor has, the lowest first."""
    known = list(LEVELS.get(architecture(), ()))
    if not known:
        raise Unavailable(f"no library is made for {platform.machine()} processors")
    lowest = _library(known[0])
    lowest.dlx_level.restype = ctypes.c_int64
    return known[: known.index(f"v{lowest.dlx_level()}") + 1]


@functools.cache
def _load(wanted: str) -> ctypes.CDLL | str:
    """Return the library, or why there is none: every draw of random numbers asks."""
    try:
        return _library(_chosen(wanted))
    except Unavailable as error:
        return str(error)


@functools.cache
def _chosen(wanted: str) -> str:
    able = levels()
    if wanted and wanted not in able:
        raise ConfigError(
            f"{LEVEL_VARIABLE}: received {wanted!r}, but this processor has {', '.join(able)}; "
            "choose one of these, or unset it"
        )
    return wanted or able[-1]


@functools.cache
def _library(level: str) -> ctypes.CDLL:
    path: Path = LIBRARIES / file_name(level, architecture(), platform.system())
    # Loading a damaged library may end the process, and so may structures of other sources.
    digests = _digests()
    try:
        if not path.exists():
            raise Unavailable(
                "the native library was not built when dlx was installed; install it again with "
                "`pip install --force-reinstall .`, or build it with `python -m dlx.native.build`"
            )
        if digests.get(path.name) != digest(path):
            raise Unavailable(f"{path.name} is not what was built; install dlx again")
        if digests.get(SOURCES_NAME) != digest_of_sources():
            raise Unavailable(
                f"{path.name} was built from the sources of another version; install dlx again, or "
                "build it with `python -m dlx.native.build`"
            )
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise Unavailable(f"{path.name} cannot be loaded here ({error})") from error


def _digests() -> dict[str, str]:
    try:
        return dict(json.loads((LIBRARIES / DIGESTS).read_text()))
    except (OSError, ValueError, TypeError):
        return {}

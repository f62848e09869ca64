"""Errors that a user can cause, and the exit codes that they end the process with.

They are `DlxError`s. Their message names the key, row or file, what was received and the cure. The
command line prints it after `error:` and exits with `exit_code`. Any other exception is an error in
dlx itself; it exits with 1.
"""

import difflib
import errno
import re
import signal
import stat
import traceback
from collections.abc import Callable, Collection, Iterable
from itertools import islice
from pathlib import Path
from types import FrameType


class DlxWarning(UserWarning):
    """A warning to the user; the command line prints it after `warning:` and goes on."""


class DlxError(Exception):
    """A failure that the user can do something about.

    Attributes:
        exit_code: of the process
        run: the folder of the run that it ended; None: it ended none
    """

    exit_code = 1
    run: Path | None = None


class ConfigError(DlxError):
    """A config file, an override or a command line that cannot be used."""

    exit_code = 2


class DataError(DlxError):
    """Data that is missing, damaged or does not fit the config."""

    exit_code = 3


class RunError(DlxError):
    """A run directory or checkpoint that is missing, damaged or of another kind."""

    exit_code = 4


class DivergedError(DlxError):
    """Training stopped because a cost was not finite."""

    exit_code = 5


class FindingsError(DlxError):
    """Something stands out in a run that is as severe as `dlx diagnose --fail-on` says."""

    exit_code = 10


class DifferenceError(DlxError):
    """Training a run again did not give the same."""

    exit_code = 11


class MemoryLimitError(DlxError):
    """The machine or the device ran out of memory."""

    exit_code = 6


class RunInUseError(DlxError):
    """Another process holds the run."""

    exit_code = 7


class StorageError(DlxError):
    """A file could not be written: disk full, read-only, no permission."""

    exit_code = 9


class UnreadableError(RunError, StorageError):
    """A file of a run that is there, and that the disk or the system does not give.

    It may be whole: nothing that can be made again is made in its place.
    """


class ClusterError(DlxError):
    """The cluster that trained was lost; what it had sent is saved."""

    exit_code = 12


class Interrupted(DlxError):
    """Work was stopped by a signal, training mostly after saving; exits with 128 + its number."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


FEW_FILES = "raise the limit on open files (ulimit -n)"
FEW_PROCESSES = "raise the limit on processes and threads (ulimit -u)"

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)


def of_disk(error: BaseException) -> StorageError | None:
    """Return an error of the disk as one that the user can do something about, else None."""
    if isinstance(error, OSError) and error.errno in DISK:
        return StorageError(f"{error.filename or 'a file'}: {error.strerror}")
    return None


_LONGEST = 2000  # characters of a foreign error that are told
_MOST_SIBLINGS = 10_000  # files among which the nearest name is looked for

# What torch, the C++ library and the loader of libraries say of it in errors without a class.
_MEMORY_WORDS = (
    "can't allocate memory",
    "not enough memory",
    "Cannot allocate memory",
    "bad_alloc",
    "failed to map segment",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether the machine or the device ran out of memory; imports no torch."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    words_count = isinstance(error, RuntimeError | ImportError)
    return words_count and any(words in said(error) for words in _MEMORY_WORDS)


def did_you_mean(received: str, choices: Iterable[str]) -> str:
    """Return a question such as `; did you mean 'relu'?`, or "" if no choice is near.

    The same words in another order, or with other signs between them, are nearest; what is one
    letter away, or a swap of two neighbours, is nearer than what difflib finds alike.
    """
    choices = list(choices)
    near = [choice for choice in choices if _words(choice) == _words(received)]
    near = near or [choice for choice in choices if _is_one_edit(received, choice)]
    near = difflib.get_close_matches(received, near or choices, n=1, cutoff=0 if near else 0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def _words(text: str) -> list[str]:
    return sorted(re.split("[-_ ]+", text.casefold()))


def _is_one_edit(text: str, other: str) -> bool:
    """Say whether a letter more, less or changed, or two swapped, makes one text the other."""
    if abs(len(text) - len(other)) > 1 or min(len(text), len(other)) < 3:
        return False
    same = next((i for i, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), None)
    if same is None:
        return True
    rest, others = text[same:], other[same:]
    swapped = rest[1:2] + rest[:1] + rest[2:]
    return others in (rest[1:], swapped) or rest[1:] == others[1:] or rest == others[1:]


def unreadable(path: Path, error: OSError, kind: str, pattern: str) -> str:
    """Return why a file of a kind ("a YAML file") cannot be read, and the nearest such file."""
    if path.is_dir():
        return f"this is a folder; name {kind}"
    if not isinstance(error, FileNotFoundError):
        return f"{error.strerror}; the file must be readable"
    siblings = [file.name for file in islice(path.parent.glob(pattern), _MOST_SIBLINGS)]
    return f"no such file{did_you_mean(path.name, siblings)}"


def refuse_special(path: Path, *, pipe: bool = False) -> None:
    """Raise an OSError for a FIFO, a socket or a device, which may have no end, or no beginning.

    `pipe`: one that the shell has opened, such as /dev/stdin or <(command), is let through; it can
    be read once.
    """
    mode = path.stat().st_mode
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return
    if not (pipe and stat.S_ISFIFO(mode) and path.parts[1:2] in (("dev",), ("proc",))):
        raise OSError(errno.EINVAL, "it is a pipe, a socket or a device, and no file")


def said(error: BaseException) -> str:
    """Return what an error says, in a line and cut where it is long; empty if it fails to."""
    try:
        text = f"{error}"
        text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
        return " ".join(text.splitlines())
    except Exception:
        return ""


def raised_at(error: BaseException, files: Collection[str]) -> str | None:
    """Return `file:line: error` for the innermost line in some files that took part, else None."""
    if isinstance(error, SyntaxError) and error.filename in list(files):
        return f"{error.filename}:{error.lineno}: {error.msg}"
    return _innermost(error, lambda frame: frame.f_code.co_filename in files)


PLUGINS = "dlx_plugin_"  # begins the names of the modules that plug-ins become


def of_plugin(error: BaseException) -> str | None:
    """Return `plug-in file:line: error` if a line of a plug-in took part in it, else None.

    In the interrupt of a signal none did, whatever was being executed.
    """
    if is_of_signal(error):
        return None

    def is_its_own(frame: FrameType) -> bool:
        return str(frame.f_globals.get("__name__")).startswith(PLUGINS)

    place = _innermost(error, is_its_own)
    return place and f"plug-in {place}"


def is_of_signal(error: BaseException) -> bool:
    """Say whether an error is the interrupt that a signal has made, and not a plug-in's own."""
    if type(error) is not KeyboardInterrupt:
        return False
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        return True  # of which a trace has no line
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return frame.f_globals.get("__name__", "").startswith("dlx.")  # of the handler


def told(error: DlxError) -> str:
    """Return what a user's error says, with the line of the plug-in that raised it, if one did."""
    text = str(error)
    return text if "plug-in " in text else of_plugin(error) or text


def _innermost(error: BaseException, counts: Callable[[FrameType], bool]) -> str | None:
    *_, last = (None, *(own for own in traceback.walk_tb(error.__traceback__) if counts(own[0])))
    if last is None:
        return None
    frame, line = last
    text = str(error) if isinstance(error, DlxError) else f"{type(error).__name__}: {said(error)}"
    return f"{frame.f_code.co_filename}:{line}: {text}"

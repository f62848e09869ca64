"""A process that is killed at one of its operations on files."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# What Python tells an audit hook of, and functions of `os` that it tells nothing of.
_EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link")
_FUNCTIONS = ("write", "fsync", "ftruncate")


def operations(work: Callable[[], object], root: Path, at: int | None = None) -> int | None:
    """Do some work in a copy of this process, which is killed just before an operation on files.

    Operations are counted from 0, those below `root` alone; with `at` None it is not killed.
    Returns how many operations there were; None: it was killed.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        code = 1
        try:
            count = _counted(work, root, at)
            os.write(writer, str(count()).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    told = os.read(reader, 100)
    os.close(reader)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return None
    assert os.WEXITSTATUS(status) == 0, "the work failed"
    return int(told)


def _counted(work: Callable[[], object], root: Path, at: int | None) -> Callable[[], int]:
    count = 0

    def operate() -> None:
        nonlocal count
        if count == at:
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _EVENTS or not str(arguments[0]).startswith(str(root)):
            return
        flags = arguments[2] if event == "open" else os.O_WRONLY
        if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            operate()

    for name in _FUNCTIONS:
        real = getattr(os, name)

        def function(*arguments: Any, real: Callable[..., Any] = real) -> Any:
            operate()
            return real(*arguments)

        setattr(os, name, function)
    sys.addaudithook(hear)
    work()
    return lambda: count

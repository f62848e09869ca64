"""How the process ends soon after SIGINT, SIGTERM or SIGHUP, whatever it is doing.

Python handles a signal once the call that is being made has returned, which may take long. Here a
thread reads of signals at once. After the first one the process has some seconds to stop by itself,
so that training saves; then, and at once after a second one, its main thread is interrupted, and if
that does not end it, the process is. Nothing on disk is damaged by that: what a killed process
leaves behind is gone on from.
"""

import _thread
import contextlib
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType
from typing import NoReturn

from dlx.errors import DlxError

SECONDS_TO_SAVE = 3.5  # after the first signal, before the main thread is interrupted
SECONDS_TO_END = 0.5  # after that, before the process is ended

_seconds_to_save = SECONDS_TO_SAVE


def numbers() -> tuple[signal.Signals, ...]:
    """Return the signals that end the process; `nohup` has the end of a terminal ignored."""
    hangup = getattr(signal, "SIGHUP", None)  # not on Windows
    is_heard = hangup is not None and signal.getsignal(hangup) != signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM, *([hangup] if hangup and is_heard else []))


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Let this process end soon after a signal during the block; only the main thread may enter it.

    After such a signal the end of the process, after the block, is watched too. An interrupt that
    Python met where nothing can be raised (in the callback of a weak reference, say) is not
    printed: the main thread is interrupted once more when the seconds to save are over.
    """
    reader, writer = socket.socketpair()
    for end in (reader, writer):
        end.setblocking(False)
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    unraisable = sys.unraisablehook
    sys.unraisablehook = partial(_print_others, unraisable)
    is_over = threading.Event()
    threading.Thread(target=_watch, args=(reader, is_over), daemon=True).start()
    try:
        yield
    finally:
        is_over.set()
        sys.unraisablehook = unraisable
        signal.set_wakeup_fd(before)
        writer.close()  # which the thread is told of


@contextlib.contextmanager
def interrupted_by(received: list[int]) -> Iterator[None]:
    """Let an error of the block be the interrupt of a signal received before it, but dlx's own.

    Where a signal's handler interrupts code in C, that may put an error of its own in the place of
    the interrupt (matplotlib says that a matrix is invalid).
    """
    try:
        yield
    except DlxError:
        raise
    except Exception as error:
        if received:
            raise KeyboardInterrupt from error
        raise


def interrupting(received: list[int]) -> Callable[[int, FrameType | None], None]:
    """Return a handler of signals that notes one and interrupts what is done."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt  # which nothing takes for an error of its own

    return interrupt


@contextlib.contextmanager
def interruptible(received: list[int]) -> Iterator[None]:
    """Let signals to stop interrupt the block, note them, and be handled so after it too."""
    for number in numbers():
        signal.signal(number, interrupting(received))
    with interrupted_by(received):
        yield


@contextlib.contextmanager
def patient(seconds: float) -> Iterator[None]:
    """Let a process that is told to end during the block have so many seconds to save."""
    global _seconds_to_save
    before, _seconds_to_save = _seconds_to_save, seconds
    try:
        yield
    finally:
        _seconds_to_save = before


def _print_others(
    print_it: Callable[["sys.UnraisableHookArgs"], object], unraisable: "sys.UnraisableHookArgs"
) -> None:
    """Print what Python could not raise, unless it is an interrupt."""
    if not issubclass(unraisable.exc_type, KeyboardInterrupt):
        print_it(unraisable)


def _watch(reader: socket.socket, is_over: threading.Event) -> None:
    """Wait for a first signal, then for a second one or the end of patience."""
    if (number := _next(reader, None)) is None:
        reader.close()
        return
    # With the writer closed, reading ends at once; the time that is left is waited out then.
    end = time.monotonic() + _seconds_to_save
    while (left := end - time.monotonic()) > 0:
        if is_over.is_set():
            time.sleep(left)
        elif _next(reader, left) is not None:
            break
    if not is_over.is_set():
        _thread.interrupt_main(signal.Signals(number))
    time.sleep(SECONDS_TO_END)
    _end(number)


def _next(reader: socket.socket, timeout: float | None) -> int | None:
    """Return the next signal that ends the process; None: there was none in time."""
    end = None if timeout is None else time.monotonic() + timeout
    while True:
        left = None if end is None else max(end - time.monotonic(), 0)
        if not select.select([reader], [], [], left)[0]:
            return None
        try:
            received = reader.recv(1)
        except OSError:
            return None
        if not received:
            return None
        if received[0] in numbers():
            return received[0]


def end(code: int) -> NoReturn:
    """End the process with an exit code, at once but for what it has printed."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _end(number: int) -> None:
    """End the process without its leave."""
    with contextlib.suppress(OSError):
        if sys.stderr.isatty():
            os.write(2, b"\x1b[?25h")  # a progress display may have hidden the cursor
        name = signal.Signals(number).name
        os.write(2, f"stopped by {name} at once; what was not saved is lost\n".encode())
    os._exit(128 + number)

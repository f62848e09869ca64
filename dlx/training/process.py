"""What training asks of the process: signals, precision, device, memory, and a word of failures."""

import contextlib
import platform
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import torch

from dlx.errors import (
    DivergedError,
    DlxError,
    Interrupted,
    MemoryLimitError,
    RunError,
    RunInUseError,
    StorageError,
    is_out_of_memory,
    of_plugin,
    said,
)
from dlx.runs import RunDirectory, timestamp
from dlx.runs.files import refuse_links
from dlx.stopping import interrupted_by, interrupting, numbers
from dlx.training.memory import CURE


def device_name(device: torch.device) -> str:
    """Return a device as run.json names it."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"cpu ({platform.processor() or platform.machine()})"


@contextlib.contextmanager
def matmul_precision(precision: str) -> Iterator[None]:
    """Set torch's precision of matrix products, `highest`, `high` or `medium`, for the block."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextlib.contextmanager
def signals() -> Iterator[list[int]]:
    """Give the list of signals to stop received; only a second one interrupts the block."""
    received: list[int] = []
    again: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if received:
            again.append(number)
            raise KeyboardInterrupt
        received.append(number)

    with _handled_by(note), interrupted_by(again):
        yield received


@contextlib.contextmanager
def breaking_off(words: str) -> Iterator[None]:
    """Let a signal to stop break the block off: Interrupted, "stopped by SIGINT" and words."""
    received: list[int] = []
    with _handled_by(interrupting(received)):
        try:
            with interrupted_by(received):
                yield
        except KeyboardInterrupt:
            number = received[0] if received else signal.SIGINT
            raise Interrupted(f"stopped by {signal.Signals(number).name}{words}", number) from None


@contextlib.contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    # Python lets the main thread alone handle signals.
    main = threading.current_thread() is threading.main_thread()
    handled = numbers() if main else ()
    before = {number: signal.signal(number, handler) for number in handled}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextlib.contextmanager
def in_training(run: RunDirectory) -> Iterator[None]:
    """Hold a run's lock; record its failure in run.json, and let errors say what run it was.

    What fails before run.json says that the run trains leaves it as it is.
    """
    try:
        with run.lock():
            refuse_links(run.path)
            with _recorded_failures(run):
                yield
    except RunInUseError:
        raise
    except DlxError as error:
        error.run = run.path
        raise


@contextlib.contextmanager
def _recorded_failures(run: RunDirectory) -> Iterator[None]:
    # Where run.json can still be written.
    try:
        yield
    except (DivergedError, Interrupted):
        raise
    except BaseException as error:
        # Before training begins and after it ends, Ctrl-C interrupts without a word.
        blamed = of_plugin(error)
        interrupted = isinstance(error, KeyboardInterrupt) and blamed is None
        status = "interrupted" if interrupted else "failed"
        with contextlib.suppress(StorageError, RunError):
            if run.read_info()["status"] == "running":
                reason = str(error) if isinstance(error, DlxError) else blamed or said(error)
                run.write_info(status=status, ended=timestamp(), reason=reason)
        if is_out_of_memory(error):
            words = said(error) or type(error).__name__
            raise MemoryLimitError(f"out of memory while training; {CURE} ({words})") from error
        raise

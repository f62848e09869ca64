"""Progress of training on stderr: a live display on a terminal, else a line now and then."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from dlx.cli.output import note
from dlx.report.numbers import format_metric

if TYPE_CHECKING:
    from dlx.training.records import Progress

_SECONDS_BETWEEN_LINES = 1.0


class Display(Protocol):
    """A display of progress."""

    def show(self, progress: Any) -> None:
        """Draw the progress, unless it was drawn a moment ago."""
        ...

    def close(self) -> None:
        """Draw the last progress, if it has not been drawn yet, and end the display."""
        ...


@contextlib.contextmanager
def displayed(
    quiet: bool, live: Callable[[], Display], lines: Callable[[], Display]
) -> Iterator[Callable[[Any], None]]:
    """Give the function that shows progress.

    Args:
        quiet: show nothing
        live: makes the display for a terminal
        lines: makes the display that only adds lines
    """
    if quiet:
        yield lambda progress: None
        return
    display = live() if sys.stderr.isatty() else lines()
    show = _Unbreakable(display.show)
    try:
        yield show
    finally:
        _Unbreakable(display.close)()


def shown(quiet: bool) -> AbstractContextManager[Callable[["Progress"], None]]:
    """Give the function that shows the progress of a run."""
    return displayed(quiet, _Live, _Lines)


class _Unbreakable:
    """A function that is no longer called once stderr is closed: training goes on unseen."""

    def __init__(self, function: Callable[..., None]) -> None:
        self._function: Callable[..., None] | None = function

    def __call__(self, *arguments: Any) -> None:
        """Call the function, unless a call has failed before."""
        if self._function is not None:
            try:
                self._function(*arguments)
            except OSError:
                self._function = None


class _Lines:
    """A line for an evaluation, at most one line a second; always one for the last evaluation."""

    def __init__(self) -> None:
        self._began = False
        self._printed = 0.0
        self._waiting: Progress | None = None

    def show(self, progress: "Progress") -> None:
        """Print a new evaluation, unless another was printed a moment ago."""
        if not self._began:
            self._began = True
            note(f"training {progress.folder}")
        if progress.is_new:
            self._waiting = progress
        if self._waiting and time.monotonic() - self._printed >= _SECONDS_BETWEEN_LINES:
            self.close()

    def close(self) -> None:
        """Print the last evaluation, if it has not been printed yet."""
        if self._waiting:
            note("  ".join([*_position(self._waiting), *_metrics(self._waiting)]))
            self._printed, self._waiting = time.monotonic(), None


class _Live:
    """Two lines that change in place: position and speed, then the newest metrics."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True)
        console.width = min(console.width, 100)
        # Training calls `show` five times a second, so rich needs no thread that refreshes.
        self._live = Live(console=console, auto_refresh=False, redirect_stdout=False)
        self._began = False

    def show(self, progress: "Progress") -> None:
        """Draw the display again."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        if not self._began:
            self._began = True
            note(f"training {progress.folder}")
            self._live.start()
        parts = _position(progress)
        position = Table.grid(padding=(0, 2), expand=True)
        position.add_column(ratio=1)
        for _ in parts:
            position.add_column(no_wrap=True)
        position.add_row(ProgressBar(max(progress.num_steps, 1), progress.step), *parts)
        metrics = Text("  ".join(_metrics(progress)), style="dim", no_wrap=True)
        self._live.update(Group(position, metrics), refresh=True)

    def close(self) -> None:
        """End the display; its last state stays on the terminal."""
        if self._began:
            self._live.stop()


def _position(progress: "Progress") -> list[str]:
    rate = progress.steps_per_second
    parts = [progress.stage] if progress.stage else []
    parts += [
        f"epoch {progress.epoch:.4g}/{progress.num_epochs:.4g}",
        f"step {progress.step:,}/{progress.num_steps:,}",
    ]
    if rate > 0:
        left = (progress.num_steps - progress.step) / rate
        parts += [f"{rate:,.0f} steps/s", f"{duration(left)} left"]
    return parts


def _metrics(progress: "Progress") -> list[str]:
    from dlx.nn.metrics import CORRUPTED

    metrics = progress.record.metrics if progress.record else {}
    train, dev = metrics.get("train", {}), metrics.get("dev", {})
    return [
        f"{name} {format_metric(name, train[name])}"
        + (f" (dev {format_metric(name, dev[name])})" if name in dev else "")
        for name in train
        if "/" not in name and not name.startswith(CORRUPTED)
    ]


def duration(seconds: float) -> str:
    """Return a time in words: 4 s, 3:07 min, 2:05 h or 3 days."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds // 60:.0f}:{seconds % 60:02.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds // 3600:.0f}:{seconds // 60 % 60:02.0f} h"
    return f"{seconds // 86400:.0f} days"

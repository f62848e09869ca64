"""Progress of training on stderr: a live display on a terminal, else a line now and then."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlx.cli.output import note
from dlx.report.numbers import format_metric

if TYPE_CHECKING:
    from dlx.training.records import Progress


class Display:
    """Shows progress on stderr: at most once in `pause()` seconds, and the last one always."""

    seconds = 0.0

    def __init__(self) -> None:
        self._drawn = 0.0
        self._waiting: Any = None

    def show(self, progress: Any) -> None:
        """Draw the progress, unless another was drawn a moment ago."""
        self._waiting = progress
        self.keep_pace()

    def keep_pace(self) -> None:
        """Draw what waits, unless something was drawn a moment ago."""
        if time.monotonic() - self._drawn >= self.pause():
            self._draw_waiting()

    def pause(self) -> float:
        """Return the least seconds between two drawings."""
        return self.seconds

    def close(self) -> None:
        """Draw the last progress, if it has not been drawn yet, and end the display."""
        self._draw_waiting()

    def draw(self, progress: Any) -> None:
        """Draw the progress."""
        raise NotImplementedError

    def _draw_waiting(self) -> None:
        if self._waiting is not None:
            self.draw(self._waiting)
            self._drawn, self._waiting = time.monotonic(), None


class Lines(Display):
    """Lines: one every few seconds at first, then ever rarer, so that a log stays short.

    The pause is `seconds`, or a fifteenth of the time since the beginning: with two seconds, 90
    lines in the first hour, and 50 more in the rest of a day.
    """

    def __init__(self) -> None:
        super().__init__()
        self._start = time.monotonic()

    def pause(self) -> float:
        """Return the least seconds between two lines."""
        return max(self.seconds, (time.monotonic() - self._start) / 15)


class Live(Display):
    """A display that changes in place; its last state stays on the terminal."""

    def __init__(self, widest: int = 1000) -> None:
        from rich import live
        from rich.console import Console

        super().__init__()
        console = Console(stderr=True)
        console.width = min(console.width, widest)
        # Training calls `show` five times a second, so rich needs no thread that refreshes.
        self._live = live.Live(console=console, auto_refresh=False, redirect_stdout=False)
        self._began = False

    def update(self, folder: Path, *parts: Any) -> None:
        """Draw the parts, one below another; at first say which folder the runs are in."""
        from rich.console import Group

        if not self._began:
            self._began = True
            note(_beginning(folder))
            self._live.start()
        self._live.update(Group(*parts), refresh=True)

    def close(self) -> None:
        """End the display."""
        super().close()
        if self._began:
            self._live.stop()


def _beginning(folder: Path) -> str:
    return "training; no run is kept" if folder == Path() else f"training {folder}"


def bar(total: int, done: float, texts: Sequence[str]) -> Any:
    """Return a progress bar with texts on its right, as rich draws it."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    line = Table.grid(padding=(0, 2), expand=True)
    line.add_column(ratio=1)
    for _ in texts:
        line.add_column(no_wrap=True)
    line.add_row(ProgressBar(max(total, 1), done), *texts)
    return line


@contextlib.contextmanager
def displayed(
    quiet: bool, live: Callable[[], Display], lines: Callable[[], Display]
) -> Iterator[Callable[[Any], None]]:
    """Give the function that shows progress: live on a terminal, else in lines."""
    if quiet:
        yield lambda progress: None
        return
    display = live() if sys.stderr.isatty() else lines()
    try:
        yield _Unbreakable(display.show)
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
        if self._function is not None:
            try:
                self._function(*arguments)
            except OSError:
                self._function = None


class _Lines(Lines):
    """A line for an evaluation; always one for the last evaluation."""

    seconds = 1.0

    def __init__(self) -> None:
        super().__init__()
        self._began = False

    def show(self, progress: "Progress") -> None:
        if not self._began:
            self._began = True
            note(_beginning(progress.folder))
        if progress.is_new:
            self._waiting = progress
        self.keep_pace()

    def draw(self, progress: "Progress") -> None:
        note("  ".join([*_position(progress), *_metrics(progress)]))


class _Live(Live):
    """Two lines that change in place: position and speed, then the newest metrics."""

    def __init__(self) -> None:
        super().__init__(widest=100)

    def draw(self, progress: "Progress") -> None:
        from rich.text import Text

        metrics = Text("  ".join(_metrics(progress)), style="dim", no_wrap=True)
        position = bar(progress.num_steps, progress.step, _position(progress))
        self.update(progress.folder, position, metrics)


def _position(progress: "Progress") -> list[str]:
    rate = progress.steps_per_second
    parts = [progress.stage] if progress.stage else []
    parts += [
        f"epoch {_epochs(progress.epoch)}/{_epochs(progress.num_epochs)}",
        f"step {progress.step:,}/{progress.num_steps:,}",
    ]
    if rate > 0:
        left = (progress.num_steps - progress.step) / rate
        parts += [f"{rate:,.0f} steps/s", f"{duration(left)} left"]
    return parts


def _epochs(number: float) -> str:
    return f"{number:.4g}" if number < 1000 else f"{number:,.0f}"


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

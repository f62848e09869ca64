"""Progress of an ablation on stderr: a live table on a terminal, else a line now and then."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from dlx.cli.output import format_metric, note
from dlx.cli.progress import displayed, duration

if TYPE_CHECKING:
    from dlx.ablation.session import Progress

_SECONDS_BETWEEN_LINES = 5.0
_SECONDS_BETWEEN_TABLES = 0.5
_MOST_ROWS = 30


def shown(quiet: bool) -> AbstractContextManager[Callable[["Progress"], None]]:
    """Give the function that shows the progress of an ablation."""
    return displayed(quiet, _Live, _Lines)


class _Lines:
    """A line every few seconds."""

    def __init__(self) -> None:
        self._printed = 0.0
        self._phase = ""
        self._waiting: Progress | None = None

    def show(self, progress: "Progress") -> None:
        """Print how far training is, unless it was printed a moment ago."""
        if progress.phase != self._phase:
            self._phase = progress.phase
            note(
                f"{progress.phase}: {progress.runs:,} runs in "
                f"{progress.cohorts} cohort{'s' if progress.cohorts > 1 else ''}, "
                f"{progress.directory}"
            )
        self._waiting = progress
        if time.monotonic() - self._printed >= _SECONDS_BETWEEN_LINES:
            self.close()

    def close(self) -> None:
        """Print the last progress, if it has not been printed yet."""
        if self._waiting:
            note("  ".join(_position(self._waiting)))
            self._printed, self._waiting = time.monotonic(), None


class _Live:
    """A table of variants that changes in place, above a progress bar."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(stderr=True), auto_refresh=False, redirect_stdout=False)
        self._began = False
        self._drawn = 0.0
        self._newest: Progress | None = None

    def show(self, progress: "Progress") -> None:
        """Draw the table again, unless it was drawn a moment ago."""
        if not self._began:
            self._began = True
            note(f"training {progress.directory}")
            self._live.start()
        self._newest = progress
        if time.monotonic() - self._drawn >= _SECONDS_BETWEEN_TABLES:
            self._draw()

    def close(self) -> None:
        """End the display; its last state stays on the terminal."""
        if self._began:
            self._draw()
            self._live.stop()

    def _draw(self) -> None:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        progress = self._newest
        assert progress is not None
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        metric = progress.metric
        for heading in ("variant", "n", f"{metric} so far", "95 %"):
            table.add_column(heading, justify="left" if heading == "variant" else "right")
        for name, cells in _rows(progress)[:_MOST_ROWS]:
            table.add_row(Text(name, overflow="ellipsis", no_wrap=True), *cells)
        more = len(progress.values) - _MOST_ROWS
        bar = Table.grid(padding=(0, 2), expand=True)
        bar.add_column(ratio=1)
        parts = _position(progress)
        for _ in parts:
            bar.add_column(no_wrap=True)
        done = progress.finished + _share(progress)
        bar.add_row(ProgressBar(max(progress.runs, 1), done), *parts)
        rest = [Text(f"and {more} more variants", style="dim")] if more > 0 else []
        self._live.update(Group(table, *rest, bar), refresh=True)
        self._drawn = time.monotonic()


def _share(progress: "Progress") -> float:
    """Return the work done on the runs that are training, in whole runs."""
    cohort = progress.cohort
    return cohort.active * cohort.step / max(cohort.num_steps, 1)


def _rows(progress: "Progress") -> list[tuple[str, list[str]]]:
    """Return each variant with its cells: number of runs, mean and interval."""
    from dlx.ablation.statistics.intervals import mean_interval

    name = progress.metric.rpartition(".")[2]
    rows = []
    for variant, results in progress.values.items():
        values = [value for value in results.values() if value is not None]
        lost = len(results) - len(values)
        number = f"{len(values)}" + (f" ({lost} lost)" if lost else "")
        if not values:
            rows.append((variant, [number, "–", ""]))
            continue
        interval = mean_interval(values)
        limits = (
            ""
            if interval.low is None
            else f"{format_metric(name, interval.low)} – {format_metric(name, interval.high)}"
        )
        rows.append((variant, [number, format_metric(name, interval.mean), limits]))
    return rows


def _position(progress: "Progress") -> list[str]:
    cohort = progress.cohort
    parts = [
        f"{progress.finished:,}/{progress.runs:,} runs",
        f"cohort {cohort.cohort}/{progress.cohorts}",
        f"step {cohort.step:,}/{cohort.num_steps:,}",
    ]
    if progress.steps_per_second > 0:
        parts.append(f"{progress.steps_per_second:,.0f} run-steps/s")
    if progress.left is not None:
        parts.append(f"{duration(progress.left)} left")
    return parts

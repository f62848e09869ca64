"""Progress of an ablation on stderr: a live table on a terminal, else a line now and then."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from dlx.cli.output import format_metric, note
from dlx.cli.progress import Lines, Live, bar, displayed, duration

if TYPE_CHECKING:
    from dlx.ablation.session import Progress

_MOST_ROWS = 30


def shown(quiet: bool) -> AbstractContextManager[Callable[["Progress"], None]]:
    """Give the function that shows the progress of an ablation."""
    return displayed(quiet, _Live, _Lines)


class _Lines(Lines):
    """A line now and then."""

    seconds = 5.0

    def __init__(self) -> None:
        super().__init__()
        self._phase = ""

    def show(self, progress: "Progress") -> None:
        if progress.phase != self._phase:
            self._phase = progress.phase
            cohorts = f"{progress.cohorts} cohort{'s' if progress.cohorts > 1 else ''}"
            note(f"{progress.phase}: {progress.runs:,} runs in {cohorts}, {progress.directory}")
        super().show(progress)

    def draw(self, progress: "Progress") -> None:
        note("  ".join(_position(progress)))


class _Live(Live):
    """A table of variants that changes in place, above a progress bar."""

    seconds = 0.5

    def draw(self, progress: "Progress") -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for heading in ("variant", "n", f"{progress.metric} so far", "95 %"):
            table.add_column(heading, justify="left" if heading == "variant" else "right")
        for name, cells in _rows(progress)[:_MOST_ROWS]:
            table.add_row(Text(name, overflow="ellipsis", no_wrap=True), *cells)
        more = len(progress.values) - _MOST_ROWS
        rest = [Text(f"and {more} more variants", style="dim")] if more > 0 else []
        cohort = progress.cohort  # its runs that still train count by their steps
        done = progress.finished + cohort.active * cohort.step / max(cohort.num_steps, 1)
        position = bar(progress.runs, done, _position(progress))
        self.update(progress.directory, table, *rest, position)


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
        limits = ""
        if interval.low is not None:
            limits = f"{format_metric(name, interval.low)} – {format_metric(name, interval.high)}"
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

"""Every run as a dot: how far the seeds scatter, and at which the baseline was beaten."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dlx.ablation.results import RunResult
from dlx.report.ablation import reading, style
from dlx.report.ablation.reading import Summary
from dlx.report.ablation.row_chart import rows
from dlx.report.ablation.style import Drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_PAIRED = 7  # variants whose dots are joined with the baseline's
_WORTH = 6  # how many times wider all runs lie than those of the better half

_SPREAD = 0.14  # of a row, up and down

Runs = Mapping[tuple[int, int], float]  # by seed and fold


def draw(summary: Summary, results: Sequence[RunResult]) -> list[Drawing]:
    """Draw a row of dots for every variant; nothing if no run has the judged metric."""
    metric = "dev.accuracy" if summary["metric"] == "success" else summary["metric"]
    factor = reading.factor_of(metric)
    values = _values(results, metric, factor)
    if not values:
        return []
    variants = reading.best_first(summary)
    mine = [values.get(each["name"], {}) for each in variants]
    base = values.get(summary["baseline"], {})
    paired = bool(base) and len(variants) <= _MOST_PAIRED
    near = _near(mine)
    figure, panels = rows(
        [each["name"] for each in variants],
        [_note(each) for each in variants],
        ("all", "the better half") if near else ("",),
        step=0.6 if paired else 0.0,
        label=reading.axis_label(metric),
    )
    means = [reading.interval_of(each, metric) for each in variants]
    bases = [each["name"] == summary["baseline"] for each in variants]
    for axes, limits in zip(panels, (None, near), strict=False):
        _dots(axes, mine, bases)
        if paired:
            _pairs(axes, mine, bases, base)
        _means(axes, means, factor)
        if limits:
            axes.set_xlim(*limits)
        else:
            axes.margins(x=0.03)
            style.keep_shares(axes.set_xlim, axes.get_xlim(), factor)
    caption = (
        "A dot is a run; the black bar is the mean with its "
        f"{100 * summary['confidence']:g} % interval. The variants are in the order of their means."
    )
    if paired:
        caption += (
            f" Hollow dots are the baseline's ({summary['baseline']}) runs at the same seeds, "
            "joined with the variant's: lines that all lean to one side make a sure difference."
        )
    return [Drawing("seeds", "Every run, seed by seed", caption, figure)]


def _values(results: Sequence[RunResult], metric: str, factor: float) -> Mapping[str, Runs]:
    """Return the finite values of each variant's runs, as they are shown."""
    found: dict[str, dict[tuple[int, int], float]] = {}
    for result in results:
        value = result.value(metric)
        if value is not None and np.isfinite(value):
            found.setdefault(result.variant, {})[result.seed, result.fold or 0] = factor * value
    return found


def _near(runs: Sequence[Runs]) -> tuple[float, float] | None:
    """Return the part of the axis that deserves a panel of its own, if any.

    Args:
        runs: of each variant, best first
    """
    known = [list(each.values()) for each in runs if each]
    better = np.concatenate(known[: max(2, len(known) // 2)])
    whole = np.ptp(np.concatenate(known))
    low, high = better.min(), better.max()
    if high == low or whole < _WORTH * (high - low):
        return None
    room = 0.08 * (high - low)
    return float(low - room), float(high + room)


def _dots(axes: "Axes", runs: Sequence[Runs], bases: Sequence[bool]) -> None:
    spots, colors = [], []
    for row, each in enumerate(runs):
        colors += [style.GREY if bases[row] else style.BLUE] * len(each)
        spots += zip(each.values(), row + _apart(list(each.values())), strict=True)
    axes.scatter(*zip(*spots, strict=True), s=20, c=colors, alpha=0.6, linewidths=0, zorder=3)


def _apart(values: Sequence[float]) -> np.ndarray:
    """Return how far to move dots up or down, so that equal values do not hide each other."""
    if 2 * len(set(values)) > len(values):
        return np.zeros(len(values))
    return np.linspace(-_SPREAD, _SPREAD, len(values))


def _pairs(axes: "Axes", runs: Sequence[Runs], bases: Sequence[bool], base: Runs) -> None:
    from matplotlib.collections import LineCollection

    lines = [
        ((value, row), (base[key], row - 0.36))
        for row, each in enumerate(runs)
        if not bases[row]
        for key, value in each.items()
        if key in base
    ]
    if not lines:
        return
    axes.add_collection(LineCollection(lines, colors=style.GREY, linewidths=0.6, zorder=1))
    axes.scatter(
        *zip(*(above for _, above in lines), strict=True),
        s=16,
        facecolors="white",
        edgecolors=style.GREY,
        linewidths=0.8,
        zorder=2,
    )


def _means(axes: "Axes", means: Sequence[Mapping[str, Any]], factor: float) -> None:
    known = [(row, each) for row, each in enumerate(means) if each.get("mean") is not None]
    bars = [(row, each) for row, each in known if each["low"] is not None]
    axes.hlines(
        [row + 0.2 for row, _ in bars],
        [factor * each["low"] for _, each in bars],
        [factor * each["high"] for _, each in bars],
        colors=style.INK,
        linewidth=1.4,
        zorder=3,
    )
    axes.plot(
        [factor * each["mean"] for _, each in known],
        [row + 0.2 for row, _ in known],
        "|",
        color=style.INK,
        markersize=8,
        zorder=4,
    )


def _note(variant: Mapping[str, Any]) -> str:
    lost = reading.lost(variant)
    return f"{lost} of {variant['runs']} lost" if lost else ""

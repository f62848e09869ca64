"""Every run as a dot: how far the seeds scatter, and at which seeds the baseline was beaten."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dlx.ablation.results import RunResult
from dlx.report.ablation import reading, style
from dlx.report.ablation.reading import Summary
from dlx.report.ablation.row_chart import row_chart
from dlx.report.ablation.style import Drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_PAIRED = 7  # variants whose dots are joined to the baseline's
_WORTH = 6  # the better half has a panel if all runs span so many times its range
_SPREAD = 0.14  # of a row, up and down

Runs = Mapping[tuple[int, int], float]  # values by seed and fold


def draw(summary: Summary, results: Sequence[RunResult]) -> list[Drawing]:
    """Draw a row of dots for every variant; nothing if no run has the judged metric."""
    metric = "dev.accuracy" if summary["metric"] == "success" else summary["metric"]
    factor = reading.factor_of(metric)
    values = _values(results, metric, factor)
    if not values:
        return []
    variants = reading.best_first(summary)
    names = [variant["name"] for variant in variants]
    runs = [values.get(name, {}) for name in names]
    base = values.get(summary["baseline"], {})
    is_base = [name == summary["baseline"] for name in names]
    is_paired = bool(base) and len(variants) <= _MOST_PAIRED
    near = _near(runs)
    figure, panels = row_chart(
        names,
        [reading.lost_of(variant) for variant in variants],
        ("all", "the better half") if near else ("",),
        step=0.6 if is_paired else 0.0,
        label=reading.axis_label(metric),
    )
    means = [reading.interval_of(variant, metric) for variant in variants]
    for axes, limits in zip(panels, (None, near), strict=False):
        _draw_runs(axes, runs, is_base)
        if is_paired:
            _draw_pairs(axes, runs, is_base, base)
        _draw_means(axes, means, factor)
        if limits:
            axes.set_xlim(*limits)
        else:
            axes.margins(x=0.03)
            style.keep_shares(axes.set_xlim, axes.get_xlim(), factor)
    caption = (
        "Each dot is a run; the black bar is the mean with its "
        f"{reading.percent(summary)} interval. The variants are in the order of their means."
    )
    if is_paired:
        caption += (
            f" Hollow dots are the baseline's runs ({summary['baseline']}) at the same seeds, "
            "joined to the variant's. If all lines lean to the same side, the difference is clear."
        )
    return [Drawing("seeds", "Every run, seed by seed", caption, figure)]


def _values(results: Sequence[RunResult], metric: str, factor: float) -> Mapping[str, Runs]:
    values: dict[str, dict[tuple[int, int], float]] = {}
    for result in results:
        value = result.value(metric)
        if value is not None and np.isfinite(value):
            values.setdefault(result.variant, {})[result.seed, result.fold or 0] = factor * value
    return values


def _near(runs: Sequence[Runs]) -> tuple[float, float] | None:
    """Return the limits of a panel of the better half, if that is worth a panel of its own.

    The runs are of each variant, the best variant first.
    """
    values = [list(of_variant.values()) for of_variant in runs if of_variant]
    better = np.concatenate(values[: max(2, len(values) // 2)])
    low, high = better.min(), better.max()
    if high == low or np.ptp(np.concatenate(values)) < _WORTH * (high - low):
        return None
    room = 0.08 * (high - low)
    return float(low - room), float(high + room)


def _draw_runs(axes: "Axes", runs: Sequence[Runs], is_base: Sequence[bool]) -> None:
    places, colors = [], []
    for row, of_variant in enumerate(runs):
        values = list(of_variant.values())
        offsets = np.zeros(len(values))
        if 2 * len(set(values)) <= len(values):  # equal values would hide each other
            offsets = np.linspace(-_SPREAD, _SPREAD, len(values))
        places += zip(values, row + offsets, strict=True)
        colors += [style.GREY if is_base[row] else style.BLUE] * len(values)
    axes.scatter(*zip(*places, strict=True), s=20, c=colors, alpha=0.6, linewidths=0, zorder=3)


def _draw_pairs(axes: "Axes", runs: Sequence[Runs], is_base: Sequence[bool], base: Runs) -> None:
    from matplotlib.collections import LineCollection

    lines = [
        ((value, row), (base[place], row - 0.36))
        for row, of_variant in enumerate(runs)
        if not is_base[row]
        for place, value in of_variant.items()
        if place in base
    ]
    if not lines:
        return
    axes.add_collection(LineCollection(lines, colors=style.GREY, linewidths=0.6, zorder=1))
    hollow = {"facecolors": "white", "edgecolors": style.GREY, "linewidths": 0.8}
    axes.scatter(*zip(*(above for _, above in lines), strict=True), s=16, zorder=2, **hollow)


def _draw_means(axes: "Axes", means: Sequence[Mapping[str, Any]], factor: float) -> None:
    points = [(row + 0.2, mean) for row, mean in enumerate(means) if mean.get("mean") is not None]
    intervals = [(row, mean) for row, mean in points if mean["low"] is not None]
    lows, highs = ([factor * mean[end] for _, mean in intervals] for end in ("low", "high"))
    axes.hlines([row for row, _ in intervals], lows, highs, style.INK, linewidth=1.4, zorder=3)
    values, rows = [factor * mean["mean"] for _, mean in points], [row for row, _ in points]
    axes.plot(values, rows, "|", color=style.INK, markersize=8, zorder=4)

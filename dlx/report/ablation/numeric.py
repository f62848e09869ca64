"""Train and dev against a factor that is a number: depth, width, rate, rows."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dlx.ablation.results import RunResult
from dlx.report.ablation import reading, style
from dlx.report.ablation.reading import Summary
from dlx.report.ablation.style import Drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HEIGHT = 2.6
_PER_ROW = 2
_COLORS = {"train": (style.VERMILLION, "s"), "dev": (style.BLUE, "o")}  # and shapes


def draw(summary: Summary, results: Sequence[RunResult]) -> list[Drawing]:
    """Draw a panel for each numeric factor; nothing if there is none."""
    curves = [each for each in summary["curves_by_factor"] if _is_known(each)]
    if not curves:
        return []
    metric = summary["metric"]
    columns = min(len(curves), _PER_ROW)
    rows = -(-len(curves) // columns)
    left, gap, right = 0.75, 1.2, 0.75
    width = (style.WIDTH - left - right - gap * (columns - 1)) / columns
    if len(curves) == 1:
        width = 6.5
    figure = style.sheet(rows * (_HEIGHT + 0.95) + 0.1)
    for place, curve in enumerate(curves):
        row, column = divmod(place, columns)
        axes = style.panel(
            figure,
            left + column * (width + gap),
            0.35 + row * (_HEIGHT + 0.95),
            width,
            _HEIGHT,
        )
        _panel(axes, curve, reading.factor_of(metric))
        style.heading(axes, _heading(metric))
        style.label_below(axes, curve["label"])
    share = f"{100 * summary['confidence']:g} %"
    caption = (
        f"Mean and {share} interval of train and dev at each value. A gap between them is "
        "over-fitting; both poor is under-fitting."
    )
    if any(len(each["over"]) > 1 for each in curves):
        caption += " Means over the other factors' values."
    return [Drawing("numeric", "Train and dev against each number", caption, figure)]


def _is_known(curve: Mapping[str, Any]) -> bool:
    return any(point["mean"] is not None for split in _COLORS for point in curve.get(split, []))


def _heading(metric: str) -> str:
    unit = " (%)" if reading.factor_of(metric) == 100 else ""
    return reading.tag_of(metric).replace("_", " ") + unit


def _panel(axes: "Axes", curve: Mapping[str, Any], factor: float) -> None:
    values = np.array(curve["values"], float)
    order = np.argsort(values)
    ends = []
    for split, (color, shape) in _COLORS.items():
        found = [curve[split][place] for place in order] if split in curve else []
        mean, low, high = (_column(found, key) * factor for key in ("mean", "low", "high"))
        if not np.isfinite(mean).any():
            continue
        axes.fill_between(values[order], low, high, color=color, alpha=0.18, linewidth=0)
        axes.plot(values[order], mean, color=color, marker=shape, markersize=4.5, linewidth=1.5)
        ends.append((float(mean[np.isfinite(mean)][-1]), split, color))
    if values.min() > 0 and values.max() >= 20 * values.min():
        axes.set_xscale("log")
    if len(values) <= 10:
        axes.set_xticks(values[order], [f"{value:g}" for value in values[order]])
        axes.minorticks_off()
    style.label_ends(axes, ends)


def _column(found: Sequence[Mapping[str, Any]], key: str) -> np.ndarray:
    return np.array([np.nan if each[key] is None else each[key] for each in found], float)

"""Train and dev against a factor whose values are numbers, such as depth, width or rate."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dlx.ablation.bands import within_range
from dlx.ablation.results import RunResult
from dlx.nn.metrics import is_rising, scale_of
from dlx.report.ablation import reading, style
from dlx.report.ablation.reading import Summary
from dlx.report.ablation.style import Drawing
from dlx.report.figures import SPLIT_COLORS, log_scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HEIGHT = 2.6
_PER_ROW = 2
_LOOKS = {"train": (SPLIT_COLORS["train"], "s"), "dev": (SPLIT_COLORS["dev"], "o")}


def draw(summary: Summary, results: Sequence[RunResult]) -> list[Drawing]:
    """Draw a panel for each numeric factor, and for each setting of the other factors.

    Nothing if no factor is numeric.
    """
    heading = _heading(summary["metric"])
    caption = (
        f"Mean and {reading.percent(summary)} interval of train and dev at each value. A gap "
        "between them means over-fitting; if both are poor, it is under-fitting."
    )
    curves = [curve for curve in summary["curves_by_factor"] if _has_points(curve)]
    drawings = []
    if curves:
        is_mean = any(len(curve["over"]) > 1 for curve in curves)
        text = caption + " Means over the other factors' values." * is_mean
        figure = _sheet(summary, [(heading, curve) for curve in curves])
        drawings.append(Drawing("numeric", "Train and dev against each number", text, figure))
    for curve in summary["curves_by_factor"]:
        panels = [(line["settings"], curve | line) for line in curve["lines"] if _has_points(line)]
        if len(panels) > 1:
            title = f"Train and dev against {curve['label']}, setting by setting"
            figure = _sheet(summary, panels, shared=True)
            text = f"{caption} The vertical axis is {heading}."
            drawings.append(Drawing(f"numeric_{curve['key']}", title, text, figure))
    return drawings


def _sheet(
    summary: Summary, panels: Sequence[tuple[str, Mapping[str, Any]]], shared: bool = False
) -> "Figure":
    """Return a figure of curves under their headings, on one scale if `shared`."""
    columns = min(len(panels), _PER_ROW)
    left, gap, right, pitch = 0.75, 1.2, 0.75, _HEIGHT + 0.95
    whole = style.WIDTH - left - right - gap * (columns - 1)
    width = whole / columns if columns > 1 else 6.5
    figure = style.sheet(-(-len(panels) // columns) * pitch + 0.1)
    ends: list[list[style.EndLabel]] = []
    for place, (heading, curve) in enumerate(panels):
        row, column = divmod(place, columns)
        left_side, top = left + column * (width + gap), 0.35 + row * pitch
        axes = style.panel(figure, left_side, top, width, _HEIGHT)
        ends.append(_panel(axes, curve, summary["metric"]))
        style.heading(axes, heading)
        style.label_below(axes, curve["label"])
    limits = [axes.get_ylim() for axes in figure.axes]
    for axes, labels in zip(figure.axes, ends, strict=True):
        if shared:
            axes.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
        style.label_ends(axes, labels)
    return figure


def _has_points(curve: Mapping[str, Any]) -> bool:
    return any(point["mean"] is not None for split in _LOOKS for point in curve.get(split, []))


def _heading(metric: str) -> str:
    unit = " (%)" if reading.factor_of(metric) == 100 else ""
    return reading.tag_of(metric).replace("_", " ") + unit


def _panel(axes: "Axes", curve: Mapping[str, Any], metric: str) -> list[style.EndLabel]:
    values, factor = np.array(curve["values"], float), reading.factor_of(metric)
    tag = metric.partition(".")[2]
    is_cost = scale_of(tag) is None and not is_rising(tag)
    order = np.argsort(values)
    ends: list[style.EndLabel] = []
    drawn: list[float] = []
    for split, (color, shape) in _LOOKS.items():
        points = [curve[split][place] for place in order] if split in curve else []
        mean, low, high = (
            factor * np.array([point[key] for point in points], float)  # None becomes NaN
            for key in ("mean", "low", "high")
        )
        if not np.isfinite(mean).any():
            continue
        if is_cost and np.nanmin(mean) >= 0:
            low, high = within_range(mean, high - mean)
        drawn += mean[np.isfinite(mean)].tolist()
        axes.fill_between(values[order], low, high, color=color, alpha=0.18, linewidth=0)
        axes.plot(values[order], mean, color=color, marker=shape, markersize=4.5, linewidth=1.5)
        ends.append((float(mean[np.isfinite(mean)][-1]), split, color))
    if is_cost and drawn and 0 < style.WIDE * min(drawn) < max(drawn):
        log_scale(axes, "y")
    if values.min() > 0 and values.max() >= 20 * values.min():
        log_scale(axes, "x")
    if len(values) <= 10:
        axes.set_xticks(values[order], [f"{value:g}" for value in values[order]])
        axes.minorticks_off()
    return ends

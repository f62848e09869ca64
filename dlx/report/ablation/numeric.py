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
    from matplotlib.figure import Figure

_HEIGHT = 2.6
_PER_ROW = 2
_Ends = list[tuple[float, str, str]]
_COLORS = {"train": (style.VERMILLION, "s"), "dev": (style.BLUE, "o")}  # and shapes


def draw(summary: Summary, results: Sequence[RunResult]) -> list[Drawing]:
    """Draw a panel for each numeric factor, and one for each setting of the others beside it.

    Nothing if there is no numeric factor.
    """
    curves = [each for each in summary["curves_by_factor"] if _is_known(each)]
    drawings = []
    if curves:
        caption = _caption(summary)
        if any(len(each["over"]) > 1 for each in curves):
            caption += " Means over the other factors' values."
        panels = [(_heading(summary["metric"]), each) for each in curves]
        title = "Train and dev against each number"
        drawings.append(Drawing("numeric", title, caption, _sheet(summary, panels)))
    for curve in summary["curves_by_factor"]:
        panels = [(each["settings"], curve | each) for each in curve["lines"] if _is_known(each)]
        if len(panels) < 2:
            continue
        name = f"numeric_{curve['key']}"
        title = f"Train and dev against {curve['label']}, setting by setting"
        figure = _sheet(summary, panels, shared=True)
        caption = _caption(summary) + f" {_heading(summary['metric'])}."
        drawings.append(Drawing(name, title, caption, figure))
    return drawings


def _caption(summary: Summary) -> str:
    share = f"{100 * summary['confidence']:g} %"
    return (
        f"Mean and {share} interval of train and dev at each value. A gap between them is "
        "over-fitting; both poor is under-fitting."
    )


def _sheet(
    summary: Summary, panels: Sequence[tuple[str, Mapping[str, Any]]], shared: bool = False
) -> "Figure":
    """Return a figure of curves, each under its heading, on one scale if `shared`."""
    columns = min(len(panels), _PER_ROW)
    rows = -(-len(panels) // columns)
    left, gap, right = 0.75, 1.2, 0.75
    width = (style.WIDTH - left - right - gap * (columns - 1)) / columns
    if len(panels) == 1:
        width = 6.5
    figure = style.sheet(rows * (_HEIGHT + 0.95) + 0.1)
    ends: list[_Ends] = []
    for place, (heading, curve) in enumerate(panels):
        row, column = divmod(place, columns)
        axes = style.panel(
            figure,
            left + column * (width + gap),
            0.35 + row * (_HEIGHT + 0.95),
            width,
            _HEIGHT,
        )
        ends.append(_panel(axes, curve, reading.factor_of(summary["metric"])))
        style.heading(axes, heading)
        style.label_below(axes, curve["label"])
    limits = [axes.get_ylim() for axes in figure.axes]
    for axes, own in zip(figure.axes, ends, strict=True):
        if shared:
            axes.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
        style.label_ends(axes, own)
    return figure


def _is_known(curve: Mapping[str, Any]) -> bool:
    return any(point["mean"] is not None for split in _COLORS for point in curve.get(split, []))


def _heading(metric: str) -> str:
    unit = " (%)" if reading.factor_of(metric) == 100 else ""
    return reading.tag_of(metric).replace("_", " ") + unit


def _panel(axes: "Axes", curve: Mapping[str, Any], factor: float) -> _Ends:
    """Draw train and dev, and return where each ends, its name and colour."""
    values = np.array(curve["values"], float)
    order = np.argsort(values)
    ends: _Ends = []
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
    return ends


def _column(found: Sequence[Mapping[str, Any]], key: str) -> np.ndarray:
    return np.array([np.nan if each[key] is None else each[key] for each in found], float)

"""How two factors work together: lines over one factor for each value of the other, or a map."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dlx.ablation.results import RunResult
from dlx.ablation.variants import show
from dlx.report.ablation import reading, style
from dlx.report.ablation.reading import Summary
from dlx.report.ablation.style import Drawing
from dlx.texts import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LINES = 6  # of the factor with fewer values; with more values it is a map
_MOST_PAIRS = 3
_HEIGHT = 3.1

Factor = Mapping[str, Any]
Cell = Mapping[str, Any] | None  # mean, low and high of a pair of values
Cells = Sequence[Sequence[Cell]]


def draw(summary: Summary, results: Sequence[RunResult]) -> list[Drawing]:
    """Draw the pairs of factors of a grid, those that interact most first.

    Nothing if no two factors vary together.
    """
    drawings = []
    for number, (across, lines) in enumerate(map(_roles, _pairs(summary)), start=1):
        cells = _cells(summary, across, lines)
        if any(cell is not None for row in cells for cell in row):
            drawings.append(_draw(summary, across, lines, cells, number))
    return drawings


def _pairs(summary: Summary) -> list[tuple[Factor, Factor]]:
    if summary["design"] == "one_at_a_time":
        return []
    factors = [factor for factor in summary["factors"] if len(factor["values"]) > 1]
    pairs = [
        pair for pair in itertools.combinations(factors, 2) if _crossed(summary["variants"], *pair)
    ]
    smallest: dict[frozenset[str], float] = {}
    for effect in (summary.get("effects") or {}).get("interactions", []):
        if effect.get("p") is not None:
            keys = frozenset(effect["factors"])
            smallest[keys] = min(effect["p"], smallest.get(keys, 1.0))

    def p_of(pair: tuple[Factor, Factor]) -> float:
        return smallest.get(frozenset(factor["key"] for factor in pair), 2.0)

    return sorted(pairs, key=p_of)[:_MOST_PAIRS]


def _crossed(variants: Sequence[Mapping[str, Any]], one: Factor, other: Factor) -> bool:
    """Return whether some value of one factor is combined with several values of the other."""
    values: dict[str, set[str]] = {}
    for variant in variants:
        settings = variant["settings"]
        if one["key"] in settings and other["key"] in settings:
            values.setdefault(show(settings[one["key"]]), set()).add(show(settings[other["key"]]))
    return len(values) > 1 and any(len(others) > 1 for others in values.values())


def _roles(pair: tuple[Factor, Factor]) -> tuple[Factor, Factor]:
    """Return the factor of the axis, one of numbers or else with more values, and the lines'."""
    one, other = sorted(pair, key=lambda f: (f["numeric"], len(f["values"])), reverse=True)
    return one, other


def _cells(summary: Summary, across: Factor, lines: Factor) -> Cells:
    """Return mean, low and high by the values of `lines`, then of `across`.

    If other factors vary too, a cell is the mean over them and has no interval.
    """
    means: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for variant in summary["variants"]:
        mean = reading.judged(variant, summary)
        if mean.get("mean") is not None:
            line, place = (show(variant["settings"].get(f["key"])) for f in (lines, across))
            means.setdefault((line, place), []).append(mean)

    def cell(line: Any, place: Any) -> Cell:
        members = means.get((show(line), show(place)), [])
        if len(members) > 1:
            mean = float(np.mean([member["mean"] for member in members]))
            return {"mean": mean, "low": None, "high": None}
        return members[0] if members else None

    return [[cell(line, place) for place in across["values"]] for line in lines["values"]]


def _draw(summary: Summary, across: Factor, lines: Factor, cells: Cells, number: int) -> Drawing:
    is_map = min(len(across["values"]), len(lines["values"])) > MOST_LINES
    figure, caption = (_map if is_map else _lines)(summary, across, lines, cells)
    varying = [factor for factor in summary["factors"] if len(factor["values"]) > 1]
    keys = (across["key"], lines["key"])
    if others := [factor["label"] for factor in varying if factor["key"] not in keys]:
        listed = " and ".join([", ".join(others[:-1]), others[-1]] if others[1:] else others)
        caption += f" Means over {listed}."
    title = f"{across['label']} and {lines['label']} together"
    name = "interaction" if number == 1 else f"interaction_{number}"
    return Drawing(name, title, caption, figure)


def _lines(summary: Summary, across: Factor, lines: Factor, cells: Cells) -> tuple["Figure", str]:
    factor = reading.factor_of(summary["metric"])
    names = [style.wrapped(f"{lines['label']}={show(value)}", 30) for value in lines["values"]]
    figure, axes = style.line_chart(names, _HEIGHT, reading.axis_label(summary["metric"]))
    colors = style.shades(len(names), lines["numeric"] and len(names) > 2)
    ends = []
    for number, (row, name, color) in enumerate(zip(cells, names, colors, strict=True)):
        # Side by side, so that intervals at the same value do not hide each other.
        shift = 0.035 * (number - (len(cells) - 1) / 2)
        points = [(x + shift, cell) for x, cell in enumerate(row) if cell is not None]
        means, places = [factor * cell["mean"] for _, cell in points], [x for x, _ in points]
        axes.plot(places, means, "o-", color=color, linewidth=1.4, markersize=5, zorder=3)
        for x, cell in points:
            if cell["low"] is not None and cell["high"] is not None:
                interval = [factor * cell["low"], factor * cell["high"]]
                axes.plot([x, x], interval, color=color, linewidth=1.2, zorder=2)
        ends.append((means[-1] if means else math.nan, name, color))
    _name_places(axes, across)
    axes.set_xlim(-0.25, len(across["values"]) - 0.75)
    style.keep_shares(axes.set_ylim, axes.get_ylim(), factor)
    style.label_ends(axes, ends)
    return figure, (
        f"Mean {reading.in_words(summary['metric'])} and {reading.percent(summary)} intervals. "
        "Parallel lines mean that the effects of the two factors add up. Lines that cross or "
        f"diverge mean that the best {lines['label']} depends on {across['label']}."
    )


def _map(summary: Summary, across: Factor, lines: Factor, cells: Cells) -> tuple["Figure", str]:
    factor = reading.factor_of(summary["metric"])
    values = np.array(
        [[np.nan if cell is None else factor * cell["mean"] for cell in row] for row in cells]
    )
    names = [shortened(f"{lines['label']}={show(value)}", 40) for value in lines["values"]]
    left, height = 0.55 + style.inches(names), 0.34 * len(names)
    figure = style.sheet(height + 1.1)
    axes = style.panel(figure, left, 0.4, style.WIDTH - left - 0.9, height)
    axes.grid(visible=False)
    axes.imshow(values, cmap="cividis", aspect="auto")
    style.heading(axes, reading.axis_label(summary["metric"]))
    axes.set_yticks(range(len(names)), names, fontsize=style.SMALL)
    _name_places(axes, across)
    middle = (np.nanmin(values) + np.nanmax(values)) / 2
    centred = {"ha": "center", "va": "center", "fontsize": style.SMALL}
    for row, column in np.argwhere(np.isfinite(values)):
        value = values[row, column]
        text = f"{value:.1f}" if factor == 100 else f"{value:.3g}"
        color = "white" if value < middle else "black"
        axes.text(column, row, text, color=color, **centred)
    return figure, (
        f"Mean {reading.in_words(summary['metric'])} of every pair of values. Rows with different "
        f"patterns mean that the best {across['label']} depends on {lines['label']}."
    )


def _name_places(axes: "Axes", factor: Factor) -> None:
    names = [show(value) for value in factor["values"]]
    room = axes.bbox.width / style.DPI / len(names)  # inches
    wrapped = [style.wrapped(name, max(8, int(room / 0.075)), 2) for name in names]
    axes.set_xticks(range(len(names)), wrapped, fontsize=style.SMALL)
    style.label_below(axes, factor["label"])

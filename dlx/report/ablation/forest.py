"""The forest plot: each variant's difference from the baseline, with interval and verdict."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dlx import texts
from dlx.ablation.results import RunResult
from dlx.report.ablation import reading, style
from dlx.report.ablation.reading import Summary
from dlx.report.ablation.row_chart import row_chart
from dlx.report.ablation.style import Drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NEAR = 4  # margins on either side of 0 in the second panel
_WORTH = 8  # there is one if the differences reach so many times further

Limits = tuple[float, float] | None


def draw(summary: Summary, results: Sequence[RunResult]) -> list[Drawing]:
    """Draw the differences from the baseline; nothing if there is nothing to compare."""
    variants = reading.compared(summary)
    if all(variant["vs_baseline"]["difference"] is None for variant in variants):
        return []
    metric, factor = summary["metric"], reading.factor_of(summary["metric"])
    margin = factor * (summary["margin"] or 0.0)
    near = _near(variants, factor, margin)
    unit = "percentage points" if factor == 100 else reading.in_words(metric)
    several = len({variant["vs_baseline"]["baseline"] for variant in variants}) > 1
    baseline = "the same data's baseline" if several else summary["baseline"]
    names = [variant["name"] for variant in variants]
    better = f"better is {'right' if summary['rising'] else 'left'}"
    figure, panels = row_chart(
        names,
        [_note(variant, metric) for variant in variants],
        ("all", "near the baseline") if near else ("",),
        label=f"difference in {reading.in_words(metric)} from {texts.shortened(baseline, 50)} "
        f"({unit}; {better})",
    )
    for axes, limits in zip(panels, (None, near), strict=False):
        _panel(axes, variants, factor, margin, limits)
    short = texts.told_apart(names, 18)
    narrow, panels = row_chart(
        [short[name] for name in names],
        [""] * len(names),
        label=f"difference ({'points; ' * (factor == 100)}{better})",
        width=style.NARROW,
    )
    _panel(panels[0], variants, factor, margin, None)
    of_which = baseline if several else f"the baseline, {baseline}"
    caption = (
        f"The mean difference of each variant from {of_which}, at equal seeds, with its "
        f"{reading.percent(summary)} interval. An interval without 0 is evidence of a difference; "
        "the more variants there are, the more evidence a verdict needs. The grey zone is the "
        "margin, within which variants are equivalent. ▲ better, ▼ worse, ■ equivalent, ○ "
        "undecided."
    )
    if near:
        caption += " The right panel enlarges the part near 0; ◀ and ▶ lie outside of it."
    small = Drawing("forest_narrow", "", "", narrow)
    return [Drawing("forest", "Differences from the baseline", caption, figure, small)]


def _panel(
    axes: "Axes",
    variants: Sequence[Mapping[str, Any]],
    factor: float,
    margin: float,
    limits: Limits,
) -> None:
    axes.axvspan(-margin, margin, color="#ececec", zorder=0, linewidth=0)
    axes.axvline(0, color=style.INK, linewidth=0.9, zorder=1)
    rows, lows, highs, colors = [], [], [], []  # of the intervals
    points: dict[tuple[str, str], list[tuple[float, int]]] = {}  # by colour and shape
    for row, variant in enumerate(variants):
        versus = variant["vs_baseline"]
        if versus["difference"] is None:
            continue
        color, shape = style.VERDICTS[versus["verdict"]]
        middle = factor * versus["difference"]
        if limits and not limits[0] < middle < limits[1]:
            shape = "<" if middle < 0 else ">"
            middle = limits[0] if middle < 0 else limits[1]
        elif versus["low"] is not None and versus["high"] is not None:
            rows.append(row)
            lows.append(factor * versus["low"])
            highs.append(factor * versus["high"])
            colors.append(_edge(color))
        points.setdefault((color, shape), []).append((middle, row))
    axes.hlines(rows, lows, highs, colors=colors, linewidth=1.6, zorder=2)
    look = {"linestyle": "", "markersize": 7, "clip_on": False, "zorder": 3}
    for (color, shape), places in points.items():
        x, y = zip(*places, strict=True)
        axes.plot(x, y, marker=shape, color=color, markeredgecolor=_edge(color), **look)
    if limits:
        axes.set_xlim(*limits)
    else:
        axes.margins(x=0.06)


def _edge(color: str) -> str:
    return style.INK if color == "#ffffff" else color


def _near(variants: Sequence[Mapping[str, Any]], factor: float, margin: float) -> Limits:
    """Return the limits of a panel near 0, if that is worth a panel of its own."""
    near = _NEAR * margin
    reaches = [
        [factor * abs(variant["vs_baseline"][end] or 0.0) for end in ("difference", "low", "high")]
        for variant in variants
    ]
    num_inside = sum(max(ends) < near for ends in reaches)
    is_worth = num_inside >= len(variants) / 4 and max(map(max, reaches)) > _WORTH * near
    return (-near, near) if is_worth else None


def _note(variant: Mapping[str, Any], metric: str) -> str:
    versus, lost = variant["vs_baseline"], reading.lost_of(variant)
    number = "no values"
    if versus["difference"] is not None:
        number = reading.difference_with_interval(
            metric, versus["difference"], versus["low"], versus["high"]
        )
    return f"{number}  {reading.conclusion(versus)}" + (f"\n{lost}" if lost else "")

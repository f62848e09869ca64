"""The forest plot: each variant's difference from the baseline, with its interval and verdict."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dlx.ablation.results import RunResult
from dlx.report.ablation import reading, style
from dlx.report.ablation.reading import Summary
from dlx.report.ablation.row_chart import rows
from dlx.report.ablation.style import Drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NEAR = 4  # margins on either side of 0
_WORTH = 8  # how many times wider the differences must be for a panel of what is near

Limits = tuple[float, float] | None


def draw(summary: Summary, results: Sequence[RunResult]) -> list[Drawing]:
    """Draw the differences from the baseline; nothing if there is nothing to compare."""
    variants = [each for each in reading.best_first(summary) if each["vs_baseline"]]
    if all(each["vs_baseline"]["difference"] is None for each in variants):
        return []
    metric, factor = summary["metric"], reading.factor_of(summary["metric"])
    margin = factor * (summary["margin"] or 0.0)
    near = _near(variants, factor, margin)
    unit = "percentage points" if factor == 100 else reading.in_words(metric)
    figure, panels = rows(
        [each["name"] for each in variants],
        [_note(each, metric) for each in variants],
        ("all", "near the baseline") if near else ("",),
        label=f"difference in {reading.in_words(metric)} from {_short(summary['baseline'])} "
        f"({unit}; better is {'right' if summary['rising'] else 'left'})",
    )
    for axes, limits in zip(panels, (None, near), strict=False):
        _panel(axes, variants, factor, margin, limits)
    share = f"{100 * summary['confidence']:g} %"
    caption = (
        f"Each variant's mean difference from the baseline, {summary['baseline']}, at equal seeds, "
        f"with its {share} interval. An interval that stays clear of the line at 0 speaks for a "
        "difference, and the verdict asks for more than that the more variants there are; within "
        "the grey zone, the margin, variants count as equivalent. "
        "▲ better, ▼ worse, ■ equivalent, ○ undecided."
    )
    if near:
        caption += " The right panel shows the same nearer; ◀ and ▶ lie outside it."
    return [Drawing("forest", "Differences from the baseline", caption, figure)]


def _panel(
    axes: "Axes",
    variants: Sequence[Mapping[str, Any]],
    factor: float,
    margin: float,
    limits: Limits,
) -> None:
    axes.axvspan(-margin, margin, color="#ececec", zorder=0, linewidth=0)
    axes.axvline(0, color=style.INK, linewidth=0.9, zorder=1)
    lines, colors = [], []
    points: dict[tuple[str, str], list[tuple[float, int]]] = {}
    for row, variant in enumerate(variants):
        found = variant["vs_baseline"]
        if found["difference"] is None:
            continue
        color, shape = style.VERDICTS[found["verdict"]]
        middle = factor * found["difference"]
        if limits and not limits[0] < middle < limits[1]:
            shape = "<" if middle < 0 else ">"
            middle = limits[0] if middle < 0 else limits[1]
        elif found["low"] is not None and found["high"] is not None:
            lines.append([(factor * found["low"], row), (factor * found["high"], row)])
            colors.append(_edge(color))
        points.setdefault((color, shape), []).append((middle, row))
    axes.hlines(
        [line[0][1] for line in lines],
        [line[0][0] for line in lines],
        [line[1][0] for line in lines],
        colors=colors,
        linewidth=1.6,
        zorder=2,
    )
    for (color, shape), spots in points.items():
        axes.plot(
            *zip(*spots, strict=True),
            linestyle="",
            marker=shape,
            color=color,
            markeredgecolor=_edge(color),
            markersize=7,
            clip_on=False,
            zorder=3,
        )
    if limits:
        axes.set_xlim(*limits)
    else:
        axes.margins(x=0.06)


def _edge(color: str) -> str:
    return style.INK if color == "#ffffff" else color


def _near(variants: Sequence[Mapping[str, Any]], factor: float, margin: float) -> Limits:
    """Return the part of the axis around 0 that deserves a panel of its own, if any."""
    compared = [each["vs_baseline"] for each in variants]
    ends = [
        factor * abs(each[key])
        for each in compared
        for key in ("difference", "low", "high")
        if each[key] is not None
    ]
    near = _NEAR * margin
    inside = [
        all(factor * abs(each[end] or 0.0) < near for end in ("difference", "low", "high"))
        for each in compared
    ]
    helps = sum(inside) >= len(compared) / 4 and max(ends) > _WORTH * near
    return (-near, near) if helps else None


def _note(variant: Mapping[str, Any], metric: str) -> str:
    found = variant["vs_baseline"]
    number = "no values"
    if found["difference"] is not None:
        ends = reading.difference_interval(metric, found["low"], found["high"])
        number = f"{reading.difference(metric, found['difference'])} {ends}".strip()
    lost = reading.lost(variant)
    return f"{number}  {found['verdict']}" + (f"\n{lost} of {variant['runs']} lost" if lost else "")


def _short(name: str) -> str:
    return name if len(name) <= 50 else name[:48] + " …"

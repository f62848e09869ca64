"""How the evidence grew: each variant's difference from the baseline at every look."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dlx.ablation.results import RunResult
from dlx.report.ablation import reading, style
from dlx.report.ablation.reading import Summary
from dlx.report.ablation.style import Drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST = 12  # panels
_COLUMNS = 3
_HEIGHT = 1.5  # inches of a panel
_ROOM = 0.25  # of the height, above and below what is shown

Look = Mapping[str, Any]


def draw(summary: Summary, results: Sequence[RunResult]) -> list[Drawing]:
    """Draw a panel for each variant; nothing if the number of seeds was fixed."""
    growing = summary.get("sequential")
    if not growing:
        return []
    factor = reading.factor_of(summary["metric"])
    shown = {
        variant["name"]: looks
        for variant in reading.compared(summary)
        if (looks := [look for look in growing["growth"].get(variant["name"], []) if _has(look)])
    }
    if not shown:
        return []
    # Those with the most looks were the hardest to decide.
    names = sorted(shown, key=lambda name: -shown[name][-1]["seeds"])[:_MOST]
    names = [name for name in shown if name in names]
    columns = min(_COLUMNS, len(names))
    rows = math.ceil(len(names) / columns)
    left, gap, above, pitch = 0.8, 0.6, 0.45, _HEIGHT + 0.75
    figure = style.sheet(rows * pitch + 0.15)
    width = (style.WIDTH - left - 0.2 - gap * (columns - 1)) / columns
    margin = factor * (summary["margin"] or 0.0)
    last = max(shown[name][-1]["seeds"] for name in names)
    for place, name in enumerate(names):
        row, column = divmod(place, columns)
        spot = left + column * (width + gap), above + row * pitch
        axes = style.panel(figure, *spot, width, _HEIGHT)
        style.heading(axes, style.wrapped(name, max(int(width / 0.08), 12), 2))
        _paint(axes, shown[name], factor, margin)
        axes.set_xlim(0, 1.06 * last)
        axes.locator_params(axis="x", nbins=5, integer=True)
        axes.locator_params(axis="y", nbins=5)
        if place + columns >= len(names):
            style.label_below(axes, "seeds")
    unit = "points" if factor == 100 else reading.in_words(summary["metric"])
    figure.text(
        0.13 / style.WIDTH,
        0.5,
        f"difference from the baseline ({unit})",
        rotation="vertical",
        va="center",
        ha="left",
        fontsize=style.NORMAL,
        color=style.INK,
    )
    left_out = len(shown) - len(names)
    caption = (
        "The mean difference from the baseline at every look, after so many seeds, with an "
        "interval (blue, of this comparison alone) that holds at all looks at once with "
        f"{reading.percent(summary)}. The last point has the sign of the verdict: ▲ better, ▼ "
        "worse, ■ equivalent, ○ undecided. "
        "The grey zone is the margin. Each panel has a scale of its own, beyond which intervals of "
        "the first looks may reach."
    )
    if left_out:
        caption += f" The other {left_out:,} variants were decided sooner."
    return [Drawing("growth", "How the evidence grew", caption, figure)]


def _has(look: Look) -> bool:
    return None not in (look["difference"], look["low"], look["high"])


def _limits(looks: Sequence[Look], factor: float, margin: float) -> tuple[float, float]:
    """Return what holds 0, the margin, all means and the interval of the last look."""
    values = [0.0, margin, -margin, *(factor * look["difference"] for look in looks)]
    values += [factor * looks[-1][end] for end in ("low", "high")]
    room = _ROOM * ((max(values) - min(values)) or 1.0)
    return min(values) - room, max(values) + room


def _paint(axes: "Axes", looks: Sequence[Look], factor: float, margin: float) -> None:
    seeds = [look["seeds"] for look in looks]
    means, lows, highs = (
        [factor * look[key] for look in looks] for key in ("difference", "low", "high")
    )
    axes.axhspan(-margin, margin, color="#ececec", zorder=0, linewidth=0)
    axes.axhline(0, color=style.INK, linewidth=0.9, zorder=1)
    axes.vlines(seeds, lows, highs, colors=style.BLUE, linewidth=3, alpha=0.35, zorder=2)
    axes.plot(seeds, means, color=style.INK, linewidth=1.2, marker=".", markersize=4, zorder=3)
    color, shape = style.VERDICTS[looks[-1]["verdict"]]
    axes.plot(
        seeds[-1:],
        means[-1:],
        marker=shape,
        color=color,
        markeredgecolor=style.INK,
        markersize=8,
        zorder=4,
    )
    axes.set_ylim(*_limits(looks, factor, margin))

"""How fast: the share of each variant's runs that had reached a threshold after so many steps."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dlx.ablation.results import RunResult
from dlx.report.ablation import reading, style
from dlx.report.ablation.groups import Group, Line, groups
from dlx.report.ablation.multiples import small_multiples
from dlx.report.ablation.reading import Summary
from dlx.report.ablation.style import Drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HEIGHT = 2.9


def draw(summary: Summary, results: Sequence[RunResult]) -> list[Drawing]:
    """Draw a picture for each threshold of `steps_to`; nothing where no run reached it."""
    reached = [(name, step) for each in results for name, step in each.steps_to.items()]
    metrics = dict.fromkeys(name for name, step in reached if step is not None)
    return [_of(metric, summary, results) for metric in metrics]


def _of(metric: str, summary: Summary, results: Sequence[RunResult]) -> Drawing:
    reached: dict[str, list[int | None]] = {}
    last = 1
    for each in results:
        reached.setdefault(each.variant, []).append(each.steps_to.get(metric))
        last = max(last, each.steps)
    panels = groups(summary)
    left_out = ""
    if len(panels) == 1:
        figure = _together(panels[0], reached, last)
    else:

        def paint(axes: "Axes", group: Group) -> None:
            others = set(reached) - {line.variant for line in group.lines}
            _paint(axes, [Line(name, name, style.FAINT) for name in others], reached, last)
            _paint(axes, group.lines, reached, last)

        figure, left_out = small_multiples(summary, panels, paint)
    threshold = next(
        (found["threshold"] for v in summary["variants"] if (found := _entry(v, metric))), None
    )
    words = f"{reading.in_words(metric)} of {reading.value(metric, threshold)}"
    caption = (
        f"The share (%) of all runs that had reached a {words} after so many steps. A curve that "
        "rises further left is faster; one that ends below 100 % has runs that never got there."
    )
    name = f"steps_to_{metric.replace('.', '_')}"
    return Drawing(name, f"Steps to a {words}", caption + left_out, figure)


def _entry(variant: Mapping, metric: str) -> Mapping | None:
    return (variant.get("steps_to") or {}).get(metric)


def _together(group: Group, reached: Mapping[str, Sequence[int | None]], last: int):
    names = [style.wrapped(line.label, 30) for line in group.lines]
    left, right = 0.7, 0.25 + style.inches(names) * style.SMALL / style.NORMAL
    figure = style.sheet(_HEIGHT + 0.95)
    axes = style.panel(figure, left, 0.35, style.WIDTH - left - right, _HEIGHT)
    style.heading(axes, "runs that got there (%)")
    _paint(axes, group.lines, reached, last)
    style.label_below(axes, "optimizer steps")
    ends = []
    for line, name in zip(group.lines, names, strict=True):
        steps = reached.get(line.variant, [])
        share = 100 * sum(step is not None for step in steps) / max(len(steps), 1)
        ends.append((share, name, line.color))
    style.label_ends(axes, ends)
    return figure


def _paint(
    axes: "Axes", lines: Sequence[Line], reached: Mapping[str, Sequence[int | None]], last: int
) -> None:
    for line in lines:
        steps = reached.get(line.variant, [])
        arrived = np.sort([step for step in steps if step is not None])
        x = np.concatenate([[0], arrived, [last]])
        y = 100 * np.concatenate([np.arange(len(arrived) + 1), [len(arrived)]]) / max(len(steps), 1)
        faint = line.color == style.FAINT
        axes.step(
            x,
            y,
            where="post",
            color=line.color,
            linewidth=0.8 if faint else 1.6,
            zorder=1 if faint else 3,
        )
    axes.set_xlim(0, last)
    axes.set_ylim(-2, 102)

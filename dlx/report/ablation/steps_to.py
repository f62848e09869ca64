"""How fast: the share of each variant's runs that reached a threshold after a number of steps."""

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
    from matplotlib.figure import Figure

_HEIGHT = 2.9

Steps = Mapping[str, Sequence[int | None]]  # of each variant's runs; None: never


def draw(summary: Summary, results: Sequence[RunResult]) -> list[Drawing]:
    """Draw a picture for each threshold of `steps_to` that any run reached."""
    reached = [(metric, step) for result in results for metric, step in result.steps_to.items()]
    metrics = dict.fromkeys(metric for metric, step in reached if step is not None)
    return [_draw(metric, summary, results) for metric in metrics]


def _draw(metric: str, summary: Summary, results: Sequence[RunResult]) -> Drawing:
    steps: dict[str, list[int | None]] = {}
    for result in results:
        steps.setdefault(result.variant, []).append(result.steps_to.get(metric))
    last = max(1, *(result.steps for result in results))
    panels = groups(summary)
    left_out = ""
    if len(panels) == 1:
        figure = _together(panels[0], steps, last)
    else:

        def paint(axes: "Axes", group: Group) -> None:
            drawn = {line.variant for line in group.lines}
            others = [Line(name, name, style.FAINT) for name in steps if name not in drawn]
            _paint(axes, others, steps, last)
            _paint(axes, group.lines, steps, last)

        figure, left_out = small_multiples(summary, panels, paint)
    entries = [(variant.get("steps_to") or {}).get(metric) for variant in summary["variants"]]
    threshold = next((entry["threshold"] for entry in entries if entry), None)
    words = f"{reading.in_words(metric)} of {reading.value(metric, threshold)}"
    caption = (
        f"The share (%) of all runs that have reached a {words} after a number of steps. The "
        "further left a curve rises, the faster the variant is. A curve that ends below 100 % has "
        "runs that never reached it."
    )
    name = f"steps_to_{metric.replace('.', '_')}"
    return Drawing(name, f"Steps to a {words}", caption + left_out, figure)


def _together(group: Group, steps: Steps, last: int) -> "Figure":
    names = [style.wrapped(line.label, 30) for line in group.lines]
    figure, axes = style.line_chart(names, _HEIGHT, "runs that reached it (%)")
    _paint(axes, group.lines, steps, last)
    style.label_below(axes, "optimizer steps")
    ends = []
    for line, name in zip(group.lines, names, strict=True):
        of_runs = steps.get(line.variant, [])
        share = 100 * sum(step is not None for step in of_runs) / max(len(of_runs), 1)
        ends.append((share, name, line.color))
    style.label_ends(axes, ends)
    return figure


def _paint(axes: "Axes", lines: Sequence[Line], steps: Steps, last: int) -> None:
    for line in lines:
        of_runs = steps.get(line.variant, [])
        reached = np.sort([step for step in of_runs if step is not None])
        x = np.concatenate([[0], reached, [last]])
        share = 100 * np.array([*range(len(reached) + 1), len(reached)]) / max(len(of_runs), 1)
        width, order = (0.8, 1) if line.color == style.FAINT else (1.6, 3)
        axes.step(x, share, where="post", color=line.color, linewidth=width, zorder=order)
    axes.set_xlim(0, last)
    axes.set_ylim(-2, 102)

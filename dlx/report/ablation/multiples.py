"""Small multiples: a panel for each group of variants, all on the same axes."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dlx.report.ablation import reading, style
from dlx.report.ablation.groups import MOST_PANELS, Group
from dlx.report.ablation.reading import Summary
from dlx.texts import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HEIGHT, _LEFT, _GAP, _ABOVE, _LINE = 1.75, 0.6, 0.16, 0.3, 0.15  # inches
_CHARACTER = 0.064  # inches, of the labels

# A line of labels below a panel: inches from the left, text, colour.
_Labels = list[tuple[float, str, str]]


def small_multiples(
    summary: Summary, panels: Sequence[Group], paint: Callable[["Axes", Group], None]
) -> tuple["Figure", str]:
    """Return a picture of the panels, and a sentence if some are left out.

    Of more than twelve panels those with the best variants are drawn. `paint` draws a group's lines
    and sets the limits, which are the same for all panels.
    """
    shown = _best(summary, panels)
    columns = min(3 if len(shown) in (3, 5, 6, 9) else 4, len(shown))
    rows = -(-len(shown) // columns)
    width = (style.WIDTH - _LEFT - 0.15 - _GAP * (columns - 1)) / columns
    labels = [_labels(group, width) for group in shown]
    below = 0.32 + _LINE * max(map(len, labels))
    pitch = _HEIGHT + _ABOVE + below
    figure = style.sheet(rows * pitch + 0.1)
    for place, (group, lines) in enumerate(zip(shown, labels, strict=True)):
        row, column = divmod(place, columns)
        left, top = _LEFT + column * (width + _GAP), _ABOVE + row * pitch
        axes = style.panel(figure, left, top, width, _HEIGHT)
        style.heading(axes, shortened(group.title, int(width / 0.08)))
        paint(axes, group)
        if axes.get_xscale() == "linear":
            # The last label would overlap the first one of the next panel.
            axes.locator_params(axis="x", nbins=3, prune="upper")
        if column:
            axes.tick_params(labelleft=False)
        text_style = {"transform": axes.transAxes, "va": "center", "fontsize": style.SMALL - 0.5}
        for number, line in enumerate(lines):
            y = -(0.32 + _LINE * number) / _HEIGHT
            for offset, text, color in line:
                axes.text(offset / width, y, text, color=color, **text_style)
    if len(shown) == len(panels):
        return figure, ""
    return figure, f" Of {len(panels)} panels these are the {len(shown)} with the best variants."


def _best(summary: Summary, panels: Sequence[Group]) -> list[Group]:
    ranks = {variant["name"]: rank for rank, variant in enumerate(reading.best_first(summary))}
    best = sorted(panels, key=lambda group: min(ranks[line.variant] for line in group.lines))
    return [group for group in panels if group in best[:MOST_PANELS]]


def _labels(group: Group, width: float) -> list[_Labels]:
    """Return the names of a panel's lines, as many side by side as fit."""
    lines: list[_Labels] = [[]]
    end = 0.0  # of the last label, in inches
    if group.factor:
        text = shortened(f"{group.factor}:", int(width / _CHARACTER / 2))
        lines[-1].append((0.0, text, style.INK))
        end = len(text) * _CHARACTER + 0.06
    for line in group.lines:
        text = "— " + shortened(line.label, int(width / _CHARACTER) - 2)
        size = len(text) * _CHARACTER + 0.1
        if lines[-1] and end + size > width + 0.1:
            lines.append([])
            end = 0.0
        lines[-1].append((end, text, line.color))
        end += size
    return lines

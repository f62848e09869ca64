"""Pictures with a row for each variant: its name, what is drawn, a note."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dlx.report.ablation import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GAP = 0.35  # inches between panels
_LEAST_WIDTH = 4.0  # inches, of the panels together


def rows(
    names: Sequence[str],
    notes: Sequence[str],
    headings: Sequence[str] = ("",),
    *,
    step: float = 0.0,
    label: str = "",
) -> tuple["Figure", list["Axes"]]:
    """Return a picture and its panels, in which row r lies at y = r, from the top.

    Args:
        names: of the rows
        notes: what stands right of each
        headings: of the panels, side by side
        step: inches from row to row, at least; more where names or notes have several lines
        label: of the horizontal axis
    """
    shown = [style.wrapped(name) for name in names]
    lines = max(text.count("\n") + 1 for text in [*shown, *notes])
    height = len(names) * max(step, 0.13 + style.LINE * lines)
    left, right = 0.35 + style.inches(shown), 0.3 + style.inches(notes)
    above = 0.35 if any(headings) else 0.15
    figure = style.sheet(height + above + 0.6, max(style.WIDTH, left + right + _LEAST_WIDTH))
    whole = figure.get_figwidth() - left - right
    width = (whole - _GAP * (len(headings) - 1)) / len(headings)
    panels = []
    for place, heading in enumerate(headings):
        axes = style.panel(figure, left + place * (width + _GAP), above, width, height, "x")
        axes.set_yticks([])
        axes.set_ylim(len(names) - 0.45, -0.6)
        axes.spines["left"].set_visible(False)
        style.heading(axes, heading)
        panels.append(axes)
    # Texts, not labels of ticks: a tick costs several times as much.
    sides = ((panels[0], shown, 0, "right"), (panels[-1], notes, 1, "left"))
    for axes, texts, place, side in sides:
        for row, text in enumerate(texts):
            axes.annotate(
                text,
                (place, row),
                (8 if place else -8, 0),
                axes.get_yaxis_transform(),
                textcoords="offset points",
                ha=side,
                va="center",
                fontsize=style.NORMAL,
                color=style.INK,
                annotation_clip=False,
            )
    if label:
        figure.text(
            (left + whole / 2) / figure.get_figwidth(),
            0.1 / figure.get_figheight(),
            label,
            ha="center",
            fontsize=style.NORMAL,
            color=style.INK,
        )
    return figure, panels

"""Pictures with a row for each variant: its name, the drawing, a note."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dlx.report.ablation import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GAP = 0.35  # inches between panels
_LEAST_SHARE = 0.42  # of the width that the panels have together


def row_chart(
    names: Sequence[str],
    notes: Sequence[str],
    headings: Sequence[str] = ("",),
    *,
    step: float = 0.0,
    label: str,
    width: float = style.WIDTH,
) -> tuple["Figure", list["Axes"]]:
    """Return a picture and its panels, in which row r lies at y = r, from the top.

    Rows have notes on their right, panels side by side have headings. `step` is the least distance
    of rows in inches; names or notes of several lines take more. So do long ones of the `width`.
    """
    names = [style.wrapped(name) for name in names]
    lines = max(text.count("\n") + 1 for text in [*names, *notes])
    height = len(names) * max(step, 0.13 + style.LINE * lines)
    left, right = 0.35 + style.inches(names), 0.3 + style.inches(notes)
    above = 0.35 if any(headings) else 0.15
    figure = style.sheet(height + above + 0.6, max(width, left + right + _LEAST_SHARE * width))
    whole = figure.get_figwidth() - left - right
    own = (whole - _GAP * (len(headings) - 1)) / len(headings)
    panels = []
    for place, heading in enumerate(headings):
        axes = style.panel(figure, left + place * (own + _GAP), above, own, height, "x")
        axes.set_yticks([])
        axes.set_ylim(len(names) - 0.45, -0.6)
        axes.spines["left"].set_visible(False)
        if heading:
            style.heading(axes, heading)
        panels.append(axes)
    # As texts: ticks with labels take several times as long to draw.
    for axes, texts, x, side in ((panels[0], names, 0, "right"), (panels[-1], notes, 1, "left")):
        points, coordinates = (8 if x else -8, 0), axes.get_yaxis_transform()
        for row, text in enumerate(texts):
            style.write(axes, text, (x, row), points, coordinates, ha=side, va="center")
    x, y = (left + whole / 2) / figure.get_figwidth(), 0.1 / figure.get_figheight()
    figure.text(x, y, label, ha="center", fontsize=style.NORMAL, color=style.INK)
    return figure, panels

"""The common style of an ablation's pictures: sizes in inches, colours, and labels.

The colours are those of Okabe and Ito, which people with any colour vision can tell apart; verdicts
have shapes too. Axes are placed by hand, since matplotlib's layouts draw a picture twice.

Reference:
    https://jfly.uni-koeln.de/color/
"""

import io
import math
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dlx.report.figures import encoded
from dlx.texts import shortened
from dlx.tracking.images import png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, GREY, FAINT = "#222222", "#8a8a8a", "#dddddd"
BLUE, VERMILLION = "#0072b2", "#d55e00"
PALETTE = (BLUE, VERMILLION, "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
# colour and shape
VERDICTS = {
    "better": (BLUE, "^"),
    "worse": (VERMILLION, "v"),
    "equivalent": (INK, "s"),
    "undecided": ("#ffffff", "o"),
}

DPI = 110
WIDTH = 9.5  # inches that a page shows without scaling
NARROW = 3.6  # inches that a telephone shows
SMALL, NORMAL = 8, 9  # points
WIDE = 30  # the axis of a cost is logarithmic if its means span more than this factor
LINE = 0.17  # inches between the lines of a text
_CHARACTER = 0.073  # inches at NORMAL, in the widest usual text

EndLabel = tuple[float, str, str]  # beside the end of a line: y in data, text, colour


@dataclass(frozen=True)
class Drawing:
    """A picture with its texts."""

    name: str  # of its file, without the ending
    title: str
    caption: str  # how to read it, in sentences
    figure: "Figure"
    narrow: "Drawing | None" = None  # the same for the screen of a telephone

    @property
    def pixels(self) -> tuple[int, int]:
        """Width and height."""
        width, height = self.figure.get_size_inches()
        return int(width * DPI), int(height * DPI)

    def png(self) -> bytes:
        """Return the contents of the picture's PNG file."""
        return encoded(self.figure)


def captioned(picture: bytes, caption: str) -> bytes:
    """Return a PNG picture with its caption below it."""
    from PIL import Image

    above = Image.open(io.BytesIO(picture)).convert("RGB")
    width = above.width / DPI
    lines = textwrap.wrap(caption, int((width - 0.3) / (_CHARACTER * SMALL / NORMAL)))
    strip = sheet(LINE * len(lines) + 0.2, width)
    place = 0.15 / width, 1 - 0.08 / strip.get_figheight()
    strip.text(*place, "\n".join(lines), fontsize=SMALL, color=INK, va="top", linespacing=1.4)
    below = Image.open(io.BytesIO(encoded(strip))).convert("RGB")
    whole = Image.new("RGB", (above.width, above.height + below.height), "white")
    whole.paste(above)
    whole.paste(below, (0, above.height))
    return png(np.asarray(whole))


def sheet(height: float, width: float = WIDTH) -> "Figure":
    """Return an empty picture of a size in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, facecolor="white")


def panel(
    figure: "Figure", left: float, top: float, width: float, height: float, grid: str = "y"
) -> "Axes":
    """Add axes to a picture, inches from its left and upper side, with lines at ticks of `grid`."""
    across, down = figure.get_size_inches()
    axes = figure.add_axes(
        (left / across, (down - top - height) / down, width / across, height / down)
    )
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(GREY)
    axes.tick_params(labelsize=SMALL, color=GREY, labelcolor=INK)
    axes.grid(axis=grid, color=FAINT, linewidth=0.6)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    return axes


def heading(axes: "Axes", text: str) -> None:
    """Write a heading above the upper left corner of a panel."""
    # Not as a title: matplotlib lays it out again for the label of every tick.
    write(axes, text, (0, 1), (0, 7), ha="left", va="bottom", fontweight="bold")


def label_below(axes: "Axes", text: str) -> None:
    """Write the label of the horizontal axis."""
    write(axes, text, (0.5, 0), (0, -19), ha="center", va="top")


def write(
    axes: "Axes",
    text: str,
    place: tuple[float, float],
    points: tuple[float, float],
    coordinates: Any = "axes fraction",
    **options: Any,
) -> None:
    """Write a text some points away from a place, inside or outside of the axes."""
    style = {"fontsize": NORMAL, "color": INK, "annotation_clip": False, **options}
    axes.annotate(text, place, points, coordinates, textcoords="offset points", **style)


def line_chart(names: Sequence[str], height: float, text: str) -> tuple["Figure", "Axes"]:
    """Return a picture with one panel that leaves room for the names of lines on its right."""
    left, right = 0.75, 0.25 + inches(names, SMALL)
    figure = sheet(height + 1.05)
    axes = panel(figure, left, 0.4, WIDTH - left - right, height)
    heading(axes, text)
    return figure, axes


def wrapped(name: str, width: int = 40, lines: int = 3) -> str:
    """Return a name in at most `lines` lines of at most `width` characters."""
    if len(textwrap.wrap(name, width)) > lines:
        name = shortened(name, int(width * (lines - 0.7)))
    return "\n".join(textwrap.wrap(name, width)[:lines])


def inches(texts: Iterable[str], size: float = NORMAL) -> float:
    """Return the width of the texts' longest line in letters of `size` points."""
    lines = [line for text in texts for line in text.split("\n")]
    return _CHARACTER * max(map(len, lines), default=0) * size / NORMAL


def shades(count: int, ordered: bool = False) -> list[str]:
    """Return the colours of lines: from dark to light if the lines have an order."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    if not ordered and count <= len(PALETTE):
        return list(PALETTE[:count])
    places = [0.88 * place / max(count - 1, 1) for place in range(count)]
    return [to_hex(colormaps["viridis"](place)) for place in places]


def keep_shares(
    set_limits: Callable[[float, float], Any], limits: tuple[float, float], factor: float
) -> None:
    """Keep an axis of percents (factor 100) between 0 and 100, even if an interval is wider."""
    if factor == 100:
        set_limits(max(limits[0], -2.0), min(limits[1], 102.0))


def label_ends(axes: "Axes", labels: Sequence[EndLabel]) -> None:
    """Write labels on the right of the axes, as near to their lines' ends as they fit.

    The axes have their final limits. y is NaN for a line without an end.
    """
    height = axes.get_window_extent().height / DPI
    to_share = axes.transData + axes.transAxes.inverted()
    ends = []
    for y, text, color in labels:
        share = 0.0 if math.isnan(y) else float(to_share.transform((0, y))[1])
        ends.append((min(max(share, 0.0), 1.0), text, color))
    ends.sort(key=lambda end: end[0])
    top = 0.0  # of the labels so far
    places = []
    for share, text, _ in ends:
        size = (text.count("\n") + 1) * LINE * 0.85 / height
        places.append(max(share, top + size / 2))
        top = places[-1] + size / 2
    excess = max(top - 1.02, 0.0)
    style = {"transform": axes.transAxes, "va": "center", "fontsize": SMALL, "linespacing": 1.0}
    for (_, text, color), place in zip(ends, places, strict=True):
        axes.text(1.015, place - excess, text, color=color, **style)

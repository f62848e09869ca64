"""One look for all pictures of an ablation: sizes in inches, colours that all can tell apart.

Colours are those of Okabe and Ito, which people with any colour vision can tell apart; a verdict
has a shape too. Axes are placed by hand: matplotlib's layouts draw a picture twice.

Reference:
    https://jfly.uni-koeln.de/color/
"""

import io
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
WIDTH = 9.5  # inches: what a page shows without scaling
SMALL, NORMAL = 8, 9  # points
LINE = 0.17  # inches between the lines of a text
_CHARACTER = 0.073  # inches, of the widest usual text at NORMAL


@dataclass(frozen=True)
class Drawing:
    """A picture and what stands beside it.

    Attributes:
        name: of its file, without the ending
        title: heading
        caption: how to read it, in sentences
        figure: what is drawn
    """

    name: str
    title: str
    caption: str
    figure: "Figure"

    @property
    def pixels(self) -> tuple[int, int]:
        """Width and height."""
        width, height = self.figure.get_size_inches()
        return int(width * DPI), int(height * DPI)

    def png(self) -> bytes:
        """Return the picture as a PNG file."""
        encoded = io.BytesIO()
        # Chosen for speed: the smallest files take four times as long to write.
        self.figure.savefig(encoded, format="png", pil_kwargs={"compress_level": 3})
        return encoded.getvalue()


def sheet(height: float, width: float = WIDTH) -> "Figure":
    """Return an empty picture of that many inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, facecolor="white")


def panel(
    figure: "Figure", left: float, top: float, width: float, height: float, grid: str = "y"
) -> "Axes":
    """Add axes at a place in inches from the picture's upper left corner.

    Args:
        grid: the axis whose ticks have lines: x, y or both
    """
    whole_width, whole_height = figure.get_size_inches()
    place = (left, whole_height - top - height, width, height)
    sizes = (whole_width, whole_height, whole_width, whole_height)
    axes = figure.add_axes(
        tuple(each / size for each, size in zip(place, sizes, strict=True))  # type: ignore[arg-type]
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
    """Write a panel's heading, if it has one, above its upper left corner."""
    if not text:
        return
    # As a text: a title, like a label of matplotlib's, is laid out anew against every tick's label.
    _beside(axes, (0, 1), (0, 7), text, "left", "bottom", fontweight="bold")


def label_below(axes: "Axes", text: str) -> None:
    """Write what the horizontal axis shows below its middle."""
    _beside(axes, (0.5, 0), (0, -19), text, "center", "top")


def _beside(
    axes: "Axes",
    place: tuple[float, float],
    points: tuple[float, float],
    text: str,
    across: str,
    up: str,
    **options: Any,
) -> None:
    axes.annotate(
        text,
        place,
        points,
        "axes fraction",
        textcoords="offset points",
        ha=across,
        va=up,
        fontsize=NORMAL,
        color=INK,
        annotation_clip=False,
        **options,
    )


def shortened(text: str, width: int) -> str:
    """Return a text of at most `width` characters: a longer one loses its middle."""
    if len(text) <= width:
        return text
    tail = (width - 3) // 2
    return f"{text[: width - 3 - tail]} … {text[len(text) - tail :]}"


def wrapped(name: str, width: int = 40, lines: int = 3) -> str:
    """Return a name in at most so many lines of at most `width` characters."""
    found = textwrap.wrap(name, width)
    if len(found) > lines:
        found = textwrap.wrap(shortened(name, int(width * (lines - 0.7))), width)[:lines]
    return "\n".join(found)


def inches(texts: Iterable[str]) -> float:
    """Return the width that the longest line of the texts takes, at NORMAL."""
    lines = [line for text in texts for line in text.split("\n")]
    return _CHARACTER * max(map(len, lines), default=0)


def shades(count: int, ordered: bool = False) -> list[str]:
    """Return colours of that many lines.

    Args:
        count: of the lines
        ordered: the lines have an order: the colours go from dark to light
    """
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    if not ordered and count <= len(PALETTE):
        return list(PALETTE[:count])
    places = [0.88 * place / max(count - 1, 1) for place in range(count)]
    return [to_hex(colormaps["viridis"](place)) for place in places]


def keep_shares(
    set_limits: Callable[[float, float], Any], limits: tuple[float, float], factor: float
) -> None:
    """Keep an axis of percents (factor 100) within 0 to 100: an interval's end may lie beyond."""
    if factor == 100:
        set_limits(max(limits[0], -2.0), min(limits[1], 102.0))


def label_ends(axes: "Axes", labels: Sequence[tuple[float, str, str]]) -> None:
    """Write labels right of the axes, each as near to its line's end as the others allow.

    Args:
        axes: with their final limits
        labels: (y in data, text, colour)
    """
    height = axes.get_window_extent().height / DPI
    limits = axes.transData, axes.transAxes.inverted()
    placed = []
    for y, text, color in labels:
        across = limits[1].transform(limits[0].transform((0, y)))[1] if y == y else 0.0
        placed.append((min(max(float(across), 0.0), 1.0), text, color))
    placed.sort(key=lambda each: each[0])
    lowest = 0.0
    places = []
    for y, text, _ in placed:
        size = (text.count("\n") + 1) * LINE * 0.85 / height
        places.append(max(y, lowest + size / 2))
        lowest = places[-1] + size / 2
    over = max(lowest - 1.02, 0.0)  # what stands above the axes moves all labels down
    for (_, text, color), y in zip(placed, places, strict=True):
        axes.text(
            1.015,
            y - over,
            text,
            transform=axes.transAxes,
            va="center",
            fontsize=SMALL,
            color=color,
            linespacing=1.0,
        )

"""What all figures share: fonts, the colours of the parts of the data, and files."""

import contextlib
import functools
import io
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dlx.texts import told_apart
from dlx.tracking.images import COMPRESSION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# Of Okabe and Ito, which people with any colour vision can tell apart.
SPLIT_COLORS = {
    "train": "#0072b2",
    "train_dev": "#cc79a7",
    "stop": "#e69f00",
    "dev": "#d55e00",
    "test": "#009e73",
}
# With Hangul, all but the first; of a collection of fonts matplotlib knows the first alone.
_HANGUL = (
    *("Noto Sans CJK KR", "Noto Sans CJK JP", "Noto Sans KR", "NanumGothic", "Malgun Gothic"),
    *("Apple SD Gothic Neo", "UnDotum", "Baekmuk Gulim"),
)
_LONGEST = 32  # characters of a name that leave room for what is drawn
_FILES = ("cjk", "sanskr", "nanum", "malgun", "gothicneo", "undotum", "baekmuk")  # parts of names


@contextlib.contextmanager
def plain_texts() -> Iterator[None]:
    """Draw texts literally: `$` begins no formula, and a character without a glyph is a box.

    Hangul is drawn if a font that has it is installed.
    """
    from matplotlib import rc_context

    families = ["DejaVu Sans", *_hangul_fonts()]
    with rc_context({"text.parse_math": False, "font.family": families}), _quietly():
        yield


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Say nothing of characters without a glyph, nor of texts that leave no room."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        warnings.filterwarnings("ignore", "constrained_layout not applied")
        yield


@functools.cache
def _hangul_fonts() -> list[str]:
    """Return the installed fonts with Hangul, those too that came after matplotlib's own list."""
    from matplotlib.font_manager import findSystemFonts, fontManager

    known = {Path(font.fname) for font in fontManager.ttflist}
    for path in map(Path, findSystemFonts()):
        name = path.name.casefold()
        if path not in known and any(part in name for part in _FILES):
            with contextlib.suppress(RuntimeError, OSError):  # a damaged font
                fontManager.addfont(path)
    installed = {font.name for font in fontManager.ttflist if Path(font.fname).exists()}
    return [name for name in _HANGUL if name in installed]


def short(names: Sequence[str]) -> list[str]:
    """Return the names of classes, inputs or layers, of which long ones lose their middle."""
    by_name = told_apart(names, _LONGEST)
    return [by_name[name] for name in names]


def log_scale(axes: "Axes", which: Literal["x", "y"]) -> None:
    """Make an axis logarithmic, with plain numbers at its ticks: 0.01, 1, 1e+06.

    Within a single decade the ticks at 2 and 5 have numbers, too.
    """
    axes.set(**{f"{which}scale": "log"})
    axis = axes.xaxis if which == "x" else axes.yaxis

    def between(value: float, _: float) -> str:
        low, high = axis.get_view_interval()
        return f"{value:g}" if high < 10 * low and f"{value:e}"[0] in "25" else ""

    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter(between)


@_quietly()
def encoded(figure: "Figure", form: str = "png") -> bytes:
    """Return a figure as the contents of a file.

    A PDF has no date in it, so that the same figure gives the same bytes.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    file = io.BytesIO()
    if form == "png":
        # `savefig` draws a figure with a layout twice, the first time for the layout alone.
        FigureCanvasAgg(figure).print_png(file, pil_kwargs={"compress_level": COMPRESSION})
    else:
        metadata = {"CreationDate": None} if form == "pdf" else None
        figure.savefig(file, format=form, metadata=metadata)
    return file.getvalue()

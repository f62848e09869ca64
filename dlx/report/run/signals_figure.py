"""What passes through every layer of a run, as a picture: signals upwards, gradients back."""

from typing import TYPE_CHECKING

from dlx.report.figures import log_scale
from dlx.tracking.evaluations import Curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_QUANTITIES = {
    "between_rows": "variance between rows of a unit's outputs",
    "gradient_norm": "size of the gradient of the weights",
}
_MOST_TICKS = 12


def signals(curve: Curve, *, narrow: bool = False) -> "Figure | None":
    """Return a figure of both by layer, at the first and the last look; None: nothing was recorded.

    Axes are logarithmic, so that a layer without variance or gradient has no point.
    """
    from matplotlib.figure import Figure

    train = curve.values.get("train", {})
    layers = [tag.partition("/")[2] for tag in train if tag.startswith("between_rows/")]
    if not layers:
        return None
    size = (3.6, 4.8) if narrow else (10.4, 3.6)
    figure = Figure(figsize=size, dpi=110, layout="constrained")
    shape = (2, 1) if narrow else (1, 2)
    for place, (tag, label) in enumerate(_QUANTITIES.items(), 1):
        axes = figure.add_subplot(*shape, place)
        for name, which in (("first look", 0), ("end", -1)):
            looks = ([v for v in train.get(f"{tag}/{layer}", ()) if v == v] for layer in layers)
            points = [(i, v[which]) for i, v in enumerate(looks) if v and v[which] > 0]
            if points:
                axes.plot(*zip(*points, strict=True), marker="o", markersize=4, label=name)
        step = -(-len(layers) // _MOST_TICKS)
        axes.set_xticks(range(0, len(layers), step), layers[::step])
        axes.set_xlim(-0.5, len(layers) - 0.5)
        axes.set_xlabel("layer")
        axes.set_title(label, fontsize=9)
        axes.grid(alpha=0.3)
        if axes.lines:
            log_scale(axes, "y")
            axes.legend(fontsize=8)
    return figure

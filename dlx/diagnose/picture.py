"""The variance of activations and gradients at every layer, as a picture."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TICKS = 12  # names of layers under an axis


def draw(found: dict[str, Any]) -> "Figure":
    """Return a figure of what `inspect` found: predicted and measured, on logarithmic scales.

    Left the variance of every layer's activations A, right the mean square of its gradient dZ.
    """
    from matplotlib.figure import Figure

    layers = [each for each in found["layers"] if each["variance"]["measured"] is not None]
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    for axes, quantity, title in (
        (figure.add_subplot(1, 2, 1), "variance", "activations: Var(A)"),
        (figure.add_subplot(1, 2, 2), "gradient", "gradients: mean of dZ²"),
    ):
        _line(axes, layers, quantity, "measured", color="C0", marker="o", markersize=4)
        _line(axes, layers, quantity, "predicted", color="C1", linestyle="--", marker="x", zorder=3)
        axes.set_title(title)
        axes.set_xlabel("layer")
        stride = -(-len(layers) // _TICKS)
        places = range(0, len(layers), stride)
        axes.set_xticks(list(places), [layers[i]["name"] for i in places])
        axes.set_xlim(-0.5, len(layers) - 0.5)
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.set_yscale("log")
            axes.legend()
    figure.suptitle(f"{found['name']}: one batch of {found['batch_size']:,} rows")
    return figure


def _line(axes: Any, layers: list[dict[str, Any]], quantity: str, which: str, **style: Any) -> None:
    points = [(place, layer[quantity][which]) for place, layer in enumerate(layers)]
    shown = [(place, value) for place, value in points if value]  # zero has no logarithm
    if shown:
        axes.plot(*zip(*shown, strict=True), label=which, **style)

"""The variance of activations and gradients at every layer, as a picture."""

from typing import TYPE_CHECKING, Any

from dlx.report.figures import log_scale, plain_texts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TICKS = 12  # names of layers under an axis
_QUANTITIES = {"variance": "activations: Var(A)", "gradient": "gradients: mean of dZ²"}
_LOOKS: dict[str, dict[str, Any]] = {
    "measured": {"color": "C0", "marker": "o", "markersize": 4},
    "predicted": {"color": "C1", "linestyle": "--", "marker": "x", "zorder": 3},
    "between_rows": {"color": "C2", "marker": "s", "markersize": 4},
}


@plain_texts()
def draw(inspected: dict[str, Any]) -> "Figure":
    """Return a figure of what `inspect` returned: predicted and measured, on logarithmic scales.

    Left the variance of every layer's activations A, over units and rows, and of a unit between
    rows (what is left of the inputs), right the mean square of its gradient dZ; below, for every
    recurrent layer, the same along its steps.
    """
    from matplotlib.figure import Figure

    # A projection is a part of a recurrent layer: its outputs are not yet the layer's A.
    layers = [
        layer
        for layer in inspected["layers"]
        if layer["variance"]["measured"] is not None and layer["kind"] != "projection"
    ]
    panels = [("layer", [layer["name"] for layer in layers], layers)]
    for layer in layers:
        if layer["steps"] is not None:
            count = len(layer["steps"]["variance"]["measured"])
            by_step = [_step(layer["steps"], step) for step in range(count)]
            names = [str(step) for step in range(1, count + 1)]
            panels.append((f"step of layer {layer['name']}", names, by_step))
    figure = Figure(figsize=(11, 4.2 * len(panels)), layout="constrained")
    for row, (label, names, places) in enumerate(panels):
        for column, (quantity, title) in enumerate(_QUANTITIES.items(), 1):
            axes = figure.add_subplot(len(panels), 2, 2 * row + column)
            _panel(axes, label, names, places, quantity)
            axes.set_title(title)
    figure.suptitle(f"{inspected['name']}: one batch of {inspected['batch_size']:,} rows")
    return figure


def _step(steps: dict[str, Any], step: int) -> dict[str, Any]:
    """Return variance and gradient of one step in the form of a layer's."""
    return {
        quantity: {which: values and values[step] for which, values in steps[quantity].items()}
        for quantity in _QUANTITIES
    }


def _panel(
    axes: Any, label: str, names: list[str], places: list[dict[str, Any]], quantity: str
) -> None:
    for which, look in _LOOKS.items():
        points = [(number, place[quantity].get(which)) for number, place in enumerate(places)]
        shown = [(number, value) for number, value in points if value]  # zero has no logarithm
        if shown:
            axes.plot(*zip(*shown, strict=True), **{"label": which.replace("_", " "), **look})
    axes.set_xlabel(label)
    ticks = range(0, len(names), -(-len(names) // _TICKS))
    axes.set_xticks(list(ticks), [names[i] for i in ticks])
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.grid(alpha=0.3)
    if axes.lines:
        log_scale(axes, "y")
        axes.legend()

"""Figures of the outputs and hidden units of a network of two inputs in the plane."""

from typing import TYPE_CHECKING

from dlx.cohort import Cohort
from dlx.report.run.pictures import COLORS, colored, regions, unit_regions
from dlx.report.run.regions import Panel, Plane

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_NAMES = 12  # in a legend


def draw(cohort: Cohort, plane: Plane, title: str) -> "dict[str, Figure]":
    """Return figures `decision` and `decision_<layer>` of a cohort of one, by name."""
    from matplotlib.figure import Figure

    surface = plane.look(cohort.network, cohort.head, 0)
    panels = plane.panels(surface, cohort.head)
    figure = Figure(figsize=(5.6 * len(panels), 5), dpi=110, layout="constrained")
    for place, panel in enumerate(panels, 1):
        _draw(figure.add_subplot(1, len(panels), place), panel, plane)
    figure.suptitle(title)
    figures = {"decision": figure}
    for layer, values in surface.units.items():
        figure = Figure(figsize=(6, 6), dpi=110, layout="constrained")
        axes = figure.add_subplot()
        axes.imshow(unit_regions(values))
        axes.set_axis_off()
        axes.set_title(
            f"{title}, layer {layer}: units 1 to {len(values)}, from the lowest output (blue)\nto "
            "the highest (orange); grey: the same everywhere",
            fontsize=9,
        )
        figures[f"decision_{layer}"] = figure
    return figures


def _draw(axes: "Axes", panel: Panel, plane: Plane) -> None:
    axes.imshow(regions(panel.regions), extent=plane.extent, aspect="auto")
    size = 18 if len(plane.rows) > 50 else 70
    style = {"s": size, "edgecolors": "black", "linewidths": 0.5}
    axes.scatter(*plane.rows.T, c=colored(panel.rows) / 255, **style)
    for number, name in enumerate(panel.names[:_MOST_NAMES]):
        axes.scatter([], [], color=COLORS[number % len(COLORS)] / 255, label=name, **style)
    axes.set(xlabel=plane.axes[0], ylabel=plane.axes[1], title=panel.title)
    axes.legend(loc="upper right", fontsize=8)

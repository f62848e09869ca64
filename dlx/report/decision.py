"""Pictures of what a trained network of two inputs says in the plane, as files."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from dlx.cohort import Cohort
from dlx.runs import make_directory, write_atomic
from dlx.training.decision import Panel, Plane
from dlx.training.pictures import COLORS, colored, plain_texts, regions, unit_regions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_NAMES = 12  # in a legend


@plain_texts()
def write(folder: Path, cohort: Cohort, plane: Plane, title: str) -> list[Path]:
    """Draw a trained network's decisions, and each hidden layer's units.

    Args:
        folder: gets decision.png and decision_<layer>.png; made if it is not there
        cohort: the network, a cohort of one
        plane: that its training rows lie in
        title: of the pictures

    Returns:
        the files

    Raises:
        StorageError: a file cannot be written
    """
    from matplotlib.figure import Figure

    surface = plane.look(cohort.network, cohort.head, 0)
    panels = plane.panels(surface, cohort.head)
    figure = Figure(figsize=(5.6 * len(panels), 5), dpi=110, layout="constrained")
    for place, panel in enumerate(panels, 1):
        _draw(figure.add_subplot(1, len(panels), place), panel, plane)
    figure.suptitle(title)
    make_directory(folder)
    files = [_save(figure, folder / "decision.png")]
    for layer, values in surface.units.items():
        figure = Figure(figsize=(6, 6), dpi=110, layout="constrained")
        axes = figure.add_subplot()
        axes.imshow(unit_regions(values))
        axes.set_axis_off()
        axes.set_title(
            f"{title}, layer {layer}: units 1 to {len(values)}, from lowest (blue) to highest "
            "(orange)\noutput; grey: the same everywhere",
            fontsize=9,
        )
        files.append(_save(figure, folder / f"decision_{layer}.png"))
    return files


def _draw(axes: "Axes", panel: Panel, plane: Plane) -> None:
    axes.imshow(regions(panel.regions), extent=plane.extent, aspect="auto")
    size = 18 if len(plane.rows) > 50 else 70
    style = {"s": size, "edgecolors": "black", "linewidths": 0.5}
    axes.scatter(*plane.rows.T, c=colored(panel.rows) / 255, **style)
    for number, name in enumerate(panel.names[:_MOST_NAMES]):
        axes.scatter([], [], color=COLORS[number % len(COLORS)] / 255, label=name, **style)
    axes.set(xlabel=plane.axes[0], ylabel=plane.axes[1], title=panel.title)
    axes.legend(loc="upper right", fontsize=8)


def _save(figure: "Figure", path: Path) -> Path:
    encoded = io.BytesIO()
    figure.savefig(encoded, format="png")
    write_atomic(path, encoded.getvalue())
    return path

"""Sheets of images with a network's predictions.

# N images, I inputs, C outputs
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dlx.data.dataset import Task
from dlx.report.figures import encoded, plain_texts
from dlx.report.predictions import Predictions
from dlx.report.run.pictures import MOST_IMAGES, lines_of_images, shades

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PER_LINE = 10
_LONGEST = 12  # characters of a line that fit under an image
_MOST_NUMBERS = 3  # of a prediction that fit


@plain_texts()
def png(task: Task, predictions: Predictions, title: str) -> bytes:
    """Return images and their predictions as the contents of a PNG file; see `draw`."""
    return encoded(draw(task, predictions, title))


def draw(task: Task, predictions: Predictions, title: str) -> "Figure":
    """Return a figure of the first 100 images, over their reconstructions or their predictions.

    A prediction is a class with its probability, the labels that hold, or numbers. If it is known
    to be wrong, the target follows it, and both are red.
    """
    from dlx.report.run.code_figures import picture, reconstructed_images

    assert predictions.inputs is not None and predictions.outputs is not None
    inputs = predictions.inputs[:MOST_IMAGES]
    if len(inputs) < len(predictions.rows):
        title = f"{title}, the first {len(inputs)} of {len(predictions.rows):,} rows"
    if task.kind == "reconstruction":
        lines = [inputs, predictions.outputs[:MOST_IMAGES]]
        return reconstructed_images(lines, task.input_shape, title)
    white = np.full_like(inputs, shades(inputs)[1])
    sheet, middles = lines_of_images([inputs, white], task.input_shape, _PER_LINE)
    columns = min(len(inputs), _PER_LINE)
    figure, axes = picture(sheet, f"{title}: predictions", columns)
    axes.set_axis_off()
    across = np.linspace(0, sheet.shape[1], 2 * columns + 1)[1::2]
    below = middles.reshape(-1, 2).mean(1)
    for number, row in enumerate(predictions.records()[: len(inputs)]):
        lines, is_wrong = _lines(task, row)
        text = "\n".join(ln if len(ln) <= _LONGEST else f"{ln[:_LONGEST]}…" for ln in lines)
        x, y = across[number % _PER_LINE], below[number // _PER_LINE]
        color = "#c44e52" if is_wrong else "black"
        axes.text(x, y, text, color=color, fontsize=7, ha="center", va="top")
    return figure


def _lines(task: Task, row: Mapping[str, Any]) -> tuple[list[str], bool]:
    """Return the lines under an image, and whether the prediction is known to be wrong."""
    if task.classes is None:
        values = [value for name, value in row.items() if name.startswith("predicted")]
        return [f"{value:.4g}" for value in values[:_MOST_NUMBERS]], False
    if task.kind == "multilabel":
        predicted, target = (
            ", ".join(name for name in task.classes if row.get(f"{column}({name})"))
            for column in ("predicted", "target")
        )
        is_wrong = f"target({task.classes[0]})" in row and predicted != target
        lines = [predicted or "none"]
    else:
        predicted = row["predicted"]
        probability, target = row.get(f"p({predicted})"), row.get("target", predicted)
        is_wrong = target != predicted
        lines = [predicted, *([] if probability is None else [f"{probability:.1%}"])]
    return [*lines, *([f"is {target}"] if is_wrong else [])], is_wrong

"""Images, and beside each what a network says of it.

# N images, I inputs, C outputs
"""

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dlx.data.dataset import Task
from dlx.report.predictions import Predictions
from dlx.report.run.pictures import MOST_IMAGES, lines_of_images, plain_texts, shades

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PER_LINE = 10
_LONGEST = 12  # letters of a line that have room under an image
_MOST_NUMBERS = 3  # of a prediction that have room


@plain_texts()
def png(task: Task, predictions: Predictions, title: str) -> bytes:
    """Return images and what is predicted of them as the contents of a PNG file; see `draw`."""
    encoded = io.BytesIO()
    draw(task, predictions, title).savefig(encoded, format="png")
    return encoded.getvalue()


def draw(task: Task, predictions: Predictions, title: str) -> "Figure":
    """Draw the first 100 images: over their reconstructions, or over what they are said to be.

    Under an image stand its class and the class's probability, the labels that hold, or the
    numbers; where the target is known and another one, it follows, and all is red.

    Args:
        task: of the network, whose inputs are images
        predictions: of N rows, with their inputs
        title: of the figure
    """
    from dlx.report.run.code_figures import picture, reconstructed_images

    assert predictions.inputs is not None and predictions.outputs is not None
    inputs = predictions.inputs[:MOST_IMAGES]
    if len(inputs) < len(predictions.rows):
        title = f"{title}, the first {len(inputs)} of {len(predictions.rows):,} rows"
    if task.kind == "reconstruction":
        lines = [inputs, predictions.outputs[:MOST_IMAGES]]
        return reconstructed_images(lines, task.input_shape, title)
    room = np.full_like(inputs, shades(inputs)[1])
    sheet, middles = lines_of_images([inputs, room], task.input_shape, _PER_LINE)
    columns = min(len(inputs), _PER_LINE)
    figure, axes = picture(sheet, f"{title}: what is predicted", columns)
    axes.set_axis_off()
    across = np.linspace(0, sheet.shape[1], 2 * columns + 1)[1::2]
    below = middles.reshape(-1, 2).mean(1)
    for number, row in enumerate(predictions.records()[: len(inputs)]):
        words, is_wrong = _said(task, row)
        axes.text(
            across[number % _PER_LINE],
            below[number // _PER_LINE],
            "\n".join(each if len(each) <= _LONGEST else f"{each[:_LONGEST]}…" for each in words),
            color="#c44e52" if is_wrong else "black",
            fontsize=7,
            ha="center",
            va="top",
        )
    return figure


def _said(task: Task, row: Mapping[str, Any]) -> tuple[list[str], bool]:
    """Return the lines under an image, and whether its target is known to be another."""
    if task.kind == "multilabel":
        assert task.classes is not None
        said, known = (
            [name for name in task.classes if row.get(f"{column}({name})")]
            for column in ("predicted", "target")
        )
        is_wrong = f"target({task.classes[0]})" in row and said != known
        return [", ".join(said) or "none", *([f"is {', '.join(known)}"] if is_wrong else [])], (
            is_wrong
        )
    if task.classes is None:
        values = [value for name, value in row.items() if name.startswith("predicted")]
        return [f"{value:.4g}" for value in values[:_MOST_NUMBERS]], False
    said = row["predicted"]
    probability, target = row.get(f"p({said})"), row.get("target", said)
    lines = [said, *([] if probability is None else [f"{probability:.1%}"])]
    return [*lines, *([f"is {target}"] if target != said else [])], target != said

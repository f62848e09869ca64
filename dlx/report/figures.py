"""A run's pictures as files."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlx.cohort import Cohort
from dlx.data.parts import Splits
from dlx.report import decision, pretraining
from dlx.runs import make_directory, write_atomic
from dlx.training.decision import Plane, is_plane
from dlx.training.evaluation import confusion
from dlx.training.filters import encoder_filters
from dlx.training.pictures import confusion_figure, is_image, plain_texts
from dlx.training.reconstruction import Sample

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Trained:
    """A trained run, to be drawn.

    Attributes:
        title: of its pictures
        cohort: the network, a cohort of one
        splits: with the targets that it learned
        labelled: the same with the targets of the data
        stages: the lines of pretraining.jsonl; none without pre-training
        history: the lines of metrics.jsonl
    """

    title: str
    cohort: Cohort
    splits: Splits
    labelled: Splits
    stages: Sequence[Mapping[str, Any]] = ()
    history: Sequence[Mapping[str, Any]] = ()


@plain_texts()
def write(folder: Path, run: Trained, *, everything: bool = True) -> list[Path]:
    """Draw a run: a PNG file for each picture that there is of it.

    Args:
        folder: made if it is not there
        run: it
        everything: confusion matrices and what the first layer looks for as well

    Returns:
        the files

    Raises:
        StorageError: a file cannot be written
    """
    figures = draw(run, everything=everything)
    if figures:
        make_directory(folder)
    return [_save(figure, folder / f"{name}.png") for name, figure in figures.items()]


def draw(run: Trained, *, everything: bool = True) -> "dict[str, Figure]":
    """Return a run's pictures by name; see `write`."""
    # Here, since it loads matplotlib.
    from dlx.training import code_figures

    task, cohort, title = run.splits.task, run.cohort, run.title
    found: dict[str, Figure] = {}
    if task.kind == "reconstruction":
        sample = Sample(run.splits, run.labelled, cohort.members[0].design)
        found |= code_figures.draw(sample, cohort, title)
    elif everything and is_image(task.input_shape):
        filters = encoder_filters(cohort.network, 0, task)
        if filters is not None:
            found["filters"] = code_figures.filter_sheet(
                "filters", filters, task.input_shape, title
            )
    if is_plane(task):
        found |= decision.draw(cohort, Plane(run.splits), title)
    if everything and task.classes is not None:
        for name, part in run.splits.parts.items():
            counts = confusion(cohort, part.inputs, cohort.head.encode(part.targets))[0].numpy()
            found[f"confusion_{name}"] = confusion_figure(
                counts, task.classes, f"{title}, {name} rows"
            )
    if run.stages:
        found["pretraining"] = pretraining.draw(run.stages, run.history, title)
    return found


def _save(figure: "Figure", path: Path) -> Path:
    encoded = io.BytesIO()
    figure.savefig(encoded, format="png")
    write_atomic(path, encoded.getvalue())
    return path

"""The figures of a trained run, and their files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlx.cohort import Cohort
from dlx.data.parts import Splits
from dlx.report.run import pretraining_figure, region_figures
from dlx.report.run.filters import encoder_filters
from dlx.report.run.pictures import confusion_figure, is_image, png
from dlx.report.run.reconstruction import Sample
from dlx.report.run.regions import Plane, is_plane
from dlx.runs import make_directory, write_atomic
from dlx.training.evaluation import confusion

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Trained:
    """A trained run that is to be drawn."""

    title: str  # of its figures
    cohort: Cohort  # of one
    splits: Splits  # with the targets that it learned
    labelled: Splits  # the same rows with the data's own targets
    stages: Sequence[Mapping[str, Any]] = ()  # the lines of pretraining.jsonl
    history: Sequence[Mapping[str, Any]] = ()  # the lines of metrics.jsonl


def draw(run: Trained, *, everything: bool = True) -> "dict[str, Figure]":
    """Return a run's figures by name; with `everything` also those of level full.

    These are confusion matrices and, of images, the filters of the first layer.
    """
    from dlx.report.run import code_figures  # imports matplotlib

    task, cohort, title = run.splits.task, run.cohort, run.title
    figures: dict[str, Figure] = {}
    if task.kind == "reconstruction":
        sample = Sample(run.splits, run.labelled, cohort.members[0].design)
        figures |= code_figures.draw(sample, cohort, title)
    elif everything and is_image(task.input_shape):
        filters = encoder_filters(cohort.network, 0, task)
        if filters is not None:
            sheet = code_figures.filter_sheet("filters", filters, task.input_shape, title)
            figures["filters"] = sheet
    if is_plane(task):
        figures |= region_figures.draw(cohort, Plane(run.splits), title)
    if everything and task.classes is not None:
        for name, part in run.splits.parts.items():
            counts = confusion(cohort, part.inputs, cohort.head.encode(part.targets))[0]
            figures[f"confusion_{name}"] = confusion_figure(
                counts.cpu().numpy(), task.classes, f"{title}, {name} rows"
            )
    if run.stages:
        figures["pretraining"] = pretraining_figure.draw(run.stages, run.history, title)
    return figures


def save(figures: "Mapping[str, Figure]", folder: Path) -> list[Path]:
    """Write figures as PNG files into a folder, which is made for them, and return the files."""
    paths = {folder / f"{name}.png": figure for name, figure in figures.items()}
    for path, figure in paths.items():
        make_directory(folder)
        write_atomic(path, png(figure))
    return list(paths)

"""What the variants of an ablation reconstruct, the same rows, and the filters of their units.

# R rows, I inputs, O units
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dlx.ablation.plan import Plan, PlannedRun, runs_by_path
from dlx.ablation.results import RunResult
from dlx.data.dataset import Task
from dlx.errors import RunError
from dlx.report.ablation import reading, style
from dlx.report.ablation.reading import Summary
from dlx.report.ablation.style import Drawing
from dlx.report.run.filters import decoder_filters, encoder_filters
from dlx.report.run.pictures import as_tiles, is_image, shades, weight_images
from dlx.report.run.reconstruction import Look, Sample
from dlx.runs.ablations import read_index
from dlx.training.finding import tensors_of
from dlx.training.trained import stack

_MOST = 12  # variants
_ROWS = 10  # images side by side
_UNITS = 25  # whose filters are drawn
_SIZE = 0.62  # inches, of an image
_GAP = 0.06


class _Seen(NamedTuple):
    """One run of a variant, looked at."""

    variant: str
    task: Task
    look: Look
    filters: np.ndarray | None


def draw(
    plan: Plan, directory: Path, summary: Summary, results: Sequence[RunResult]
) -> list[Drawing]:
    """Draw what one run of each variant makes of rows; nothing where none reconstructs images.

    The run is the one of the lowest seed that was scored; of more than twelve variants the best
    ones are drawn. Where a run corrupts its inputs, its line shows what it makes of corrupted rows.
    Variants of the same rows stand together: where data or split vary there are several such rows.

    Args:
        plan: of the ablation
        directory: of the ablation
        summary: what summary.json holds
        results: of the compared runs that ended
    """
    able = {
        run.arm.variant
        for run in plan.runs("comparison")
        if _reconstructs_images(plan.job(run).splits.task)
    }
    names = [each["name"] for each in reading.best_first(summary) if each["name"] in able]
    runs = runs_by_path(plan)
    seen = [_look(plan, runs, directory, name, results) for name in names[:_MOST]]
    found = [each for each in seen if each is not None]
    if not found:
        return []
    left_out = (
        f" Of {len(names)} variants these are the best {_MOST}." if len(names) > _MOST else ""
    )
    return [_rows(found, left_out), *_filters(found, left_out)]


def _reconstructs_images(task: Task) -> bool:
    return task.kind == "reconstruction" and is_image(task.input_shape)


def _look(
    plan: Plan,
    runs: Mapping[str, PlannedRun],
    directory: Path,
    variant: str,
    results: Sequence[RunResult],
) -> _Seen | None:
    scored = [run for run in results if run.variant == variant and run.is_scored]
    if not scored:
        return None
    run = min(scored, key=lambda each: (each.seed, each.fold or 0))
    job = plan.job(runs[run.path])
    try:
        tensors = tensors_of(directory, read_index(directory)[run.path])
    except RunError:  # the pictures are no reason to be without a report
        return None
    cohort = stack([(job.design, tensors)], (), [run.seed])
    look = Sample(job.splits, job.labelled, job.design).look(cohort, 0)
    task = job.splits.task
    filters = decoder_filters(cohort.network, 0, task) or encoder_filters(cohort.network, 0, task)
    return _Seen(variant, task, look, None if filters is None else filters.weights)


def _rows(found: Sequence[_Seen], left_out: str) -> Drawing:
    """Draw inputs, and below them a line or two for every variant that saw them."""
    lines: list[tuple[str, np.ndarray]] = []
    for of_rows in _by_rows(found):
        shape, inputs = of_rows[0].task.input_shape, of_rows[0].look.inputs
        low_high = shades(inputs)
        named = [("input", inputs)]
        for each in of_rows:
            if each.look.corrupted is not None:
                named.append(("sees", each.look.corrupted))
            named.append((each.variant, each.look.outputs))
        lines += [(name, as_tiles(rows[:_ROWS], shape, *low_high)) for name, rows in named]
    labels = [style.wrapped(name, 40) for name, _ in lines]
    left = style.inches(labels) + 0.15
    count = max(len(tiles) for _, tiles in lines)
    figure = style.sheet(len(lines) * (_SIZE + _GAP) + 0.1, left + count * (_SIZE + _GAP) + 0.1)
    for row, (label, (_, tiles)) in enumerate(zip(labels, lines, strict=True)):
        top = 0.05 + row * (_SIZE + _GAP)
        for column, tile in enumerate(tiles):
            axes = style.panel(figure, left + column * (_SIZE + _GAP), top, _SIZE, _SIZE)
            axes.imshow(tile, cmap="gray", vmin=0, vmax=255)
            axes.set_axis_off()
            if not column:
                axes.text(
                    *(-0.08 / _SIZE, 0.5),
                    label,
                    transform=axes.transAxes,
                    ha="right",
                    va="center",
                    fontsize=style.SMALL,
                    color=style.GREY if label == "sees" else style.INK,
                )
    caption = (
        "One run of each variant, the first seed's, on the rows of dev (or else of train) that "
        "stand above it. A line below 'sees' is what was made of the corrupted rows above it."
        + left_out
    )
    return Drawing("reconstructions", "Reconstructions", caption, figure)


def _by_rows(found: Sequence[_Seen]) -> list[list[_Seen]]:
    """Return variants in groups of the same inputs, which differ by the rounding of their units."""
    groups: list[list[_Seen]] = []
    for each in found:
        inputs = each.look.inputs
        for group in groups:
            known = group[0].look.inputs
            if known.shape == inputs.shape and np.allclose(known, inputs, atol=1e-4):
                group.append(each)
                break
        else:
            groups.append([each])
    return groups


def _filters(found: Sequence[_Seen], left_out: str) -> list[Drawing]:
    """Draw what the first units of each variant paint or, of tied weights, look for."""
    drawn = [each for each in found if each.filters is not None]
    if not drawn:
        return []
    columns = min(4, len(drawn))
    lines = -(-len(drawn) // columns)
    size, above = 2.1, 0.5
    figure = style.sheet(lines * (size + above) + 0.1, columns * (size + 0.2) + 0.1)
    for place, each in enumerate(drawn):
        assert each.filters is not None
        row, column = divmod(place, columns)
        spot = (0.1 + column * (size + 0.2), above + row * (size + above), size, size)
        axes = style.panel(figure, *spot)
        axes.imshow(weight_images(each.filters[:, :_UNITS], each.task.input_shape), cmap="gray")
        axes.set_axis_off()
        axes.set_title(style.wrapped(each.variant, 34), fontsize=style.SMALL, loc="left")
    caption = (
        f"Of the same runs, the first {_UNITS} units before the output layer: what each adds to an "
        "image (with tied weights, what it looks for). Grey is a weight of 0." + left_out
    )
    return [Drawing("unit_filters", "What units paint", caption, figure)]

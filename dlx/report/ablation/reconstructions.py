"""The reconstructions of an ablation's variants, and the weights of their units.

# R rows, I inputs, O units
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dlx.ablation.plan import Plan, runs_by_path
from dlx.ablation.results import RunResult
from dlx.data.dataset import Task
from dlx.report.ablation import reading, style
from dlx.report.ablation.reading import Summary
from dlx.report.ablation.style import Drawing
from dlx.report.run import pictures
from dlx.report.run.reconstruction import Look, Sample
from dlx.runs.ablations import read_index
from dlx.training.finding import readable_tensors
from dlx.training.saved import check_weights, evaluating_engine, stack

_MOST = 12  # variants
_ROWS = 10  # images side by side
_UNITS = 25  # whose weights are drawn
_SIZE = 0.62  # inches, of an image
_GAP = 0.06
_CORRUPTED = "corrupted"


class _Pictured(NamedTuple):
    """A variant with the pictures of one of its runs."""

    variant: str
    task: Task
    look: Look
    filters: np.ndarray | None


def draw(
    plan: Plan, directory: Path, summary: Summary, results: Sequence[RunResult]
) -> list[Drawing]:
    """Draw reconstructions by one run of each variant; nothing if none reconstructs images.

    The run is the scored one with the lowest seed; of more than twelve variants the best ones are
    drawn. If a run corrupts its inputs, its reconstructions are those of corrupted rows. Variants
    with the same rows are drawn together: where data or split vary, there are several such groups.
    """
    tasks = {run.arm.variant: plan.job(run).splits.task for run in plan.runs("comparison")}
    able = {
        variant
        for variant, task in tasks.items()
        if task.kind == "reconstruction" and pictures.is_image(task.input_shape)
    }
    names = [v["name"] for v in reading.best_first(summary) if v["name"] in able]
    pictured = _pictured(plan, directory, names[:_MOST], results)
    if not pictured:
        return []
    more = len(names) > _MOST
    left_out = f" Of {len(names)} variants these are the best {_MOST}." if more else ""
    return [_rows(pictured, left_out), *_filters(pictured, left_out)]


def _pictured(
    plan: Plan, directory: Path, names: Sequence[str], results: Sequence[RunResult]
) -> list[_Pictured]:
    """Return the variants that have a scored run whose weights can be read."""
    firsts: dict[str, RunResult] = {}
    for result in sorted(results, key=lambda result: (result.seed, result.fold or 0)):
        if result.is_scored:
            firsts.setdefault(result.variant, result)
    chosen = {name: firsts[name] for name in names if name in firsts}
    if not chosen:
        return []
    index, planned = read_index(directory), runs_by_path(plan)
    tensors = readable_tensors(directory, [index[result.path] for result in chosen.values()])
    pictured = []
    for variant, result in chosen.items():
        if result.path not in tensors:
            continue
        job = plan.job(planned[result.path])
        scored = job.design, tensors[result.path]
        check_weights(*scored, f"{directory}#{result.number} has")
        cohort = stack([scored], (), [result.seed], engine=evaluating_engine(job.config))
        network, task = cohort.network, job.splits.task
        look = Sample(job.splits, job.labelled, job.design).look(cohort)
        filters = pictures.decoder_filters(network, task)
        filters = filters or pictures.encoder_filters(network, task)
        weights = None if filters is None else filters.weights
        pictured.append(_Pictured(variant, task, look, weights))
    return pictured


def _rows(pictured: Sequence[_Pictured], left_out: str) -> Drawing:
    """Draw inputs, and below them the reconstructions of every variant that has these inputs."""
    lines: list[tuple[str, np.ndarray]] = []
    for of_rows in _by_rows(pictured):
        shape, inputs = of_rows[0].task.input_shape, of_rows[0].look.inputs
        low_high = pictures.shades(inputs)
        named = [("input", inputs)]
        for variant in of_rows:
            if variant.look.corrupted is not None:
                named.append((_CORRUPTED, variant.look.corrupted))
            named.append((variant.variant, variant.look.outputs))
        lines += [(name, pictures.as_tiles(rows[:_ROWS], shape, *low_high)) for name, rows in named]
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
                color = style.GREY if label == _CORRUPTED else style.INK
                beside = {"transform": axes.transAxes, "ha": "right", "va": "center"}
                axes.text(-0.08 / _SIZE, 0.5, label, fontsize=style.SMALL, color=color, **beside)
    caption = (
        "One run of each variant, at the first seed. The line `input` has dev rows, or train rows "
        f"if there are no dev rows. A line `{_CORRUPTED}` has the inputs of the line below it."
        + left_out
    )
    return Drawing("reconstructions", "Reconstructions", caption, figure)


def _by_rows(pictured: Sequence[_Pictured]) -> list[list[_Pictured]]:
    """Return variants in groups of the same inputs, up to rounding."""
    groups: list[list[_Pictured]] = []
    for variant in pictured:
        inputs = variant.look.inputs
        for group in groups:
            others = group[0].look.inputs
            if others.shape == inputs.shape and np.allclose(others, inputs, atol=1e-4):
                group.append(variant)
                break
        else:
            groups.append([variant])
    return groups


def _filters(pictured: Sequence[_Pictured], left_out: str) -> list[Drawing]:
    drawn = [variant for variant in pictured if variant.filters is not None]
    if not drawn:
        return []
    columns = min(4, len(drawn))
    lines = -(-len(drawn) // columns)
    size, above = 2.1, 0.5
    figure = style.sheet(lines * (size + above) + 0.1, columns * (size + 0.2) + 0.1)
    for place, variant in enumerate(drawn):
        assert variant.filters is not None
        row, column = divmod(place, columns)
        left, top = 0.1 + column * (size + 0.2), above + row * (size + above)
        axes = style.panel(figure, left, top, size, size)
        image = pictures.weight_images(variant.filters[:, :_UNITS], variant.task.input_shape)
        axes.imshow(image, cmap="gray")
        axes.set_axis_off()
        axes.set_title(style.wrapped(variant.variant, 34), fontsize=style.SMALL, loc="left")
    caption = (
        f"The weights of the same runs' first {_UNITS} units before the output layer: what each "
        "unit adds to an image or, with tied weights, looks for. Grey is a weight of 0." + left_out
    )
    return [Drawing("unit_filters", "Weights of units", caption, figure)]

"""The figures of a trained run, and their files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlx.cohort import Cohort
from dlx.config.schema import RunConfig
from dlx.data.parts import Splits
from dlx.models.design import Design
from dlx.nn.metrics import is_rising, scale_of, tag, unit_of
from dlx.report.figures import SPLIT_COLORS, encoded, log_scale, short
from dlx.report.run import pictures
from dlx.report.run.reconstruction import Sample
from dlx.report.run.regions import Panel, Plane, is_plane
from dlx.runs import make_directory, write_atomic
from dlx.training.evaluation import confusion
from dlx.training.job import chosen_metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_NAMES = 12  # in a legend
_WIDE = 100  # a cost that falls by more than this factor is drawn on a logarithmic axis
_NARROWEST = 0.15  # of all steps: the least width of a panel, so that a short stage is visible

Records = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Trained:
    """A trained run that is to be drawn."""

    config: RunConfig  # resolved
    cohort: Cohort  # of one
    splits: Splits  # with the targets that it learned
    labelled: Splits  # the same rows with the data's own targets
    stages: Records = ()  # the lines of pretraining.jsonl
    history: Records = ()  # the lines of metrics.jsonl


def draw(run: Trained, *, everything: bool = True) -> "dict[str, Figure]":
    """Return a run's figures by name; with `everything` also those of level full.

    These are confusion matrices and, of images, the filters of the first layer.
    """
    from dlx.report.run import code_figures  # imports matplotlib

    task, cohort, title = run.splits.task, run.cohort, run.config.name
    figures: dict[str, Figure] = {}
    if task.kind == "reconstruction":
        sample = Sample(run.splits, run.labelled, cohort.members[0].design)
        figures |= code_figures.draw(sample, cohort, title)
    elif everything and pictures.is_image(task.input_shape):
        filters = pictures.encoder_filters(cohort.network, task)
        if filters is not None:
            sheet = code_figures.filter_sheet("filters", filters, task.input_shape, title)
            figures["filters"] = sheet
    if is_plane(task):
        figures |= _regions(cohort, Plane(run.splits), title)
    if everything and task.classes is not None:
        for name, part in run.splits.parts.items():
            counts = confusion(cohort, part.inputs, cohort.head.encode(part.targets))[0]
            figures[f"confusion_{name}"] = pictures.confusion_figure(
                counts.cpu().numpy(), task.classes, f"{title}, {name} rows"
            )
    if len(run.history) > 1:
        figures["curves"] = curves(run.config, cohort.members[0].design, run.history)
    if run.stages:
        figures["pretraining"] = pretraining(run.stages, run.history, title)
    return figures


def _regions(cohort: Cohort, plane: Plane, title: str) -> "dict[str, Figure]":
    """Return figures `decision` and `decision_<layer>` of a cohort of one, by name."""
    from matplotlib.figure import Figure

    surface = plane.look(cohort.network, cohort.head, 0)
    panels = plane.panels(surface, cohort.head)
    figure = Figure(figsize=(5.6 * len(panels), 5), dpi=110, layout="constrained")
    for place, panel in enumerate(panels, 1):
        _panel(figure.add_subplot(1, len(panels), place), panel, plane)
    figure.suptitle(title)
    figures = {"decision": figure}
    for layer, values in surface.units.items():
        figure = Figure(figsize=(6, 6), dpi=110, layout="constrained")
        axes = figure.add_subplot()
        axes.imshow(pictures.unit_regions(values))
        axes.set_axis_off()
        axes.set_title(
            f"{title}, layer {layer}: units 1 to {len(values)}, from the lowest output (blue)\nto "
            "the highest (orange), which stand below; grey: the same to three digits",
            fontsize=9,
        )
        figures[f"decision_{layer}"] = figure
    return figures


def _panel(axes: "Axes", panel: Panel, plane: Plane) -> None:
    axes.imshow(pictures.regions(panel.regions), extent=plane.extent, aspect="auto")
    size = 18 if len(plane.rows) > 50 else 70
    style = {"s": size, "edgecolors": "black", "linewidths": 0.5}
    axes.scatter(*plane.rows.T, c=pictures.colored(panel.rows) / 255, **style)
    for number, name in enumerate(short(panel.names)[:_MOST_NAMES]):
        axes.scatter(
            [], [], color=pictures.COLORS[number % len(pictures.COLORS)] / 255, label=name, **style
        )
    across, up, title = short([*plane.axes, panel.title])
    axes.set(xlabel=across, ylabel=up, title=title)
    axes.legend(loc="upper right", fontsize=8)


def curves(
    config: RunConfig, design: Design, history: Records, *, narrow: bool = False
) -> "Figure":
    """Return a figure of the cost and of the first metric beside it, over the steps, by part.

    A line marks the step whose weights were kept, where early stopping chose one. A narrow figure
    has the metric below the cost.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    names = ["cost", *(tag(metric) for metric in chosen_metrics(config, design)[:1])]
    lines, columns = (len(names), 1) if narrow else (1, len(names))
    size = (3.6, 2.4 * lines) if narrow else (5.2 * columns, 4)
    figure = Figure(figsize=size, dpi=110, layout="constrained")
    stopping = config.train.early_stopping
    for place, name in enumerate(names, 1):
        axes = figure.add_subplot(lines, columns, place)
        drawn: list[float] = []
        # Parts that are the same rows, as those of a gate, have one line, which is named after all.
        lines_of: dict[str, list[str]] = {}
        for split in SPLIT_COLORS:
            if (points := _points(history, split, name))[0]:
                lines_of.setdefault(repr(points), []).append(split)
        for splits in lines_of.values():
            steps, values = _points(history, splits[0], name)
            label, color = ", ".join(splits), SPLIT_COLORS[splits[0]]
            axes.plot(steps, values, color=color, label=label, linewidth=1.5)
            drawn += values
        if name == "cost" and drawn and 0 < _WIDE * min(drawn) < max(drawn):
            log_scale(axes, "y")
        elif scale_of(name) == "share":
            axes.set_ylim(0, 1.02)
            axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        chosen = _chosen_step(history, stopping and stopping.metric)
        if chosen is not None:
            label = f"kept: step {chosen:,}"
            axes.axvline(chosen, color="black", linestyle=":", linewidth=1, label=label)
        unit = unit_of(name).strip()
        axes.set(xlabel="step", ylabel=f"{name} ({unit})" if unit else name)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.grid(alpha=0.3)
        if drawn:
            axes.legend(fontsize=8)
    figure.suptitle(config.name)
    return figure


def _chosen_step(history: Records, metric: str | None) -> int | None:
    if metric is None:
        return None
    split, _, name = metric.partition(".")
    sign = -1 if is_rising(name) else 1
    steps, values = _points(history, split, name)
    return min(zip((sign * v for v in values), steps, strict=True), default=(0, None))[1]


def _points(records: Records, split: str, name: str) -> tuple[list[int], list[float]]:
    """Return the steps at which a metric of a part was measured, and its values."""
    known = [record for record in records if record.get(split, {}).get(name) is not None]
    return [record["step"] for record in known], [record[split][name] for record in known]


def pretraining(stages: Records, history: Records, title: str) -> "Figure":
    """Return a figure of the costs in pretraining.jsonl and metrics.jsonl, side by side.

    Each panel has a scale of its own, since costs of different networks do not compare.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    by_stage = (list(records) for _, records in groupby(stages, lambda record: record["stage"]))
    phases = [*((_heading(records[0]), records) for records in by_stage), ("the run", history)]
    counts = [records[-1]["step"] if records else 0 for _, records in phases]
    widths = [max(count, _NARROWEST * sum(counts), 1) for count in counts]
    figure = Figure(figsize=(max(8, 3 * len(phases)), 4), dpi=110, layout="constrained")
    panels = figure.subplots(1, len(phases), width_ratios=widths, squeeze=False)[0]
    before = 0
    drawn = zip(panels, phases, counts, strict=True)
    for place, (axes, (heading, records), count) in enumerate(drawn):
        for split in ("train", "dev"):
            steps, costs = _points(records, split, "cost")
            axes.plot(
                [before + step for step in steps],
                costs,
                color=SPLIT_COLORS[split],
                label=split,
                marker=".",
                markersize=4,
            )
        axes.axvspan(before, before + max(count, 1), color=f"C{place}", alpha=0.1, linewidth=0)
        axes.set_title(heading, fontsize=9)
        axes.set_xlim(before, before + max(count, 1))
        axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
        axes.tick_params(labelsize=8)
        before += count
    panels[0].set_ylabel("cost")
    panels[-1].legend(fontsize=8)
    figure.suptitle(f"{title}: pre-training, then the run itself")
    figure.supxlabel("step", fontsize=9)
    return figure


def _heading(record: Mapping[str, Any]) -> str:
    layers = record["layers"]
    return f"{record['method']}, layer{'s' * (len(layers) > 1)} {', '.join(layers)}"


def save(figures: "Mapping[str, Figure]", folder: Path, form: str = "png") -> list[Path]:
    """Write figures as files into a folder, which is made for them, and return the files."""
    paths = {folder / f"{name}.{form}": figure for name, figure in figures.items()}
    for path, figure in paths.items():
        make_directory(folder)
        write_atomic(path, encoded(figure, form))
    return list(paths)

"""The cost of a run's pre-training stages and of its own training, one after another."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SPLITS = {"train": "#4c72b0", "dev": "#dd8452"}
_NARROWEST = 0.15  # of all steps, so that a short stage can be seen

Records = Sequence[Mapping[str, Any]]


def draw(stages: Records, history: Records, title: str) -> "Figure":
    """Return a figure of the stages' costs, side by side on one axis of steps.

    Each has a height of its own: costs of different networks do not compare.

    Args:
        stages: the lines of pretraining.jsonl
        history: the lines of metrics.jsonl
        title: of the figure
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    spans = [*((_words(its[0]), its) for its in _by_stage(stages)), ("the run", history)]
    steps = [its[-1]["step"] if its else 0 for _, its in spans]
    widths = [max(each, _NARROWEST * sum(steps), 1) for each in steps]
    figure = Figure(figsize=(max(8, 3 * len(spans)), 4), dpi=110, layout="constrained")
    panels = figure.subplots(1, len(spans), width_ratios=widths, squeeze=False)[0]
    before = 0
    for place, (axes, (words, records), count) in enumerate(zip(panels, spans, steps, strict=True)):
        for split, color in _SPLITS.items():
            known = [each for each in records if each.get(split, {}).get("cost") is not None]
            at = [before + each["step"] for each in known]
            cost = [each[split]["cost"] for each in known]
            axes.plot(at, cost, color=color, label=split, marker=".", markersize=4)
        axes.axvspan(before, before + max(count, 1), color=f"C{place}", alpha=0.1, linewidth=0)
        axes.set_title(words, fontsize=9)
        axes.set_xlim(before, before + max(count, 1))
        axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
        axes.tick_params(labelsize=8)
        before += count
    panels[0].set_ylabel("cost")
    panels[-1].legend(fontsize=8)
    figure.suptitle(f"{title}: pre-training, then the run itself")
    figure.supxlabel("step", fontsize=9)
    return figure


def _by_stage(stages: Records) -> list[Records]:
    return [list(its) for _, its in groupby(stages, key=lambda record: record["stage"])]


def _words(record: Mapping[str, Any]) -> str:
    layers = record["layers"]
    return f"{record['method']}, layer{'s' * (len(layers) > 1)} {', '.join(layers)}"

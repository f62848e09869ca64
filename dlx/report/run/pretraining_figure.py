"""A figure of the costs of a run's pre-training stages and of its own training."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SPLITS = {"train": "#4c72b0", "dev": "#dd8452"}
_NARROWEST = 0.15  # of all steps: the least width of a panel, so that a short stage is visible

Records = Sequence[Mapping[str, Any]]


def draw(stages: Records, history: Records, title: str) -> "Figure":
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
        for split, color in _SPLITS.items():
            points = [
                (before + record["step"], record[split]["cost"])
                for record in records
                if record.get(split, {}).get("cost") is not None
            ]
            steps, costs = zip(*points, strict=True) if points else ((), ())
            axes.plot(steps, costs, color=color, label=split, marker=".", markersize=4)
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

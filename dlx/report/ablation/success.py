"""The share of each variant's runs that succeeded."""

from collections.abc import Sequence

from dlx.ablation.results import RunResult
from dlx.report.ablation import reading, style
from dlx.report.ablation.reading import Summary
from dlx.report.ablation.row_chart import rows
from dlx.report.ablation.style import Drawing


def draw(summary: Summary, results: Sequence[RunResult]) -> list[Drawing]:
    """Draw the shares with their intervals; nothing if the ablation counts no success."""
    variants = [each for each in reading.best_first(summary) if (each["success"] or {}).get("n")]
    if not variants:
        return []
    variants.sort(key=lambda each: -each["success"]["rate"])  # stable: equal ones by the metric
    found = [each["success"] for each in variants]
    notes = [f"{100 * e['rate']:.0f} %  ({e['count']:,} of {e['n']:,})" for e in found]
    label = "successful runs (%)"
    figure, (axes,) = rows([each["name"] for each in variants], notes, label=label)
    places = range(len(found))
    colors = [
        style.GREY if each["name"] == summary["baseline"] else style.BLUE for each in variants
    ]
    lows, highs = ([100 * each[end] for each in found] for end in ("low", "high"))
    axes.hlines(places, lows, highs, colors=colors, linewidth=2)
    axes.scatter([100 * each["rate"] for each in found], places, s=42, c=colors, zorder=3)
    axes.set_xlim(-1, 101)
    wanted = " and ".join(
        f"{reading.in_words(metric)} of {reading.value(metric, least)}"
        for metric, least in (summary["success"] or {}).items()
    )
    meaning = f"A run succeeds if it ends with a {wanted}. " if wanted else ""
    caption = (
        f"{meaning}The share of the runs that succeeded, with its "
        f"{100 * summary['confidence']:g} % interval; a run that diverged is no success. Grey: the "
        "baseline."
    )
    return [Drawing("success", "How many runs succeeded", caption, figure)]

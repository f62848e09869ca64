"""The share of each variant's runs that succeeded."""

from collections.abc import Sequence

from dlx.ablation.results import RunResult
from dlx.report.ablation import reading, style
from dlx.report.ablation.reading import Summary
from dlx.report.ablation.row_chart import row_chart
from dlx.report.ablation.style import Drawing


def draw(summary: Summary, results: Sequence[RunResult]) -> list[Drawing]:
    """Draw the shares with their intervals; nothing if the ablation does not count success."""
    variants = [v for v in reading.best_first(summary) if (v["success"] or {}).get("n")]
    if not variants:
        return []
    # The sort is stable: of equal shares the better mean stays first.
    variants.sort(key=lambda variant: -variant["success"]["rate"])
    shares = [variant["success"] for variant in variants]
    names = [variant["name"] for variant in variants]
    notes = [f"{100 * s['rate']:.0f} %  ({s['count']:,} of {s['n']:,})" for s in shares]
    figure, (axes,) = row_chart(names, notes, label="successful runs (%)")
    rows = range(len(shares))
    colors = [style.GREY if name == summary["baseline"] else style.BLUE for name in names]
    lows, highs = ([100 * share[end] for share in shares] for end in ("low", "high"))
    axes.hlines(rows, lows, highs, colors=colors, linewidth=2)
    axes.scatter([100 * share["rate"] for share in shares], rows, s=42, c=colors, zorder=3)
    axes.set_xlim(-1, 101)
    thresholds = " and ".join(
        f"{reading.in_words(metric)} of {reading.value(metric, threshold)}"
        for metric, threshold in (summary["success"] or {}).items()
    )
    meaning = f"A run succeeds if it ends with a {thresholds}. " if thresholds else ""
    caption = (
        f"{meaning}The share of the runs that succeeded, with its {reading.percent(summary)} "
        "interval; a run that diverged is no success. Grey: the baseline."
    )
    return [Drawing("success", "How many runs succeeded", caption, figure)]

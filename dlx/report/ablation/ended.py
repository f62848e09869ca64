"""How runs ended: how many succeeded, and what became of the others."""

from collections import Counter
from collections.abc import Sequence

from dlx.ablation.results import RunResult
from dlx.report.ablation import reading, style
from dlx.report.ablation.reading import Summary
from dlx.report.ablation.row_chart import row_chart
from dlx.report.ablation.style import Drawing

# In the order of the parts of a bar.
_COLORS = {
    "completed": style.BLUE,
    "stopped_early": "#56b4e9",
    "diverged": style.VERMILLION,
    "failed": style.INK,
}


def succeeded(summary: Summary, results: Sequence[RunResult]) -> list[Drawing]:
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


def lost(summary: Summary, results: Sequence[RunResult]) -> list[Drawing]:
    """Draw how many runs ended in which way; nothing if no run was lost."""
    names = [v["name"] for v in reading.best_first(summary) if reading.lost(v)]
    if not names:
        return []
    counts = Counter((result.variant, result.status) for result in results)
    figure, (axes,) = row_chart(names, [""] * len(names), (" ",), label="runs")
    starts = [0] * len(names)
    for status, color in _COLORS.items():
        numbers = [counts[name, status] for name in names]
        if not any(numbers):
            continue
        label = status.replace("_", " ")
        axes.barh(range(len(names)), numbers, left=starts, color=color, height=0.6, label=label)
        text_color = "black" if status == "stopped_early" else "white"
        text_style = {"ha": "center", "va": "center", "fontsize": style.SMALL, "color": text_color}
        for row, (start, number) in enumerate(zip(starts, numbers, strict=True)):
            if number:
                axes.text(start + number / 2, row, str(number), **text_style)
        starts = [start + number for start, number in zip(starts, numbers, strict=True)]
    place = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.1}
    axes.legend(ncols=4, frameon=False, fontsize=style.SMALL, **place)
    axes.set_xlim(0, max(starts))
    axes.locator_params(axis="x", integer=True)
    caption = "How the runs ended, for the variants that lost any."
    if others := len(summary["variants"]) - len(names):
        caption += f" The other {others:,} {'variant' if others == 1 else 'variants'} lost none."
    return [Drawing("outcomes", "How runs ended", caption, figure)]

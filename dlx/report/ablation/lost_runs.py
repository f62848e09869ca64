"""How the runs of each variant ended, where some did not end well."""

from collections.abc import Sequence

from dlx.ablation.results import RunResult
from dlx.report.ablation import reading, style
from dlx.report.ablation.reading import Summary
from dlx.report.ablation.row_chart import rows
from dlx.report.ablation.style import Drawing

# in the order in which they stand in a bar
_ENDS = (
    ("completed", style.BLUE),
    ("stopped_early", "#56b4e9"),
    ("diverged", style.VERMILLION),
    ("failed", style.INK),
)


def draw(summary: Summary, results: Sequence[RunResult]) -> list[Drawing]:
    """Draw the counts of the variants that lost runs; nothing if none did."""
    variants = [each for each in reading.best_first(summary) if reading.lost(each)]
    if not variants:
        return []
    counts = {each["name"]: dict.fromkeys([end for end, _ in _ENDS], 0) for each in variants}
    for result in results:
        if result.variant in counts:
            counts[result.variant][result.status] += 1
    names = [each["name"] for each in variants]
    figure, (axes,) = rows(names, [""] * len(names), (" ",), label="runs")
    starts = [0] * len(variants)
    for end, color in _ENDS:
        numbers = [counts[each["name"]][end] for each in variants]
        if not any(numbers):
            continue
        label = end.replace("_", " ")
        axes.barh(range(len(variants)), numbers, left=starts, color=color, height=0.6, label=label)
        for row, (start, number) in enumerate(zip(starts, numbers, strict=True)):
            if number:
                axes.text(
                    start + number / 2,
                    row,
                    str(number),
                    ha="center",
                    va="center",
                    fontsize=style.SMALL,
                    color="black" if end == "stopped_early" else "white",
                )
        starts = [start + number for start, number in zip(starts, numbers, strict=True)]
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=4,
        frameon=False,
        fontsize=style.SMALL,
        borderaxespad=0.1,
    )
    axes.set_xlim(0, max(starts))
    axes.locator_params(axis="x", integer=True)
    whole = len(summary["variants"]) - len(variants)
    caption = "How the runs of the variants ended that lost any."
    if whole:
        caption += f" The other {whole:,} {'variant' if whole == 1 else 'variants'} lost none."
    return [Drawing("outcomes", "What failed", caption, figure)]

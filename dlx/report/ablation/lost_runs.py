"""How the runs ended, for the variants that lost any."""

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


def draw(summary: Summary, results: Sequence[RunResult]) -> list[Drawing]:
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
        for row, (start, number) in enumerate(zip(starts, numbers, strict=True)):
            if number:
                axes.text(
                    start + number / 2,
                    row,
                    str(number),
                    ha="center",
                    va="center",
                    fontsize=style.SMALL,
                    color=text_color,
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
    caption = "How the runs ended, for the variants that lost any."
    if others := len(summary["variants"]) - len(names):
        caption += f" The other {others:,} {'variant' if others == 1 else 'variants'} lost none."
    return [Drawing("outcomes", "How runs ended", caption, figure)]

"""Values of a summary, and metrics in words, for pictures, page and tables."""

from collections.abc import Mapping
from typing import Any

from dlx.ablation.variants import show
from dlx.report.numbers import format_metric, is_share

Summary = Mapping[str, Any]


def tag_of(metric: str) -> str:
    """Return a metric without its split: `accuracy` for dev.accuracy."""
    return metric.partition(".")[2] or metric


def in_words(metric: str) -> str:
    """Return a metric in words: `dev accuracy` for dev.accuracy."""
    if metric == "success":
        return "share of successful runs"
    if metric.startswith("steps_to."):
        return f"steps to {in_words(metric.removeprefix('steps_to.'))}"
    split, _, tag = metric.partition(".")
    return f"{split} {tag.replace('_', ' ')}"


def factor_of(metric: str) -> float:
    """Return the factor of shown values: 100 for shares, which are in percent, otherwise 1."""
    return 100.0 if is_share(tag_of(metric)) else 1.0


def axis_label(metric: str) -> str:
    """Return the label of an axis: the metric in words and its unit."""
    return in_words(metric) + (" (%)" if is_share(tag_of(metric)) else "")


def interval_of(variant: Mapping[str, Any], metric: str) -> Mapping[str, Any]:
    """Return mean, low, high and n of a variant's metric; {} if no run has it."""
    if metric == "success":
        success = variant.get("success") or {}
        return success and {"mean": success["rate"], **success}
    split, _, tag = metric.partition(".")
    return variant["metrics"].get(split, {}).get(tag) or {}


def judged(variant: Mapping[str, Any], summary: Summary) -> Mapping[str, Any]:
    """Return mean, low, high and n of a variant's judged metric; {} if no run has it."""
    return interval_of(variant, summary["metric"])


def best_first(summary: Summary) -> list[Mapping[str, Any]]:
    """Return the variants by the mean of the judged metric; those without a mean come last."""
    sign = -1 if summary["rising"] else 1

    def rank(variant: Mapping[str, Any]) -> tuple[bool, float]:
        mean = judged(variant, summary).get("mean")
        return mean is None, 0.0 if mean is None else sign * mean

    return sorted(summary["variants"], key=rank)


def compared(summary: Summary) -> list[Mapping[str, Any]]:
    """Return the variants that are compared with a baseline, from best to worst."""
    return [variant for variant in best_first(summary) if variant["vs_baseline"]]


def by_others(summary: Summary) -> list[Summary]:
    """Return the summary for each further metric, in the form in which it is for the judged one."""
    return [
        {
            **summary,
            "metric": metric,
            "rising": other["rising"],
            "margin": other["margin"],
            "pairs": [],
            "best_group": None,
            "variants": [v | other["variants"][v["name"]] for v in summary["variants"]],
        }
        for metric, other in (summary.get("also") or {}).items()
    ]


def tuned(document: Mapping[str, Any]) -> str:
    """Return the chosen settings of a variant, and which of them are at the edge of their grid."""
    keys = [key for key in document if key not in ("tried", "runs", "steps", "edges")]
    edges = document["edges"]
    return " ".join(
        f"{key}={show(document[key])}" + (f" ({edges[key]})" if key in edges else "")
        for key in keys
    )


def conclusion(versus: Mapping[str, Any]) -> str:
    """Return what people read of a comparison: its verdict, or what would decide it."""
    word = versus["conclusion"]
    if word == "too few seeds" and (enough := versus["enough_seeds"]):
        return f"{word} ({enough:,} would do)"
    return "too few rows (no number of seeds would do)" if word == "too few rows" else word


def percent(summary: Summary) -> str:
    """Return the confidence of intervals: `95 %`."""
    return f"{100 * summary['confidence']:g} %"


def run_numbers(variant: Mapping[str, Any]) -> str:
    """Return the numbers of a variant's runs, neighbours as a range: `#6–#10, #21`."""
    ranges: list[list[int]] = []
    for number in sorted(variant["numbers"]):
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1].append(number)
        else:
            ranges.append([number])
    return ", ".join(f"#{r[0]}–#{r[-1]}" if len(r) > 1 else f"#{r[0]}" for r in ranges)


def seeds(summary: Summary) -> str:
    """Return how many seeds variants have: `10 seeds`, or `5 to 24 seeds`."""
    growing = summary.get("sequential")
    counts = [own["seeds"] for own in growing["variants"].values()] if growing else []
    low, high = (f(counts, default=len(summary["seeds"])) for f in (min, max))
    return f"{low:,} to {high:,} seeds" if low < high else f"{high:,} seed{'s' * (high != 1)}"


def lost(variant: Mapping[str, Any]) -> int:
    """Return how many runs diverged or failed."""
    return variant["diverged"] + variant["failed"]


def lost_of(variant: Mapping[str, Any]) -> str:
    """Return `3 of 5 lost`; an empty text if no run was lost."""
    count = lost(variant)
    return f"{count} of {variant['runs']} lost" if count else ""


def value(metric: str, number: float | None) -> str:
    """Return a value of a metric: `97.25 %`, `0.1234`, or a dash for none."""
    return format_metric(tag_of(metric), number)


def difference(metric: str, number: float | None) -> str:
    """Return a difference with its sign, for a share in percentage points."""
    if number is None:
        return "–"
    text = f"{100 * number:+.2f}" if is_share(tag_of(metric)) else f"{number:+.3g}"
    return text[1:] if not float(text) else text.replace("-", "−")


def difference_unit(metric: str) -> str:
    """Return ` points` for a share, an empty text for other metrics."""
    return " points" if is_share(tag_of(metric)) else ""


def difference_interval(metric: str, low: float | None, high: float | None) -> str:
    """Return `[−0.12, +0.30]`; an empty text if there is no interval."""
    if low is None or high is None:
        return ""
    return f"[{difference(metric, low)}, {difference(metric, high)}]"


def difference_with_interval(
    metric: str, number: float | None, low: float | None, high: float | None
) -> str:
    """Return `+0.30 [−0.12, +0.72]`, or without an interval `+0.30`."""
    return f"{difference(metric, number)} {difference_interval(metric, low, high)}".strip()


def value_interval(metric: str, low: float | None, high: float | None) -> str:
    """Return `[97.10, 97.40]`; an empty text if there is no interval."""
    if low is None or high is None:
        return ""
    return f"[{value(metric, low).removesuffix(' %')}, {value(metric, high).removesuffix(' %')}]"


def p_value(p: float | None) -> str:
    """Return a p-value with three decimals, `< 0.001`, or a dash for none."""
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"

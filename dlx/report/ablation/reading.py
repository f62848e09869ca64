"""What the pictures and the page read from a summary."""

from collections.abc import Mapping
from typing import Any

from dlx.report.numbers import format_metric, is_share

Summary = Mapping[str, Any]


def tag_of(metric: str) -> str:
    """Return the metric without its split: accuracy of dev.accuracy."""
    return metric.partition(".")[2] or metric


def in_words(metric: str) -> str:
    """Return `dev accuracy` of dev.accuracy, `steps to …` of steps_to.…."""
    if metric == "success":
        return "share of successful runs"
    if metric.startswith("steps_to."):
        return f"steps to {in_words(metric.removeprefix('steps_to.'))}"
    split, _, tag = metric.partition(".")
    return f"{split} {tag.replace('_', ' ')}"


def factor_of(metric: str) -> float:
    """Return what a value is multiplied by to be shown: 100 of shares."""
    return 100.0 if is_share(tag_of(metric)) else 1.0


def axis_label(metric: str) -> str:
    """Return the label of an axis: the metric in words and its unit."""
    return in_words(metric) + (" (%)" if is_share(tag_of(metric)) else "")


def interval_of(variant: Mapping[str, Any], metric: str) -> Mapping[str, Any]:
    """Return mean, low, high, n and values of a variant's metric; {} if no run has it."""
    if metric == "success":
        found = variant.get("success") or {}
        return found and {
            "mean": found["rate"],
            "low": found["low"],
            "high": found["high"],
            "n": found["n"],
            "values": found.get("values", []),
        }
    split, _, tag = metric.partition(".")
    return variant["metrics"].get(split, {}).get(tag) or {}


def judged(variant: Mapping[str, Any], summary: Summary) -> Mapping[str, Any]:
    """Return mean, low, high, n and values of a variant's judged metric; {} if no run has it."""
    return interval_of(variant, summary["metric"])


def best_first(summary: Summary) -> list[Mapping[str, Any]]:
    """Return the variants by the mean of the judged metric, those without any last."""
    sign = -1 if summary["rising"] else 1

    def rank(variant: Mapping[str, Any]) -> tuple[bool, float]:
        mean = judged(variant, summary).get("mean")
        return mean is None, 0.0 if mean is None else sign * mean

    return sorted(summary["variants"], key=rank)


def by_others(summary: Summary) -> list[Summary]:
    """Return the summary as each of the metrics has it by which variants are judged too."""
    return [
        {
            **summary,
            "metric": metric,
            "rising": found["rising"],
            "margin": found["margin"],
            "variants": [each | found["variants"][each["name"]] for each in summary["variants"]],
        }
        for metric, found in (summary.get("also") or {}).items()
    ]


def lost(variant: Mapping[str, Any]) -> int:
    """Return how many runs diverged or failed."""
    return variant["diverged"] + variant["failed"]


def value(metric: str, number: float | None) -> str:
    """Return a value of a metric for people: `97.25 %`, `0.1234`, or a dash."""
    return format_metric(tag_of(metric), number)


def difference(metric: str, number: float | None) -> str:
    """Return a difference with its sign, in percentage points where the metric is a share."""
    if number is None:
        return "–"
    text = f"{100 * number:+.2f}" if is_share(tag_of(metric)) else f"{number:+.3g}"
    return text[1:] if not float(text) else text.replace("-", "−")


def difference_unit(metric: str) -> str:
    """Return ` points` of shares, nothing of other metrics."""
    return " points" if is_share(tag_of(metric)) else ""


def difference_interval(metric: str, low: float | None, high: float | None) -> str:
    """Return `[−0.12, +0.30]`; nothing where there is no interval."""
    if low is None or high is None:
        return ""
    return f"[{difference(metric, low)}, {difference(metric, high)}]"


def difference_with_interval(
    metric: str, number: float | None, low: float | None, high: float | None
) -> str:
    """Return `+0.30 [−0.12, +0.72]`, or without an interval `+0.30`."""
    return f"{difference(metric, number)} {difference_interval(metric, low, high)}".strip()


def value_interval(metric: str, low: float | None, high: float | None) -> str:
    """Return `[97.10, 97.40]`; nothing where there is no interval."""
    if low is None or high is None:
        return ""
    return f"[{value(metric, low).removesuffix(' %')}, {value(metric, high).removesuffix(' %')}]"


def p_value(p: float | None) -> str:
    """Return a p-value: three digits after the point, or `< 0.001`."""
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"

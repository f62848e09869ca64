"""The verdicts as a table of texts, for a terminal."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dlx.report.ablation import reading
from dlx.report.ablation.reading import Summary
from dlx.report.ablation.style import shortened

_WIDEST = 60  # characters of a name


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes:
        headings: of the columns
        rows: of cells
        right: a character per column: r where the cells are numbers, a space where they are words
    """

    headings: list[str]
    rows: list[list[str]]
    right: str


@dataclass(frozen=True)
class Column:
    """A column: its heading, and a variant's cell as a text and as what it is sorted by."""

    heading: str
    cell: Callable[[Mapping[str, Any]], str]
    key: Callable[[Mapping[str, Any]], float | str | None]
    is_number: bool = True
    meaning: str = ""


def columns(summary: Summary) -> list[Column]:
    """Return the columns that a summary's variants have something for, in order."""
    metric, variants = summary["metric"], summary["variants"]

    def judged(each: Mapping[str, Any], key: str) -> Any:
        return reading.judged(each, summary).get(key)

    def versus(each: Mapping[str, Any], key: str) -> Any:
        return (each["vs_baseline"] or {}).get(key)

    def ends(each: Mapping[str, Any]) -> str:
        return reading.value_interval(metric, judged(each, "low"), judged(each, "high"))

    def against(each: Mapping[str, Any]) -> str:
        if each["vs_baseline"] is None:
            return ""
        interval = reading.difference_interval(metric, versus(each, "low"), versus(each, "high"))
        return f"{reading.difference(metric, versus(each, 'difference'))} {interval}".strip()

    def p(each: Mapping[str, Any]) -> str:
        return "" if each["vs_baseline"] is None else reading.p_value(versus(each, "p"))

    def wins(each: Mapping[str, Any]) -> str:
        compared = each["vs_baseline"]
        return "" if compared is None else f"{compared['wins']}/{compared['n']}"

    def lost(each: Mapping[str, Any]) -> str:
        count = reading.lost(each)
        return f"{count}/{each['runs']}" if count else ""

    share = f"{100 * summary['confidence']:g} % interval"
    found = [
        Column("variant", lambda v: v["name"], lambda v: v["name"], False, "what differs"),
        Column("n", lambda v: f"{v['n']}", lambda v: v["n"], True, "runs that have the metric"),
    ]
    if any(map(reading.lost, variants)):
        found.append(Column("lost", lost, reading.lost, True, "runs that diverged or failed"))
    found += [
        Column(
            reading.in_words(metric),
            lambda v: reading.value(metric, judged(v, "mean")),
            lambda v: judged(v, "mean"),
            True,
            "mean over the runs",
        ),
        Column(share, ends, lambda v: judged(v, "low"), True, "of the mean"),
    ]
    if any(each["vs_baseline"] for each in variants):
        unit = " (points)" if reading.difference_unit(metric) else ""
        found += [
            Column(
                f"difference{unit}",
                against,
                lambda v: versus(v, "difference"),
                True,
                f"from the baseline at equal seeds, and its {share}",
            ),
            Column("p", p, lambda v: versus(v, "p"), True, "adjusted for all comparisons"),
            Column("wins", wins, lambda v: versus(v, "wins"), True, "pairs ahead of the baseline"),
        ]
    found.append(
        Column(
            "verdict",
            lambda v: versus(v, "verdict") or "baseline",
            lambda v: versus(v, "verdict") or "baseline",
            False,
        )
    )
    return found + _optional(summary)


def _optional(summary: Summary) -> list[Column]:
    variants, found = summary["variants"], []
    if any(each["success"] for each in variants) and summary["metric"] != "success":
        found.append(
            Column("success", _success, lambda v: (v["success"] or {}).get("rate"), True, "runs")
        )
    for metric in dict.fromkeys(key for each in variants for key in each["steps_to"] or {}):
        threshold = next(v["steps_to"][metric]["threshold"] for v in variants if v["steps_to"])
        found.append(
            Column(
                f"steps to {reading.value(metric, threshold)}",
                lambda v, metric=metric: _steps_to(v["steps_to"][metric]),
                lambda v, metric=metric: v["steps_to"][metric]["median"],
                True,
                f"median steps to that {reading.in_words(metric)}, and how many runs reached it",
            )
        )
    for metric in summary.get("show", ()):
        found.append(
            Column(
                reading.in_words(metric),
                lambda v, metric=metric: reading.value(
                    metric, reading.interval_of(v, metric).get("mean")
                ),
                lambda v, metric=metric: reading.interval_of(v, metric).get("mean"),
                True,
                "mean over the runs",
            )
        )
    if len({each["parameters"] for each in variants}) > 1:
        found.append(
            Column("parameters", lambda v: f"{v['parameters']:,}", lambda v: v["parameters"])
        )
    if any(each["seconds_per_step"] for each in variants):
        found.append(
            Column("steps/s", _speed, lambda v: _rate(v), True, "of a run, as its cohort trained")
        )
    return found


def _shown(metric: str) -> Column:
    def mean(variant: Mapping[str, Any]) -> float | None:
        return reading.interval_of(variant, metric).get("mean")

    return Column(
        reading.in_words(metric),
        lambda v: reading.value(metric, mean(v)),
        mean,
        True,
        "mean over the runs",
    )


def verdicts(summary: Summary, order: str = "best") -> Table:
    """Return the table of verdicts.

    Args:
        summary: of an ablation, or of runs that are compared
        order: best: the baseline first, then the variants from best to worst; variant, difference
            (largest first), p or speed (fastest first)
    """
    order_of = {"variant": _by_name, "difference": _by_difference, "p": _by_p, "speed": _by_speed}
    variants = reading.best_first(summary)
    variants.sort(key=order_of.get(order, _baseline_first))  # stable
    found = columns(summary)
    rows = [
        [shortened(each["name"], _WIDEST), *(column.cell(each) for column in found[1:])]
        for each in variants
    ]
    right = "".join("r" if column.is_number else " " for column in found)
    return Table([column.heading for column in found], rows, right)


def _baseline_first(variant: Mapping[str, Any]) -> bool:
    return variant["vs_baseline"] is not None


def _by_name(variant: Mapping[str, Any]) -> str:
    return variant["name"]


def _by_difference(variant: Mapping[str, Any]) -> float:
    found = variant["vs_baseline"]
    if found is None:
        return 0.0
    return math.inf if found["difference"] is None else -found["difference"]


def _by_p(variant: Mapping[str, Any]) -> float:
    found = variant["vs_baseline"]
    return math.inf if found is None or found["p"] is None else found["p"]


def _by_speed(variant: Mapping[str, Any]) -> float:
    return -(_rate(variant) or 0.0)


def _success(variant: Mapping[str, Any]) -> str:
    found = variant["success"]
    return f"{found['count']}/{found['n']}" if found else ""


def _steps_to(found: Mapping[str, Any]) -> str:
    if found["median"] is None:
        return f"– ({found['reached']}/{found['n']})"
    return f"{found['median']:,.0f} ({found['reached']}/{found['n']})"


def _rate(variant: Mapping[str, Any]) -> float | None:
    return 1 / variant["seconds_per_step"] if variant["seconds_per_step"] else None


def _speed(variant: Mapping[str, Any]) -> str:
    rate = _rate(variant)
    return "" if rate is None else f"{rate:,.0f}"

"""The verdicts as a table of texts, for terminals and pages."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from dlx.report.ablation import reading
from dlx.report.ablation.reading import Summary
from dlx.texts import told_apart

_WIDEST = 60  # characters of a name

Variant = Mapping[str, Any]


class Table(NamedTuple):
    """A table of texts."""

    headings: list[str]
    rows: list[list[str]]
    right: str  # a character for each column: r for numbers, a space for words


class Column(NamedTuple):
    """A column of the table."""

    heading: str
    cell: Callable[[Variant], str]
    key: Callable[[Variant], float | str | None]  # what variants are sorted by; None comes last
    meaning: str = ""  # of the cells, in words
    is_number: bool = True


def columns(summary: Summary) -> list[Column]:
    """Return the columns for which a summary has values, in order."""
    metric, variants = summary["metric"], summary["variants"]

    def judged(variant: Variant, key: str) -> Any:
        return reading.judged(variant, summary).get(key)

    def versus(variant: Variant, key: str) -> Any:
        return (variant["vs_baseline"] or {}).get(key)

    def compared(cell: Callable[[Mapping[str, Any]], str]) -> Callable[[Variant], str]:
        return lambda variant: cell(variant["vs_baseline"]) if variant["vs_baseline"] else ""

    interval = lambda v: reading.value_interval(metric, judged(v, "low"), judged(v, "high"))
    difference = compared(
        lambda d: reading.difference_with_interval(metric, d["difference"], d["low"], d["high"])
    )
    p = compared(lambda d: reading.p_value(d["p"]))
    wins = compared(lambda d: f"{d['wins']}/{d['n']}")
    lost = lambda v: f"{reading.lost(v)}/{v['runs']}" if reading.lost(v) else ""
    conclusion = lambda v: compared(reading.conclusion)(v) or "baseline"
    heading = f"{reading.percent(summary)} interval"
    shown = [
        Column("variant", _name, _name, "its values", is_number=False),
        Column("n", lambda v: f"{v['n']}", lambda v: v["n"], "runs that have the metric"),
    ]
    if len({variant["rows"] for variant in variants if variant["rows"]}) > 1:
        part = f"{metric.partition('.')[0]} rows"
        shown.append(Column(part, lambda v: f"{v['rows']:,}", lambda v: v["rows"], "judged rows"))
    if tuning := summary["tuning"]:
        choice = lambda v: reading.tuned(tuning[v["name"]]) if v["name"] in tuning else ""
        shown.append(
            Column("tuned", choice, choice, "the values that were chosen", is_number=False)
        )
    if any(map(reading.lost, variants)):
        shown.append(Column("lost", lost, reading.lost, "runs that diverged or failed"))
    shown.append(_mean_column(metric))
    shown.append(Column(heading, interval, lambda v: judged(v, "low"), "of the mean"))
    if any(variant["vs_baseline"] for variant in variants):
        unit = " (points)" if reading.difference_unit(metric) else ""
        meaning = f"from the baseline at equal seeds, with its {heading}"
        shown += [
            Column(f"difference{unit}", difference, lambda v: versus(v, "difference"), meaning),
            Column("p", p, lambda v: versus(v, "p"), "adjusted for all comparisons"),
            Column("wins", wins, lambda v: versus(v, "wins"), "pairs better than the baseline"),
        ]
    shown.append(Column("conclusion", conclusion, conclusion, is_number=False))
    if group := summary.get("best_group"):
        beaten = group["beaten_by"]
        among = lambda v: "no" if v["name"] in beaten else "yes"
        meaning = "not shown to be worse than any other variant"
        shown.append(Column("among the best", among, among, meaning, is_number=False))
    return shown + _optional(summary)


def _optional(summary: Summary) -> list[Column]:
    variants, shown = summary["variants"], []
    if any(variant["success"] for variant in variants) and summary["metric"] != "success":
        rate = lambda variant: (variant["success"] or {}).get("rate")
        shown.append(Column("success", _success, rate, "successful runs"))
    for metric in dict.fromkeys(key for variant in variants for key in variant["steps_to"] or {}):
        threshold = next(v["steps_to"][metric]["threshold"] for v in variants if v["steps_to"])
        shown.append(
            Column(
                f"steps to {reading.value(metric, threshold)}",
                lambda v, metric=metric: _steps_to(v["steps_to"][metric]),
                lambda v, metric=metric: v["steps_to"][metric]["median"],
                f"median steps to that {reading.in_words(metric)}, and how many runs reached it",
            )
        )
    shown += [_mean_column(metric) for metric in summary.get("show", ())]
    if len({variant["parameters"] for variant in variants}) > 1:
        count = lambda variant: variant["parameters"]
        shown.append(Column("parameters", lambda v: f"{v['parameters']:,}", count))
    if any(variant["seconds_per_step"] for variant in variants):
        shown.append(Column("steps/s", _speed, _rate, "of one run, while its cohort trained"))
    return shown


def _mean_column(metric: str) -> Column:
    mean = lambda variant: reading.interval_of(variant, metric).get("mean")
    cell = lambda variant: reading.value(metric, mean(variant))
    return Column(reading.in_words(metric), cell, mean, "mean over the runs")


def verdicts(summary: Summary, order: str = "best") -> Table:
    """Return the table of verdicts of an ablation, or of runs that are compared.

    The order is `best`: the baseline first, then the variants from best to worst; or variant,
    difference (largest first), p or speed (fastest first).
    """
    keys: dict[str, Callable[[Variant], Any]] = {
        "best": lambda variant: variant["vs_baseline"] is not None,
        "variant": _name,
        "difference": _by_difference,
        "p": _by_p,
        "speed": lambda variant: -(_rate(variant) or 0.0),
    }
    variants = reading.best_first(summary)
    variants.sort(key=keys[order])  # stable: equal ones stay in their order
    shown = columns(summary)
    names = told_apart((variant["name"] for variant in variants), _WIDEST)
    rows = [
        [names[variant["name"]], *(column.cell(variant) for column in shown[1:])]
        for variant in variants
    ]
    right = "".join("r" if column.is_number else " " for column in shown)
    return Table([column.heading for column in shown], rows, right)


def pairs(summary: Summary) -> Table:
    """Return the table of pairs of variants that are no baseline."""
    metric = summary["metric"]
    unit = " (points)" if reading.difference_unit(metric) else ""
    both = [pair[side] for pair in summary["pairs"] for side in ("variant", "baseline")]
    names = told_apart(both, _WIDEST)
    rows = [
        [
            names[pair["variant"]],
            names[pair["baseline"]],
            reading.difference_with_interval(metric, pair["difference"], pair["low"], pair["high"]),
            reading.p_value(pair["p"]),
            reading.conclusion(pair),
        ]
        for pair in summary["pairs"]
    ]
    return Table(["variant", "against", f"difference{unit}", "p", "conclusion"], rows, "  rr ")


def best_group(summary: Summary) -> str:
    """Return which variants are not shown to be worse than the best, in a sentence."""
    names = summary["best_group"]["variants"]
    if not names:
        return "Every variant is worse than another one in some way: there is no best group."
    rest = len(summary["variants"]) - len(names)
    others = f" The other {rest} {'is' if rest == 1 else 'are'} worse." if rest else ""
    return f"Not shown to be worse than the best: {'; '.join(names)}.{others}"


def _name(variant: Variant) -> str:
    return variant["name"]


def _by_difference(variant: Variant) -> float:
    versus = variant["vs_baseline"]
    if versus is None:
        return 0.0
    return math.inf if versus["difference"] is None else -versus["difference"]


def _by_p(variant: Variant) -> float:
    p = (variant["vs_baseline"] or {}).get("p")
    return math.inf if p is None else p


def _success(variant: Variant) -> str:
    success = variant["success"]
    return f"{success['count']}/{success['n']}" if success else ""


def _steps_to(steps: Mapping[str, Any]) -> str:
    median = "–" if steps["median"] is None else f"{steps['median']:,.0f}"
    return f"{median} ({steps['reached']}/{steps['n']})"


def _rate(variant: Variant) -> float | None:
    return 1 / variant["seconds_per_step"] if variant["seconds_per_step"] else None


def _speed(variant: Variant) -> str:
    return "" if (rate := _rate(variant)) is None else f"{rate:,.0f}"

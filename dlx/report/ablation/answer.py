"""The answer of an ablation in words: which variants are better and worse, and which undecided."""

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

from dlx.ablation.statistics.verdicts import fewest_pairs
from dlx.report.ablation import reading
from dlx.report.ablation.reading import Summary

_MOST_NAMES = 4  # in a sentence
_MOST_SEEDS = 1000  # nobody would run more

Variant = Mapping[str, Any]


def answer(summary: Summary) -> list[str]:
    """Return the answer in paragraphs of plain text, the most important one first."""
    compared = reading.compared(summary)
    if not compared:
        return ["There is only one variant, so that there is nothing to compare."]
    by_verdict: dict[str, list[Variant]] = {}
    for variant in compared:
        by_verdict.setdefault(variant["vs_baseline"]["verdict"], []).append(variant)
    paragraphs = [_verdict(by_verdict, summary)]
    if better := by_verdict.get("better"):
        others = _others("Also better", better[1:])
        paragraphs.append(_strongest("Best", better[0], summary) + others)
    if worse := by_verdict.get("worse"):
        others = _others("Also worse", worse[:-1])
        paragraphs.append(_strongest("Worst", worse[-1], summary) + others)
    if same := by_verdict.get("equivalent"):
        margin = reading.difference(summary["metric"], summary["margin"] or 0.0).lstrip("+")
        margin += reading.difference_unit(summary["metric"])
        names = _listed([variant["name"] for variant in same])
        paragraphs.append(f"Equivalent to the baseline, within {margin}: {names}.")
    if undecided := by_verdict.get("undecided"):
        paragraphs.append(_undecided(undecided, summary))
    if lost := [variant for variant in summary["variants"] if reading.lost(variant)]:
        paragraphs.append(_lost(lost))
    return paragraphs


def seeds_to_decide(variant: Variant, summary: Summary) -> int | None:
    """Return about how many seeds would decide between a variant and the baseline.

    n' = n (q h / r)^2. The half width h of the interval shrinks with the root of the number of
    seeds, down to r, the larger of |d| (for better or worse) and margin - |d| (for equivalent). q
    accounts for Holm's correction of the first of m comparisons: it is the normal quantile of
    1 - alpha / 2m divided by that of 1 - alpha / 2. In half of all cases it takes more seeds.

    Returns:
        the number of seeds; None for one seed, no variance, lost runs, or more than a thousand
    """
    versus = variant["vs_baseline"]
    if versus["difference"] is None or versus["low"] is None or versus["n"] < 2:
        return None
    if reading.lost(variant):
        return None
    distance = abs(versus["difference"])
    reach = max(distance, (summary["margin"] or 0.0) - distance)
    half = (versus["high"] - versus["low"]) / 2
    if reach <= 0 or half <= 0:
        return None
    comparisons, tail = len(reading.compared(summary)), (1 - summary["confidence"]) / 2
    fewest, quantile = fewest_pairs(comparisons), NormalDist().inv_cdf
    correction = quantile(1 - tail / comparisons) / quantile(1 - tail)
    needed = versus["n"] * (correction * half / reach) ** 2
    if not math.isfinite(needed) or needed > _MOST_SEEDS:
        return None
    return max(math.ceil(needed), fewest, versus["n"] + 1)


def _verdict(by_verdict: Mapping[str, Sequence[Variant]], summary: Summary) -> str:
    counts = [
        f"{len(by_verdict[word])} {word}"
        for word in ("better", "worse", "equivalent", "undecided")
        if word in by_verdict
    ]
    if "better" in by_verdict or "worse" in by_verdict:
        start = "Yes."
    elif set(by_verdict) == {"equivalent"}:
        start = "No, not by more than the margin."
    else:
        start = "That is not decided yet."
    base = next(v for v in summary["variants"] if v["name"] == summary["baseline"])
    value = reading.value(summary["metric"], reading.judged(base, summary).get("mean"))
    return (
        f"{start} The baseline is {summary['baseline']} ({reading.in_words(summary['metric'])} "
        f"{value}). Other variants: {', '.join(counts)}."
    )


def _strongest(word: str, variant: Variant, summary: Summary) -> str:
    versus, metric = variant["vs_baseline"], summary["metric"]
    if versus["difference"] is None:
        return f"{word}: {variant['name']}: {versus['why']}"
    evidence = []
    if ends := reading.difference_interval(metric, versus["low"], versus["high"]):
        evidence.append(f"{reading.percent(summary)} interval {ends}")
    if versus["p"] is not None:
        p = reading.p_value(versus["p"])
        evidence.append(f"p {p}" if p.startswith("<") else f"p = {p}")
    if versus["n"]:
        evidence.append(f"better in {versus['wins']} of {versus['n']} pairs")
    mean = reading.value(metric, reading.judged(variant, summary).get("mean"))
    return (
        f"{word}: {variant['name']}: {reading.in_words(metric)} {mean}, "
        f"{reading.difference(metric, versus['difference'])}{reading.difference_unit(metric)} from "
        f"the baseline ({'; '.join(evidence)})."
    )


def _others(words: str, variants: Sequence[Variant]) -> str:
    return f" {words}: {_listed([v['name'] for v in variants])}." if variants else ""


def _undecided(variants: Sequence[Variant], summary: Summary) -> str:
    parts = []
    for variant in variants:
        needed = seeds_to_decide(variant, summary)
        seeds = f" (about {needed:,} seeds would decide)" if needed else ""
        parts.append(f"{variant['name']}{seeds}")
    return (
        f"Undecided: {_listed(parts)}. Undecided does not mean equal: these runs do not show "
        "whether there is a difference."
    )


def _lost(variants: Sequence[Variant]) -> str:
    count = sum(map(reading.lost, variants))
    names = _listed([variant["name"] for variant in variants])
    text = f"{count:,} {'run' if count == 1 else 'runs'} diverged or failed, of {names}."
    if any(variant["n"] for variant in variants):
        text += " The means are of the other runs; the verdicts take the lost runs into account."
    if empty := [variant["name"] for variant in variants if not variant["n"]]:
        text += f" No run ended well of {_listed(empty)}."
    return text


def _listed(names: Sequence[str]) -> str:
    shown = [*names[:_MOST_NAMES]]
    if more := len(names) - len(shown):
        shown.append(f"and {more} more")
    return "; ".join(shown)

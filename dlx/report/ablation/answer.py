"""The answer of an ablation in words: what is better, by how much, how sure, what is undecided."""

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

from dlx.ablation.statistics.verdicts import fewest_pairs
from dlx.report.ablation import reading
from dlx.report.ablation.reading import Summary

_MOST_NAMES = 4  # in a sentence
_MOST_SEEDS = 1000  # more would not be run


def answer(summary: Summary) -> list[str]:
    """Return the answer in paragraphs of plain text, the most important one first."""
    compared = [each for each in reading.best_first(summary) if each["vs_baseline"]]
    if not compared:
        return ["There is one variant only, and so nothing that it could be compared with."]
    by_verdict: dict[str, list[Mapping[str, Any]]] = {}
    for each in compared:
        by_verdict.setdefault(each["vs_baseline"]["verdict"], []).append(each)
    paragraphs = [_verdict(by_verdict, summary)]
    if better := by_verdict.get("better"):
        paragraphs.append(
            _strongest("Best", better[0], summary) + _others("Also better", better[1:])
        )
    if worse := by_verdict.get("worse"):
        paragraphs.append(
            _strongest("Worst", worse[-1], summary) + _others("Also worse", worse[:-1])
        )
    if same := by_verdict.get("equivalent"):
        paragraphs.append(f"Equivalent to the baseline, within {_margin(summary)}: {_names(same)}.")
    if open_ := by_verdict.get("undecided"):
        paragraphs.append(_undecided(open_, summary))
    if lost := [each for each in summary["variants"] if reading.lost(each)]:
        paragraphs.append(_lost(lost))
    return paragraphs


def seeds_to_decide(variant: Mapping[str, Any], summary: Summary) -> int | None:
    """Return about how many seeds would decide between a variant and the baseline.

    n' = n (q h / r)^2: the interval's half width h shrinks with the root of the number of seeds,
    and has to come down to r, the larger of |d| (then it is better or worse) and margin - |d|
    (then it is equivalent); q widens it to what Holm's correction asks of the first of m
    comparisons, the normal quantile of 1 - alpha / 2m over that of 1 - alpha / 2. A guide to the
    size of the next ablation: half the time more are needed.

    Args:
        variant: an undecided one
        summary: of the ablation

    Returns:
        the number of seeds; None where nothing can be said: one seed only, no variance, lost runs,
        or more than a thousand
    """
    found = variant["vs_baseline"]
    if found["difference"] is None or found["low"] is None or found["n"] < 2:
        return None
    if reading.lost(variant):
        return None
    apart = abs(found["difference"])
    reach = max(apart, (summary["margin"] or 0.0) - apart)
    half = (found["high"] - found["low"]) / 2
    if reach <= 0 or half <= 0:
        return None
    comparisons = sum(each["vs_baseline"] is not None for each in summary["variants"])
    tail = (1 - summary["confidence"]) / 2
    normal = NormalDist()
    fewest = fewest_pairs(comparisons, alpha=2 * tail)
    wider = normal.inv_cdf(1 - tail / comparisons) / normal.inv_cdf(1 - tail)
    needed = found["n"] * (wider * half / reach) ** 2
    if not math.isfinite(needed) or needed > _MOST_SEEDS:
        return None
    return max(math.ceil(needed), fewest, found["n"] + 1)


def _verdict(by_verdict: Mapping[str, Sequence[Any]], summary: Summary) -> str:
    total = sum(map(len, by_verdict.values()))
    counts = [
        f"{len(by_verdict[word])} {word}"
        for word in ("better", "worse", "equivalent", "undecided")
        if by_verdict.get(word)
    ]
    if by_verdict.get("better") or by_verdict.get("worse"):
        start = "Yes."
    elif len(by_verdict.get("equivalent", ())) == total:
        start = "No, not by more than the margin."
    else:
        start = "That is not decided yet."
    base = next(v for v in summary["variants"] if v["name"] == summary["baseline"])
    value = reading.value(summary["metric"], reading.judged(base, summary).get("mean"))
    variants = "variant" if total == 1 else "variants"
    return (
        f"{start} Against the baseline, {summary['baseline']} "
        f"({reading.in_words(summary['metric'])} {value}), of {total} other {variants}: "
        f"{', '.join(counts)}."
    )


def _strongest(word: str, variant: Mapping[str, Any], summary: Summary) -> str:
    found, metric = variant["vs_baseline"], summary["metric"]
    mean = reading.judged(variant, summary).get("mean")
    if found["difference"] is None:
        return f"{word}: {variant['name']}: {found['why']}"
    ends = reading.difference_interval(metric, found["low"], found["high"])
    share = f"{100 * summary['confidence']:g} % interval"
    sure = [f"{share} {ends}"] if ends else []
    sure += [f"p {_equals(found['p'])}"] if found["p"] is not None else []
    sure += [f"ahead in {found['wins']} of {found['n']} pairs"] if found["n"] else []
    return (
        f"{word}: {variant['name']}: {reading.in_words(metric)} {reading.value(metric, mean)}, "
        f"{reading.difference(metric, found['difference'])}{reading.difference_unit(metric)} from "
        f"the baseline ({'; '.join(sure)})."
    )


def _equals(p: float) -> str:
    text = reading.p_value(p)
    return text if text.startswith("<") else f"= {text}"


def _others(words: str, variants: Sequence[Mapping[str, Any]]) -> str:
    return f" {words}: {_names(variants)}." if variants else ""


def _undecided(variants: Sequence[Mapping[str, Any]], summary: Summary) -> str:
    parts = []
    for each in variants[:_MOST_NAMES]:
        needed = seeds_to_decide(each, summary)
        parts.append(each["name"] + (f" (about {needed:,} seeds would decide)" if needed else ""))
    text = f"Undecided: {'; '.join(parts)}"
    if more := len(variants) - len(parts):
        text += f"; and {more} more"
    return text + ". Undecided does not mean equal: these runs cannot tell."


def _lost(variants: Sequence[Mapping[str, Any]]) -> str:
    count = sum(map(reading.lost, variants))
    text = f"{count:,} {'run' if count == 1 else 'runs'} diverged or failed, of {_names(variants)}."
    if any(each["n"] for each in variants):
        text += " The means are of the other runs; the verdicts take the loss into account."
    if none := [each for each in variants if not each["n"]]:
        text += f" No run is left of {_names(none)}."
    return text


def _margin(summary: Summary) -> str:
    margin = summary["margin"] or 0.0
    text = reading.difference(summary["metric"], margin).lstrip("+")
    return text + reading.difference_unit(summary["metric"])


def _names(variants: Sequence[Mapping[str, Any]]) -> str:
    names = [each["name"] for each in variants[:_MOST_NAMES]]
    more = len(variants) - len(names)
    return "; ".join(names) + (f"; and {more} more" if more else "")

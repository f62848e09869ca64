"""The answer of an ablation in words: which variants are better and worse, and which undecided."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from dlx.report.ablation import reading
from dlx.report.ablation.reading import Summary
from dlx.report.ablation.verdict_table import best_group

_MOST_NAMES = 4  # in a sentence

_WHY = {
    "decided": "are decided",
    "narrow enough": "have an interval that is narrow enough",
    "too few rows": "had too few rows, whatever the number of seeds",
    "other dev rows": "were judged on other rows",
    "nothing to compare": "had nothing to compare",
    "all seeds": "had all seeds",
    "open": "may get more",
}
"""By why a variant got no more seeds, in words."""

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
        paragraphs.append(f"Equivalent to the baseline, within {margin}: {_concluded(same)}.")
    if undecided := by_verdict.get("undecided"):
        paragraphs.append(_undecided(undecided))
    if summary.get("best_group"):
        paragraphs.append(best_group(summary))
    if growing := summary.get("sequential"):
        paragraphs.append(_grown(growing))
    if lost := [variant for variant in summary["variants"] if reading.lost(variant)]:
        paragraphs.append(_lost(lost))
    return paragraphs


def in_a_line(summary: Summary) -> str | None:
    """Return the answer in a few words, for a list; None if nothing is compared."""
    metric, compared = summary["metric"], reading.compared(summary)
    if not compared:
        return None
    better = [v for v in compared if v["vs_baseline"]["verdict"] == "better"]
    if better and better[0]["vs_baseline"]["difference"] is not None:
        gain = reading.difference(metric, better[0]["vs_baseline"]["difference"])
        return (
            f"{better[0]['name']} is better than {summary['baseline']} by {gain.lstrip('+−')}"
            f"{reading.difference_unit(metric)} of {reading.in_words(metric)}"
        )
    counts = Counter(variant["vs_baseline"]["verdict"] for variant in compared)
    return f"none is better than {summary['baseline']}: " + ", ".join(
        f"{count} {verdict}" for verdict, count in counts.items()
    )


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


def _grown(growing: Mapping[str, Any]) -> str:
    """Return how many seeds variants got where they were added, and why no more."""
    reasons: dict[str, list[int]] = {}
    for own in growing["variants"].values():
        reasons.setdefault(own["why"], []).append(own["seeds"])
    parts = []
    for why, counts in reasons.items():
        low, high = min(counts), max(counts)
        seeds = f"{low:,}" if low == high else f"{low:,} to {high:,}"
        parts.append(f"{len(counts):,} {_WHY.get(why, why)} ({seeds} seeds)")
    most = f"{growing['max']:,}"
    return f"Seeds were added in batches, up to {most}: of the variants {', '.join(parts)}."


def _others(words: str, variants: Sequence[Variant]) -> str:
    return f" {words}: {_listed([v['name'] for v in variants])}." if variants else ""


def _undecided(variants: Sequence[Variant]) -> str:
    return (
        f"Undecided: {_concluded(variants)}. Undecided does not mean equal: these runs do not show "
        "whether there is a difference."
    )


def _concluded(variants: Sequence[Variant]) -> str:
    """Return the names, each with its conclusion where that says more than the verdict."""
    names = []
    for variant in variants:
        versus, conclusion = variant["vs_baseline"], reading.conclusion(variant["vs_baseline"])
        says_more = conclusion != versus["verdict"]
        names.append(variant["name"] + (f": {conclusion}" if says_more else ""))
    return _listed(names)


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

"""The sentences of a summary: the question, why a verdict is what it is, and warnings."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dlx.ablation.factors import Factor
from dlx.ablation.statistics.equivalence import most_unseen
from dlx.ablation.statistics.paired import Difference
from dlx.ablation.statistics.verdicts import Verdict, Word, fewest_pairs


def question(factors: Sequence[Factor], metric: str, success: Mapping[str, float]) -> str:
    """Return what an ablation asks, in one sentence."""
    keys = [each.key for each in factors]
    listed = " or ".join([", ".join(keys[:-1]), keys[-1]] if len(keys) > 1 else keys)
    if metric != "success":
        return f"Does {listed} change {metric}?"
    reached = " and ".join(f"{key} at {number(value)}" for key, value in success.items())
    return f"Does {listed} change how often a run succeeds{f' ({reached})' if reached else ''}?"


def number(value: float) -> str:
    """Return a number with three digits that count."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def size(value: float, *, is_share: bool, signed: bool = False) -> str:
    """Return a difference: in percentage points of a share, else with three digits."""
    sign = "+" if signed else ""
    if is_share:
        return f"{100 * value:{sign}.2f}".replace("-", "−")
    return f"{value:{sign}.3g}".replace("-", "−")


def chance(p: float) -> str:
    """Return `p 0.012`, and what is too small to matter as a bound."""
    return "p < 0.0001" if p < 0.0001 else f"p {p:.2g}"


def why(
    verdict: Verdict,
    *,
    metric: str,
    is_share: bool,
    baseline: str,
    margin: float,
    unit: str,
    num_comparisons: int,
    confidence: float,
) -> str:
    """Return why a verdict is what it is, in a sentence or two.

    Args:
        verdict: of a variant
        metric: that was judged
        is_share: it lies between 0 and 1: differences are told in percentage points
        baseline: its name
        margin: of equivalence
        unit: what is paired, `seeds` or `folds`
        num_comparisons: of the ablation
        confidence: of the intervals
    """
    found = verdict.difference
    metric = "the success rate" if metric == "success" else metric
    limit = f"±{size(margin, is_share=is_share)}{' points' if is_share else ''}"
    apart = _difference(found, metric, baseline, is_share=is_share)
    if found.n == 0:
        sentences = [f"No two runs of the same {unit[:-1]} have {metric} to compare."]
    elif found.n == 1:
        sentences = [f"One pair has no interval: {apart}."]
    else:
        sentences = [_measured(verdict, apart, unit, confidence, is_share=is_share)]
    match verdict.basis:
        case "margin":
            within = f"within {limit} ({chance(verdict.p_equivalent)})"
            is_sure = verdict.p <= 1 - confidence
            sentences.append(
                f"That is not 0, but {within}: too small to matter."
                if is_sure
                else f"That is {within}."
            )
        case "few pairs":
            pairs = max(fewest_pairs(num_comparisons, alpha=1 - confidence), found.n + 1)
            sentences.append(
                f"{found.n} pairs are too few to believe that: it takes {pairs} "
                f"for {_count(num_comparisons, 'comparison')}."
            )
        case "alike":
            share = most_unseen(found.n, confidence=confidence)
            sentences = [
                f"{metric} is the same in all {found.n} pairs, but so few leave it open: "
                f"up to {100 * share:.0f} % of the seeds could differ unseen."
            ]
        case "nothing" if found.n > 1:
            sentences.append(_open(verdict, margin, limit))
    text = " ".join([*sentences, *_failures(verdict, baseline)])
    return text[0].upper() + text[1:] if metric.startswith("the ") else text


def contradiction(words: Mapping[str, Word]) -> str:
    """Return why there is no verdict over data sets."""
    return "The data sets contradict each other: " + ", ".join(
        f"{word} on {data}" for data, word in words.items()
    )


def _difference(found: Difference, metric: str, baseline: str, *, is_share: bool) -> str:
    if not found.mean:
        return f"{metric} is equal to that of {baseline}"
    direction = "above" if found.mean > 0 else "below"
    amount = size(abs(found.mean), is_share=is_share) + (" points" if is_share else "")
    return f"{metric} is {amount} {direction} that of {baseline}"


def _measured(verdict: Verdict, apart: str, unit: str, confidence: float, *, is_share: bool) -> str:
    found = verdict.difference
    low, high = (size(end, is_share=is_share, signed=True) for end in (found.low, found.high))
    return (
        f"{apart} ({100 * confidence:g} % interval {low} to {high}, adjusted {chance(verdict.p)}, "
        f"better in {verdict.wins} of {found.n} {unit})."
    )


def _open(verdict: Verdict, margin: float, limit: str) -> str:
    found = verdict.difference
    if found.low > 0 or found.high < 0:
        return (
            "The interval alone leaves out 0; p, which counts all comparisons of the ablation and "
            "allows for values that repeat, does not."
        )
    if np.isnan(margin) or found.low < -margin or found.high > margin:
        return (
            f"The interval holds 0 and reaches beyond {limit}: "
            "more seeds would tell better, worse and equivalent apart."
        )
    return f"It may be within {limit}, but not surely ({chance(verdict.p_equivalent)})."


def _failures(verdict: Verdict, baseline: str) -> list[str]:
    failures = verdict.failures
    if failures is None or not (failures.variant[0] or failures.baseline[0]):
        return []
    (mine, runs), (other, other_runs) = failures.variant, failures.baseline
    counted = f"{mine} of {runs} runs diverged, against {other} of {other_runs} of {baseline}"
    sentences = [f"{counted} ({chance(verdict.p_failures)})."]
    match verdict.basis:
        case "divergence":
            more = "more" if failures.excess > 0 else "less"
            sentences.append(f"What diverges surely {more} often decides.")
        case "conflict":
            sentences.append("Runs that ended do not outweigh those that diverged.")
        case _ if verdict.difference.n:
            sentences.append("The difference is of the pairs in which both ended.")
    return sentences


def _chooses_loss(variant: Mapping[str, Any]) -> bool:
    return any(key == "model.loss" or key.startswith("model.loss.") for key in variant["settings"])


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def warnings(
    variants: Sequence[Mapping[str, Any]],
    *,
    metric: str,
    num_seeds: int,
    folds: int | None,
    data: Sequence[str],
) -> list[str]:
    """Return what a reader of the verdicts has to know besides.

    Args:
        variants: as summary.json has them
        metric: that is judged
        num_seeds: of the ablation
        folds: of the cross-validation, or None
        data: the data set of each variant
    """
    found = []
    for keys, what in (
        (("parameters",), "number of parameters"),
        (("steps", "pretraining_steps"), "optimizer steps"),
        (("examples", "pretraining_examples"), "examples seen"),
    ):
        if len(keys) > 1 and any(each[keys[1]] for each in variants):
            what += " (pre-training included)"
        for name in dict.fromkeys(data):  # each is compared on its own
            own = [each for each, its in zip(variants, data, strict=True) if its == name]
            values = {
                each["name"]: sum(each[key] for key in keys)
                for each in own
                if each[keys[0]] is not None
            }
            if len(set(values.values())) > 1:
                least, most = (f(values, key=values.__getitem__) for f in (min, max))
                found.append(
                    f"Variants differ in {what}: {values[least]:,} ({least}) to "
                    f"{values[most]:,} ({most})."
                )
    # The cost of training, with `corrupted_` before it or not.
    if metric.endswith("cost") and any(map(_chooses_loss, variants)):
        found.append(
            f"Variants differ in model.loss, and {metric} is in the units of each one's own loss: "
            "costs of different losses do not compare; choose an ablation.metric that all share."
        )
    if num_seeds == 1 and folds is None:
        found.append("One seed only (n = 1): no intervals, no verdicts; ask for more seeds.")
    for each in variants:
        ended = each["runs"] - each["diverged"] - each["failed"]
        if each["diverged"]:
            rest = f"what is shown is of the {ended} that ended" if ended else "none ended"
            found.append(
                f"{each['name']}: {each['diverged']} of {each['runs']} runs diverged; {rest}."
            )
        if each["failed"]:
            found.append(
                f"{each['name']}: {each['failed']} of {each['runs']} runs failed to run, which "
                "says nothing of the variant: repeat them."
            )
    if metric != "success" and variants and not any(each["n"] for each in variants):
        split = metric.partition(".")[0]
        cure = "give data.split a dev part" if split == "dev" else "choose another ablation.metric"
        if all(each["diverged"] + each["failed"] == each["runs"] for each in variants):
            cure = "no run ended well"
        found.append(f"No run has {metric}, so nothing could be judged: {cure}.")
    return found

"""Every variant of an ablation against its baseline: the verdicts, as summary.json has them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dlx.ablation import wording
from dlx.ablation.factors import DATA, Factor, same, setting_names
from dlx.ablation.outcomes import Outcomes
from dlx.ablation.results import Variant
from dlx.ablation.statistics.censored import sooner
from dlx.ablation.statistics.data_sets import overall, pooled
from dlx.ablation.statistics.multiple import holm
from dlx.ablation.statistics.verdicts import Comparison, Verdict, Word, judge


@dataclass(frozen=True)
class Judged:
    """What is judged, and how.

    Attributes:
        metric: `<split>.<tag>` or `success`
        rising: larger values of it are better
        is_share: it lies between 0 and 1
        margin: largest difference that does not matter; None: 0.005 of a share, else 5 % of the
            baseline's mean
        confidence: of the intervals; 1 - confidence is the error rate of the whole ablation
    """

    metric: str
    rising: bool
    is_share: bool
    margin: float | None
    confidence: float

    def margin_beside(self, baseline: np.ndarray) -> float:
        """Return the margin beside values of the baseline; NaN where it has none."""
        if self.margin is not None:
            return self.margin
        if self.is_share:
            return 0.005
        held = baseline[~np.isnan(baseline)]
        return 0.05 * abs(float(held.mean())) if len(held) else np.nan


def baselines_of(variants: Sequence[Variant], baseline: str) -> dict[str, str]:
    """Return the baseline of every variant, by name; baselines, and what has none, are left out.

    Where the data set varies, a variant is compared on its own: with the variant there that is the
    baseline in all else.
    """
    base = next(each for each in variants if each.name == baseline)

    def place(variant: Variant, settings: Mapping[str, Any]) -> tuple[str, str]:
        rest = {key: value for key, value in settings.items() if key != DATA}
        return same(variant.settings.get(DATA)), same(rest)

    names = {place(each, each.settings): each.name for each in variants}
    found = {each.name: names.get(place(each, base.settings)) for each in variants}
    return {name: own for name, own in found.items() if own and own != name}


def compare(
    outcomes: Outcomes,
    pairs: Mapping[str, str],
    judged: Judged,
    steps_to: Mapping[str, float],
) -> tuple[dict[str, dict[str, Any]], dict[str, tuple[Comparison, Verdict]]]:
    """Judge variants against their baselines, all of them as one family.

    Args:
        outcomes: of the runs
        pairs: baseline by variant
        judged: what is judged
        steps_to: thresholds by metric

    Returns:
        `vs_baseline` by variant, and what it was made of
    """
    comparisons = [_comparison(outcomes, name, base, judged) for name, base in pairs.items()]
    verdicts = judge(comparisons, confidence=judged.confidence)
    arrivals = _arrivals(outcomes, pairs, steps_to, judged.confidence)
    shown = {
        name: document(comparison, verdict, base, judged, outcomes.unit, len(pairs))
        | {"steps_to": arrivals[name]}
        for (name, base), comparison, verdict in zip(
            pairs.items(), comparisons, verdicts, strict=True
        )
    }
    made = dict(zip(pairs, zip(comparisons, verdicts, strict=True), strict=True))
    return shown, made


def document(
    comparison: Comparison,
    verdict: Verdict,
    baseline: str,
    judged: Judged,
    unit: str,
    num_comparisons: int,
) -> dict[str, Any]:
    """Return a `vs_baseline` of summary.json; what is NaN becomes null when it is written."""
    found, failures = verdict.difference, verdict.failures
    fallen = failures and (failures.variant[0] or failures.baseline[0])
    return {
        "baseline": baseline,
        "difference": found.mean,
        "low": found.low,
        "high": found.high,
        "p": verdict.p,
        "p_raw": found.p,
        "wins": verdict.wins,
        "n": found.n,
        "test": found.test,
        "verdict": verdict.word,
        "basis": verdict.basis,
        "equivalence": {"margin": comparison.margin, "p": verdict.p_equivalent},
        "failures": {
            "variant": list(failures.variant),
            "baseline": list(failures.baseline),
            "p": verdict.p_failures,
            "p_raw": failures.p,
            "test": "Fisher exact",
        }
        if failures and fallen
        else None,
        "why": wording.why(
            verdict,
            metric=judged.metric,
            is_share=judged.is_share,
            baseline=baseline,
            margin=comparison.margin,
            unit=unit,
            num_comparisons=num_comparisons,
            confidence=judged.confidence,
        ),
    }


def over_data_sets(
    variants: Sequence[Variant],
    factors: Sequence[Factor],
    shown: Mapping[str, dict[str, Any]],
    made: Mapping[str, tuple[Comparison, Verdict]],
    judged: Judged,
    unit: str,
) -> tuple[dict[str, Any], dict[str, Any]] | tuple[None, None]:
    """Return the verdicts of each data set and those over all; None where it does not vary.

    Returns:
        `vs_baseline` by data set and settings in words; by settings in words
    """
    data = next((each for each in factors if each.key == DATA), None)
    if data is None or len(data.values) < 2:
        return None, None
    rest = [each for each in factors if each.key != DATA]
    settings = {each.name: each.settings for each in variants}
    names = {name: setting_names(own, rest) for name, own in settings.items()}
    per_data: dict[str, Any] = {str(value): {} for value in data.values}
    groups: dict[str, list[str]] = {}
    for each in variants:
        if each.name in shown:
            per_data[str(each.settings[DATA])][names[each.name]] = shown[each.name]
            groups.setdefault(names[each.name], []).append(each.name)
    together = {name: own for name, own in groups.items() if len(own) == len(data.values)}
    worded = judged
    if not judged.is_share:  # what is pooled of costs is relative to the baseline's
        metric = f"{judged.metric}, in % of the baseline's,"
        worded = replace(judged, metric=metric, is_share=True)
    comparisons = [
        pooled([made[each][0] for each in own], is_share=judged.is_share)
        for own in together.values()
    ]
    verdicts = judge(comparisons, confidence=judged.confidence)
    everything = {}
    for (name, own), comparison, verdict in zip(
        together.items(), comparisons, verdicts, strict=True
    ):
        base = names[shown[own[0]]["baseline"]]
        words: dict[str, Word] = {str(settings[each][DATA]): made[each][1].word for each in own}
        found = document(comparison, verdict, base, worded, unit, len(together))
        found["verdict"] = overall(verdict, list(words.values()))
        found["is_relative"] = not judged.is_share
        if found["verdict"] != verdict.word:
            found["basis"] = "conflict"
            found["why"] = wording.contradiction(words)
        everything[name] = found
    return per_data, everything


def _comparison(outcomes: Outcomes, name: str, base: str, judged: Judged) -> Comparison:
    mine, other = (outcomes.values(each, judged.metric) for each in (name, base))
    is_binary = judged.metric == "success" and outcomes.folds is None
    margin = judged.margin_beside(other)
    mine, other = outcomes.pairs(mine, other)
    counts = (outcomes.diverged(name), outcomes.diverged(base))
    # Of outcomes, a divergence is a failure to succeed already.
    diverged, baseline_diverged = ((0, 0), (0, 0)) if judged.metric == "success" else counts
    return Comparison(
        variant=mine,
        baseline=other,
        rising=judged.rising,
        margin=margin,
        is_binary=is_binary,
        diverged=diverged,
        baseline_diverged=baseline_diverged,
        overlap=outcomes.overlap,
    )


def _arrivals(
    outcomes: Outcomes, pairs: Mapping[str, str], steps_to: Mapping[str, float], confidence: float
) -> dict[str, dict[str, Any]]:
    """Compare the steps to each threshold, the variants of a threshold being one family."""
    found: dict[str, dict[str, Any]] = {name: {} for name in pairs}
    for metric in steps_to:
        tests = [
            sooner(
                outcomes.steps_to(name, metric),
                outcomes.steps_to(base, metric),
                horizon=min(_horizon(outcomes, each) for each in (name, base)),
                confidence=confidence,
            )
            for name, base in pairs.items()
        ]
        for name, test, p in zip(pairs, tests, holm([each.p for each in tests]), strict=True):
            is_sure = p <= 1 - confidence and test.difference
            found[name][metric] = {
                "difference": test.difference,
                "low": test.low,
                "high": test.high,
                "p": float(p),
                "p_raw": test.p,
                "n": test.n,
                "horizon": test.horizon,
                "test": "signed rank, exact",
                "verdict": ("better" if test.difference < 0 else "worse")
                if is_sure
                else "undecided",
            }
    return found


def _horizon(outcomes: Outcomes, variant: str) -> float:
    return float(max((run.steps for run in outcomes.there(variant)), default=0))

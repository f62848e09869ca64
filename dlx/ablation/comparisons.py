"""The comparison of every variant with its baseline: verdicts in the form of summary.json."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dlx.ablation import wording
from dlx.ablation.factors import DATA, Factor, same, setting_names
from dlx.ablation.outcomes import Outcomes
from dlx.ablation.results import Variant
from dlx.ablation.statistics.censored import steps_difference
from dlx.ablation.statistics.intervals import present
from dlx.ablation.statistics.multiple import holm
from dlx.ablation.statistics.verdicts import (
    ALPHA,
    Comparison,
    Verdict,
    Word,
    judge,
    overall,
    pooled,
)


@dataclass(frozen=True)
class Judged:
    """The metric by which variants are judged, and how."""

    metric: str  # `<split>.<tag>` or `success`
    rising: bool  # whether larger values are better
    is_share: bool  # whether it lies between 0 and 1
    # Largest difference that does not matter; None: 0.005 for a share, otherwise 5 % of the
    # baseline's mean.
    margin: float | None

    def margin_beside(self, baseline: np.ndarray) -> float:
        """Return the margin, given the baseline's values; NaN if it needs one and there is none."""
        if self.margin is not None:
            return self.margin
        if self.is_share:
            return 0.005
        values = present(baseline)
        return 0.05 * abs(float(values.mean())) if len(values) else np.nan


def baselines_of(variants: Sequence[Variant], baseline: str) -> dict[str, str]:
    """Return the name of the baseline of every variant that has one and is none itself.

    Where the data set varies, a variant is compared with the variant on the same data set that has
    the baseline's other settings.
    """
    base = next(variant for variant in variants if variant.name == baseline)

    def place(variant: Variant, settings: Mapping[str, Any]) -> tuple[str, str]:
        rest = {key: value for key, value in settings.items() if key != DATA}
        return same(variant.settings.get(DATA)), same(rest)

    names = {place(variant, variant.settings): variant.name for variant in variants}
    baselines = {variant.name: names.get(place(variant, base.settings)) for variant in variants}
    return {name: other for name, other in baselines.items() if other and other != name}


def compare(
    outcomes: Outcomes, pairs: Mapping[str, str], judged: Judged, steps_to: Mapping[str, float]
) -> tuple[dict[str, dict[str, Any]], dict[str, tuple[Comparison, Verdict]]]:
    """Judge variants against their baselines (`pairs`), all of them as one family of tests.

    Returns:
        by variant: its `vs_baseline`; the comparison and the verdict that it is made of
    """
    comparisons = [_comparison(outcomes, name, base, judged) for name, base in pairs.items()]
    judgements = zip(comparisons, judge(comparisons), strict=True)
    verdicts = dict(zip(pairs, judgements, strict=True))
    steps = _steps_differences(outcomes, pairs, steps_to)
    documents = {
        name: document(*verdicts[name], base, judged, outcomes.unit, len(pairs))
        | {"steps_to": steps[name]}
        for name, base in pairs.items()
    }
    return documents, verdicts


def document(
    comparison: Comparison,
    verdict: Verdict,
    baseline: str,
    judged: Judged,
    unit: str,
    num_comparisons: int,
) -> dict[str, Any]:
    """Return a `vs_baseline` of summary.json; NaN becomes null when it is written."""
    test, failures = verdict.difference, verdict.failures
    has_diverged = failures and (failures.variant[0] or failures.baseline[0])
    return {
        "baseline": baseline,
        "difference": test.mean,
        "low": test.low,
        "high": test.high,
        "p": verdict.p,
        "p_raw": test.p,
        "wins": verdict.wins,
        "n": test.n,
        "test": test.test,
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
        if failures and has_diverged
        else None,
        "why": wording.why(
            verdict,
            metric=judged.metric,
            is_share=judged.is_share,
            baseline=baseline,
            margin=comparison.margin,
            unit=unit,
            num_comparisons=num_comparisons,
        ),
    }


def over_data_sets(
    variants: Sequence[Variant],
    factors: Sequence[Factor],
    documents: Mapping[str, dict[str, Any]],
    verdicts: Mapping[str, tuple[Comparison, Verdict]],
    judged: Judged,
    unit: str,
) -> tuple[dict[str, Any], dict[str, Any]] | tuple[None, None]:
    """Return the verdicts on each data set and over all; None if the data set does not vary.

    Both are by settings in words, and have the form of `vs_baseline`; the first by data set too.
    """
    data = next((factor for factor in factors if factor.key == DATA), None)
    if data is None or len(data.values) < 2:
        return None, None
    rest = [factor for factor in factors if factor.key != DATA]
    data_of = {variant.name: str(variant.settings.get(DATA)) for variant in variants}
    labels = {variant.name: setting_names(variant.settings, rest) for variant in variants}
    per_data: dict[str, Any] = {str(value): {} for value in data.values}
    groups: dict[str, list[str]] = {}
    for name in documents:
        per_data[data_of[name]][labels[name]] = documents[name]
        groups.setdefault(labels[name], []).append(name)
    complete = {label: names for label, names in groups.items() if len(names) == len(data.values)}
    worded = judged
    if not judged.is_share:  # pooled costs are relative to the baseline's
        metric = f"{judged.metric}, in % of the baseline's,"
        worded = replace(judged, metric=metric, is_share=True)
    comparisons = [
        pooled([verdicts[name][0] for name in names], is_share=judged.is_share)
        for names in complete.values()
    ]
    together = {}
    for (label, names), comparison, verdict in zip(
        complete.items(), comparisons, judge(comparisons), strict=True
    ):
        base = labels[documents[names[0]]["baseline"]]
        words: dict[str, Word] = {data_of[name]: verdicts[name][1].word for name in names}
        pooled_document = document(comparison, verdict, base, worded, unit, len(complete))
        pooled_document["verdict"] = overall(verdict, list(words.values()))
        pooled_document["is_relative"] = not judged.is_share
        if pooled_document["verdict"] != verdict.word:
            pooled_document["basis"] = "conflict"
            pooled_document["why"] = wording.contradiction(words)
        together[label] = pooled_document
    return per_data, together


def _comparison(outcomes: Outcomes, name: str, base: str, judged: Judged) -> Comparison:
    values, base_values = (outcomes.values(variant, judged.metric) for variant in (name, base))
    variant, baseline = outcomes.pairs(values, base_values)
    is_success = judged.metric == "success"  # where a run that diverged counts as 0
    return Comparison(
        variant=variant,
        baseline=baseline,
        rising=judged.rising,
        margin=judged.margin_beside(base_values),
        is_binary=is_success and outcomes.folds is None,
        diverged=(0, 0) if is_success else outcomes.diverged(name),
        baseline_diverged=(0, 0) if is_success else outcomes.diverged(base),
        overlap=outcomes.overlap,
    )


def _steps_differences(
    outcomes: Outcomes, pairs: Mapping[str, str], steps_to: Mapping[str, float]
) -> dict[str, dict[str, Any]]:
    """Return the difference in steps to each threshold; a threshold's tests are one family."""
    documents: dict[str, dict[str, Any]] = {name: {} for name in pairs}
    for metric in steps_to:
        horizons = {
            name: float(min(outcomes.longest(name), outcomes.longest(base)))
            for name, base in pairs.items()
        }
        tests = [
            steps_difference(
                outcomes.steps_to(name, metric),
                outcomes.steps_to(base, metric),
                horizon=horizons[name],
            )
            for name, base in pairs.items()
        ]
        for name, test, p in zip(pairs, tests, holm([test.p for test in tests]), strict=True):
            verdict = "undecided"
            if p <= ALPHA and test.mean:
                verdict = "better" if test.mean < 0 else "worse"
            documents[name][metric] = {
                "difference": test.mean,
                "low": test.low,
                "high": test.high,
                "p": float(p),
                "p_raw": test.p,
                "n": test.n,
                "horizon": horizons[name],
                "test": test.test,
                "verdict": verdict,
            }
    return documents

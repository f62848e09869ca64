"""summary.json: what an ablation found, for the report, the command line and TensorBoard."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dlx.ablation import wording
from dlx.ablation.comparisons import Judged, baselines_of, compare, over_data_sets
from dlx.ablation.factors import DATA, Factor, factors_of, filled
from dlx.ablation.grid import curves_by_factor, effects
from dlx.ablation.outcomes import Outcomes, is_share
from dlx.ablation.results import RunResult, Variant
from dlx.ablation.statistics.intervals import (
    mean_interval,
    median_interval,
    present,
    share_interval,
)
from dlx.nn.metrics import is_rising
from dlx.runs.files import finite

SCHEMA = 1


def summarize(
    variants: Sequence[Variant],
    results: Sequence[RunResult],
    *,
    name: str,
    metric: str,
    also: Sequence[str] = (),
    baseline: str,
    varied: Mapping[str, Sequence[Any]],
    seeds: Sequence[int],
    base: Mapping[str, Any] | None = None,
    design: str = "grid",
    folds: int | None = None,
    data: Sequence[str] = (),
    margin: float | None = None,
    success: Mapping[str, float] | None = None,
    steps_to: Mapping[str, float] | None = None,
    tuning: Mapping[str, Any] | None = None,
    show_test: bool = False,
    show: Sequence[str] = (),
    command: str = "",
    confidence: float = 0.95,
) -> dict[str, Any]:
    """Return what an ablation found, as a JSON object.

    Selection and verdicts use the judged metric; test is in it for the chosen variant alone, or for
    all with `show_test`.

    Args:
        variants: in the order of the plan
        results: of the runs, in any order
        name: of the ablation
        metric: judged, `<split>.<tag>` or `success`
        also: metrics that are judged too, each by itself: `<split>.<tag>`
        baseline: name of the variant that others are compared with
        varied: values by dotted key, in the order of the config
        seeds: of the runs, in order
        base: plain value by dotted key of the config that variants depart from, for the keys that a
            variant does not set (one at a time)
        design: of the plan
        folds: of the cross-validation, or None
        data: names of the data sets
        margin: largest difference of the judged metric that does not matter; default, and of those
            that are judged too: 0.005 of a share, else 5 % of the baseline's mean
        success: thresholds by metric of what counts as success, None if nothing does
        steps_to: thresholds by metric
        tuning: what was tuned for each variant, or None
        show_test: show the metrics on test rows of all variants
        show: metrics that stand beside the judged one
        command: that runs the ablation again
        confidence: of the intervals; 1 - confidence is the error rate of all verdicts by a metric

    Returns:
        plain values, with null for what is not a finite number
    """
    thresholds = steps_to or {}
    outcomes = Outcomes.of(variants, results, seeds=seeds, folds=folds)
    judged = _judged(metric, margin, confidence)
    whole, values = filled(variants, varied, base or {})
    factors = factors_of(values)
    pairs = baselines_of(whole, baseline)
    shown, made = compare(outcomes, pairs, judged, thresholds)
    per_data, overall = over_data_sets(whole, factors, shown, made, judged, outcomes.unit)
    reference = next(each for each in whole if each.name == baseline)
    tags = _tags(results)
    documents = [
        _variant(each, outcomes, tags, judged, thresholds, show_test=show_test)
        | {"vs_baseline": shown.get(each.name)}
        for each in variants
    ]
    chosen = _chosen(documents, outcomes, tags, judged, has_data_sets=per_data is not None)
    return finite(
        {
            "schema": SCHEMA,
            "name": name,
            "question": wording.question(factors, metric, success or {}),
            "metric": metric,
            "rising": judged.rising,
            "baseline": baseline,
            "also": {each: _also(outcomes, pairs, baseline, each, confidence) for each in also},
            "margin": judged.margin_beside(outcomes.values(baseline, metric)),
            "confidence": confidence,
            "design": design,
            "seeds": list(seeds),
            "folds": folds,
            "data": list(data),
            "success": dict(success) if success else None,
            "show": list(show),
            "paired_by": outcomes.unit,
            "tests": _tests(outcomes, metric, has_steps=bool(thresholds), has_more=bool(also)),
            "factors": [_factor(each) for each in factors],
            "variants": documents,
            "chosen": chosen,
            "effects": effects(
                outcomes,
                whole,
                factors,
                reference,
                metric=metric,
                confidence=confidence,
            )
            if design == "grid"
            else None,
            "curves_by_factor": curves_by_factor(
                outcomes,
                whole,
                factors,
                reference,
                metric=metric,
                design=design,
                confidence=confidence,
            ),
            "per_data": per_data,
            "overall": overall,
            "warnings": wording.warnings(
                documents,
                metric=metric,
                num_seeds=len(seeds),
                folds=folds,
                data=[str(each.settings.get(DATA, "")) for each in whole],
            ),
            "tuning": tuning,
            "failures": _failures(outcomes),
            "command": command,
        }
    )


def _judged(metric: str, margin: float | None, confidence: float) -> Judged:
    tag = metric.partition(".")[2] or metric
    rising = metric == "success" or is_rising(tag)
    return Judged(metric, rising, is_share(tag), margin, confidence)


def _also(
    outcomes: Outcomes, pairs: Mapping[str, str], baseline: str, metric: str, confidence: float
) -> dict[str, Any]:
    """Return the verdicts by another metric: a family of their own."""
    judged = _judged(metric, None, confidence)
    shown, _ = compare(outcomes, pairs, judged, {})
    return {
        "rising": judged.rising,
        "margin": judged.margin_beside(outcomes.values(baseline, metric)),
        "variants": {
            name: {"n": len(present(outcomes.values(name, metric))), "vs_baseline": shown.get(name)}
            for name in outcomes.runs
        },
    }


def _tests(outcomes: Outcomes, metric: str, *, has_steps: bool, has_more: bool) -> dict[str, str]:
    is_binary = metric == "success" and not outcomes.folds
    paired = "paired t, corrected for folds" if outcomes.folds else "paired t"
    found = {
        "mean": "t interval" + (", corrected for folds" if outcomes.folds else ""),
        "success": "Wilson interval",
        "difference": "McNemar exact" if is_binary else paired,
        "equivalence": "two one-sided "
        + ("Newcombe intervals of paired shares" if is_binary else paired),
        "failures": "Fisher exact",
        "steps_to": "signed rank, exact",
        "correction": "Holm" + (", for each metric by itself" if has_more else ""),
    }
    if not has_steps:
        del found["steps_to"]
    # Of outcomes, a divergence is a failure to succeed already.
    if metric == "success" or not any(outcomes.diverged(name)[0] for name in outcomes.runs):
        del found["failures"]
    if not any(run.success is not None for each in outcomes.runs for run in outcomes.there(each)):
        del found["success"]
    return found


def _factor(factor: Factor) -> dict[str, Any]:
    return {
        "key": factor.key,
        "label": factor.label,
        "values": list(factor.values),
        "numeric": factor.is_numeric,
    }


def _tags(results: Sequence[RunResult]) -> dict[str, list[str]]:
    """Return the metrics that any run has, by split."""
    found: dict[str, dict[str, None]] = {}
    for run in results:
        for split, metrics in run.metrics.items():
            found.setdefault(split, {}).update(dict.fromkeys(metrics))
    return {split: list(tags) for split, tags in found.items()}


def _variant(
    variant: Variant,
    outcomes: Outcomes,
    tags: Mapping[str, Sequence[str]],
    judged: Judged,
    steps_to: Mapping[str, float],
    *,
    show_test: bool,
) -> dict[str, Any]:
    runs = outcomes.there(variant.name)
    scored = [run for run in runs if run.is_scored]
    shown = {split: own for split, own in tags.items() if split != "test" or show_test}
    seconds, steps = sum(run.seconds for run in runs), sum(run.steps for run in runs)
    outcome = present(outcomes.values(variant.name, "success"))
    rate = share_interval(int(outcome.sum()), len(outcome), confidence=judged.confidence)
    return {
        "name": variant.name,
        "settings": dict(variant.settings),
        "n": len(present(outcomes.values(variant.name, judged.metric))),
        "runs": len(runs),
        "diverged": sum(run.status == "diverged" for run in runs),
        "failed": sum(run.status == "failed" for run in runs),
        "stopped_early": sum(run.status == "stopped_early" for run in runs),
        "parameters": max((run.parameters for run in scored or runs), default=0),
        "steps": _mean([run.steps for run in scored]),
        "examples": _mean([run.examples for run in scored]),
        "pretraining_steps": _mean([run.pretraining_steps for run in scored]),
        "pretraining_examples": _mean([run.pretraining_examples for run in scored]),
        "seconds": seconds,
        "seconds_per_step": seconds / steps if steps else None,
        "metrics": _metrics_of(outcomes, variant.name, shown, judged.confidence),
        "success": {
            "count": int(outcome.sum()),
            "n": rate.n,
            "rate": rate.mean,
            "low": rate.low,
            "high": rate.high,
        }
        if any(run.success is not None for run in runs)
        else None,
        "steps_to": {
            metric: _arrival(outcomes.steps_to(variant.name, metric), threshold, judged)
            for metric, threshold in steps_to.items()
        },
    }


def _mean(counts: Sequence[int]) -> int | None:
    return round(sum(counts) / len(counts)) if counts else None


def _metrics_of(
    outcomes: Outcomes, variant: str, tags: Mapping[str, Sequence[str]], confidence: float
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for split, own in tags.items():
        for tag in own:
            values = outcomes.values(variant, f"{split}.{tag}")
            mean = mean_interval(
                outcomes.units(values), confidence=confidence, overlap=outcomes.overlap
            )
            if is_share(tag):
                mean = mean.within(0, 1)
            found.setdefault(split, {})[tag] = {
                "mean": mean.mean,
                "low": mean.low,
                "high": mean.high,
                "n": mean.n,
                "values": values.tolist(),
            }
    return found


def _arrival(steps: np.ndarray, threshold: float, judged: Judged) -> dict[str, Any]:
    """Return the steps to a threshold; where the median is never, or may be, it is null."""
    held = present(steps)
    median = median_interval(held, confidence=judged.confidence)
    return {
        "threshold": threshold,
        "reached": int(np.isfinite(held).sum()),
        "n": len(held),
        "median": median.mean,
        "low": median.low,
        "high": median.high,
        "values": [int(each) if np.isfinite(each) else None for each in steps],
    }


def _chosen(
    documents: Sequence[Mapping[str, Any]],
    outcomes: Outcomes,
    tags: Mapping[str, Sequence[str]],
    judged: Judged,
    *,
    has_data_sets: bool,
) -> dict[str, Any] | None:
    """Return the variant with the best mean, of those of which at least half of the runs ended.

    With its metrics on test rows. What is surely worse than its baseline is not chosen for the mean
    of its survivors. Over several data sets there is none: another one may be best on each.
    """
    if has_data_sets:
        return None
    split, _, tag = judged.metric.partition(".")

    def value(document: Mapping[str, Any]) -> float:
        if judged.metric == "success":
            return document["success"]["rate"] if document["success"] else np.nan
        return document["metrics"].get(split, {}).get(tag, {}).get("mean", np.nan)

    def is_eligible(document: Mapping[str, Any]) -> bool:
        verdict = (document["vs_baseline"] or {}).get("verdict")
        return 2 * document["n"] >= document["runs"] and verdict != "worse"

    held = [each for each in documents if not np.isnan(value(each))]
    candidates = [each for each in held if is_eligible(each)] or held
    if not candidates:
        return None
    best = max(candidates, key=lambda each: value(each) * (1 if judged.rising else -1))["name"]
    test = _metrics_of(outcomes, best, {"test": tags.get("test", [])}, judged.confidence)
    return {"name": best, "test": test.get("test", {})}


def _failures(outcomes: Outcomes) -> list[dict[str, Any]]:
    return [
        {
            "variant": run.variant,
            "seed": run.seed,
            "fold": run.fold,
            "status": run.status,
            "step": run.steps,
            "reason": run.reason,
        }
        for name in outcomes.runs
        for run in outcomes.there(name)
        if not run.is_scored
    ]

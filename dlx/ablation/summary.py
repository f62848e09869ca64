"""summary.json: an ablation's results and verdicts, which report and command line show."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from dlx.ablation import vary, wording
from dlx.ablation.comparisons import (
    OPEN,
    Compared,
    Judged,
    baselines_of,
    best_group,
    compare,
    margin_of,
    other_pairs,
)
from dlx.ablation.factors import DATA, factors_of, filled, values_of
from dlx.ablation.grid import curves_by_factor, effects
from dlx.ablation.outcomes import Outcomes
from dlx.ablation.plan import Left, Plan, planned_seeds
from dlx.ablation.results import RunResult, Variant
from dlx.ablation.rules import RULES
from dlx.ablation.statistics.failures import FAILURES
from dlx.ablation.statistics.intervals import CONFIDENCE, median_interval, present
from dlx.ablation.statistics.sequential import Schedule
from dlx.ablation.variants import value_at
from dlx.config.dump import to_plain
from dlx.nn.metrics import best_of, is_rising, scale_of
from dlx.runs.files import finite

SCHEMA = 1
LOOKS = "alpha spending, Slud and Wei"


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
    comparisons: str = "baseline",
    margin: float | None = None,
    success: Mapping[str, float] | None = None,
    steps_to: Mapping[str, float] | None = None,
    tuning: Mapping[str, Any] | None = None,
    show_test: bool = False,
    show: Sequence[str] = (),
    planned: int | None = None,
    command: str = "",
    question: str | None = None,
    schedule: Schedule | None = None,
    left: Mapping[str, Left] | None = None,
) -> dict[str, Any]:
    """Return the summary of an ablation, a JSON object.

    Metrics on test rows are in it for the chosen variant alone, or for all with `show_test`. They
    are part of no verdict and no choice.

    Args:
        variants: in the order of the plan
        results: of the runs, in any order
        metric: that is judged, `<split>.<tag>` or `success`
        also: further judged metrics, each by itself: `<split>.<tag>`
        varied: values by dotted key, in the order of the config
        base: plain values of the base config by dotted key, for keys that a variant does not set
        comparisons: `baseline`, or `all` for all pairs of variants too
        margin: largest difference of the judged metric that does not matter, see `Judged`
        success: thresholds by metric that a successful run reaches; None: success is not counted
        steps_to: thresholds by metric
        tuning: by variant, what was chosen and tried; None without tuning
        show: metrics that tables show beside the judged one
        planned: number of seeds of which these are the first, as after a pilot
        question: in the user's words; None: made of what varies
        schedule: where seeds are added until a verdict
        left: by variant, when it got no more of them
    """
    thresholds = steps_to or {}
    outcomes = Outcomes.of(variants, results, seeds=seeds, folds=folds, success=success)
    judged = _judged(metric, margin)
    metrics = [judged, *(_judged(other, None) for other in also)]
    complete, values = filled(variants, varied, base or {})
    factors = factors_of(values)
    pairs = baselines_of(complete, baseline)
    others = other_pairs(complete, pairs) if comparisons == "all" else []
    compared = compare(outcomes, complete, factors, pairs, metrics, thresholds, others, schedule)
    growing = _sequential(compared, schedule, left or {}, len(seeds)) if schedule else None
    reference = next(variant for variant in complete if variant.name == baseline)
    tags = _tags(results)
    same_rows = all(outcomes.have_same_rows(name, other, metric) for name, other in pairs.items())
    is_one_question = compared.per_data is None and same_rows
    documents = [
        _variant(variant, outcomes, tags, judged, thresholds, show_test=show_test)
        | {"vs_baseline": compared.by_metric[metric].get(variant.name)}
        for variant in variants
    ]
    return finite(
        {
            "schema": SCHEMA,
            "rules": RULES,
            "name": name,
            "question": question or wording.question(factors, metric, success or {}),
            "metric": metric,
            "rising": judged.rising,
            "baseline": baseline,
            "also": {
                other.metric: _also(outcomes, compared, baseline, other) for other in metrics[1:]
            },
            "margin": margin_of(outcomes, baseline, judged),
            "confidence": CONFIDENCE,
            "design": design,
            "seeds": list(seeds),
            "folds": folds,
            "data": list(data),
            "success": dict(success) if success else None,
            "show": list(show),
            "paired_by": outcomes.unit,
            "tests": _tests(outcomes, metric, has_steps=bool(thresholds))
            | ({"looks": LOOKS} if schedule else {}),
            "sequential": growing,
            "factors": [
                {
                    "key": factor.key,
                    "label": factor.label,
                    "values": list(factor.values),
                    "numeric": factor.is_numeric,
                }
                for factor in factors
            ],
            "variants": documents,
            # Over several data sets there is no best variant: another one may be best on each.
            # And on other rows the best mean may be that of the easier ones.
            "chosen": _chosen(documents, outcomes, tags, judged) if is_one_question else None,
            "comparisons": comparisons,
            "pairs": compared.pairs,
            "best_group": best_group(compared, metric, list(outcomes.runs))
            if comparisons == "all" and is_one_question
            else None,
            "effects": effects(outcomes, complete, factors, reference, metric=metric)
            if design == "grid" and same_rows
            else None,
            "curves_by_factor": curves_by_factor(
                outcomes, complete, factors, reference, design=design, metric=metric
            ),
            "per_data": compared.per_data,
            "overall": compared.overall,
            "warnings": wording.warnings(
                documents,
                metric=metric,
                num_seeds=len(seeds),
                folds=folds,
                data=[str(variant.settings.get(DATA, "")) for variant in complete],
            )
            + wording.of_these_rows(
                [own.metric for own in metrics if outcomes.is_of_these_rows(baseline, own.metric)]
            )
            + wording.at_the_edge(tuning or {})
            + wording.pilot(len(seeds), planned or len(seeds))
            + (wording.unfinished(growing) if growing else []),
            "tuning": tuning,
            "failures": _failures(outcomes),
            "command": command,
        }
    )


def of_plan(plan: Plan, results: Sequence[RunResult], **changes: Any) -> dict[str, Any]:
    """Return the summary of a plan's results, see `summarize`; `changes` replace its options."""
    section = plan.section
    options = {
        "name": plan.config.name,
        "metric": plan.metric,
        "also": section.also,
        "baseline": plan.baseline,
        "varied": _varied(plan),
        "seeds": plan.seeds,
        "base": base_values(plan),
        "design": section.design,
        "folds": section.folds,
        "data": list(dict.fromkeys(variant.config.data.name for variant in plan.variants)),
        "comparisons": section.comparisons,
        "margin": section.margin,
        "success": section.success,
        "steps_to": section.steps_to,
        "show_test": section.show_test,
        "show": section.show,
        "planned": len(plan.seeds if plan.looks else planned_seeds(section)),
        "question": section.question,
        "schedule": plan.schedule,
        "left": plan.left,
    }
    return summarize(plan.variants, results, **options | changes)


def base_values(plan: Plan) -> dict[str, Any]:
    """Return the base config's values of the keys that vary."""
    plain = to_plain(plan.config)
    return {key: value_at(key, {}, plain) for key in _varied(plan)}


def _varied(plan: Plan) -> dict[str, list[Any]]:
    varied = plan.section.vary
    if isinstance(varied, Mapping):
        return {key: vary.expand(key, values) for key, values in varied.items()}
    return values_of(plan.variants)


def _sequential(
    compared: Compared, schedule: Schedule, left: Mapping[str, Left], seeds: int
) -> dict[str, Any]:
    """Return how an ablation grew: when variants left and why, and the evidence at every look."""
    return {
        "until": schedule.half_width or "decided",
        "max": schedule.looks[-1],
        "looks": list(schedule.looks),
        "confidence": {str(look): schedule.confidence(look) for look in schedule.looks},
        "variants": {
            name: asdict(left[name]) if name in left else {"seeds": seeds, "why": OPEN}
            for name in compared.standing
        },
        "standing": dict(compared.standing),
        "growth": dict(compared.growth),
    }


def _judged(metric: str, margin: float | None) -> Judged:
    tag = metric.partition(".")[2] or metric
    rising = metric == "success" or is_rising(tag)
    return Judged(metric, rising, scale_of(tag), margin, best_of(tag))


def _also(outcomes: Outcomes, compared: Compared, baseline: str, judged: Judged) -> dict[str, Any]:
    """Return the verdicts by a further metric."""
    return {
        "rising": judged.rising,
        "margin": margin_of(outcomes, baseline, judged),
        "variants": {
            name: {
                "n": len(present(outcomes.values(name, judged.metric))),
                "vs_baseline": compared.by_metric[judged.metric].get(name),
            }
            for name in outcomes.runs
        },
    }


def _tests(outcomes: Outcomes, metric: str, *, has_steps: bool) -> dict[str, str]:
    is_binary = metric == "success" and not outcomes.folds
    over = ", corrected for folds" if outcomes.folds else ""
    names = outcomes.runs
    if any(metric in run.judgements for name in names for run in outcomes.ended(name)) or any(
        outcomes.redrawn(name, metric) for name in names
    ):
        over = ", over seeds and rows"
    paired = f"paired t{over}"
    tests = {
        "mean": f"t interval{over}",
        "success": "Wilson interval",
        "difference": f"McNemar mid-p{f' and {paired}' if over else ''}" if is_binary else paired,
        "equivalence": "two one-sided "
        + ("Newcombe intervals of paired shares" if is_binary else paired),
        "failures": FAILURES,
        "steps_to": "signed rank, exact",
        "correction": "Holm, over all verdicts",
    }
    if not has_steps:
        del tests["steps_to"]
    # Success counts divergence itself.
    if metric == "success" or not any(outcomes.diverged(name)[0] for name in outcomes.runs):
        del tests["failures"]
    if all(run.success is None for name in outcomes.runs for run in outcomes.ended(name)):
        del tests["success"]
    return tests


def _tags(results: Sequence[RunResult]) -> dict[str, list[str]]:
    by_split: dict[str, dict[str, None]] = {}
    for run in results:
        for split, metrics in run.metrics.items():
            by_split.setdefault(split, {}).update(dict.fromkeys(metrics))
    return {split: list(tags) for split, tags in by_split.items()}


def _variant(
    variant: Variant,
    outcomes: Outcomes,
    tags: Mapping[str, Sequence[str]],
    judged: Judged,
    steps_to: Mapping[str, float],
    *,
    show_test: bool,
) -> dict[str, Any]:
    runs = outcomes.ended(variant.name)
    scored = [run for run in runs if run.is_scored]
    statuses = Counter(run.status for run in runs)
    shown = {split: names for split, names in tags.items() if split != "test" or show_test}
    seconds, steps = sum(run.seconds for run in runs), sum(run.steps for run in runs)
    rate = outcomes.rate([variant.name])
    return {
        "name": variant.name,
        "settings": dict(variant.settings),
        "n": len(present(outcomes.values(variant.name, judged.metric))),
        "rows": outcomes.rows(variant.name, judged.metric),
        "runs": len(runs),
        "numbers": [run.number for run in runs if run.number],
        "diverged": statuses["diverged"],
        "failed": statuses["failed"],
        "stopped_early": statuses["stopped_early"],
        "parameters": max((run.parameters for run in scored or runs), default=0),
        "steps": _mean([run.steps for run in scored]),
        "examples": _mean([run.examples for run in scored]),
        "pretraining_steps": _mean([run.pretraining_steps for run in scored]),
        "pretraining_examples": _mean([run.pretraining_examples for run in scored]),
        "seconds": seconds,
        "seconds_per_step": seconds / steps if steps else None,
        "metrics": _metrics_of(outcomes, variant.name, shown),
        "success": {
            "count": int(np.nansum(outcomes.values(variant.name, "success"))),
            "n": rate.n,
            "rate": rate.mean,
            "low": rate.low,
            "high": rate.high,
        }
        if any(run.success is not None for run in runs)
        else None,
        "steps_to": {
            metric: _steps_to(outcomes.steps_to(variant.name, metric), threshold)
            for metric, threshold in steps_to.items()
        },
    }


def _mean(counts: Sequence[int]) -> int | None:
    return round(sum(counts) / len(counts)) if counts else None


def _metrics_of(
    outcomes: Outcomes, variant: str, tags: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    metrics: dict[str, Any] = {}
    for split, names in tags.items():
        for tag in names:
            values = outcomes.values(variant, f"{split}.{tag}")
            spread = outcomes.spread(values, variant, f"{split}.{tag}")
            mean = outcomes.interval(outcomes.units(values), tag, spread)
            metrics.setdefault(split, {})[tag] = asdict(mean) | {"values": values.tolist()}
    return metrics


def _steps_to(steps: np.ndarray, threshold: float) -> dict[str, Any]:
    """Return the steps to a threshold; an infinite median becomes null when it is written."""
    ended = present(steps)
    median = median_interval(ended)
    return {
        "threshold": threshold,
        "reached": int(np.isfinite(ended).sum()),
        "n": len(ended),
        "median": median.mean,
        "low": median.low,
        "high": median.high,
        "values": [int(count) if np.isfinite(count) else None for count in steps],
    }


def _chosen(
    documents: Sequence[Mapping[str, Any]],
    outcomes: Outcomes,
    tags: Mapping[str, Sequence[str]],
    judged: Judged,
) -> dict[str, Any] | None:
    """Return the name of the variant with the best mean, and its metrics on test rows.

    At least half of its runs have to have ended well, and its verdict must not be worse: the mean
    of a few survivors says little.
    """
    split, _, tag = judged.metric.partition(".")

    def value(document: Mapping[str, Any]) -> float:
        if judged.metric == "success":
            return document["success"]["rate"] if document["success"] else np.nan
        return document["metrics"].get(split, {}).get(tag, {}).get("mean", np.nan)

    def is_eligible(document: Mapping[str, Any]) -> bool:
        verdict = (document["vs_baseline"] or {}).get("verdict")
        return 2 * document["n"] >= document["runs"] and verdict != "worse"

    valued = [document for document in documents if not np.isnan(value(document))]
    candidates = [document for document in valued if is_eligible(document)] or valued
    if not candidates:
        return None
    sign = 1 if judged.rising else -1
    best = max(candidates, key=lambda document: sign * value(document))["name"]
    test = _metrics_of(outcomes, best, {"test": tags.get("test", [])})
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
        for run in outcomes.ended(name)
        if not run.is_scored
    ]

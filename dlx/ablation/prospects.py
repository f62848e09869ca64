"""What an ablation can decide, said before it is trained."""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import numpy as np

from dlx.ablation.comparisons import HALF_A_POINT, baselines_of, other_pairs
from dlx.ablation.outcomes import overlap_of, success_part
from dlx.ablation.plan import SUCCESS, Plan, PlannedRun
from dlx.ablation.sameness import same_variants
from dlx.ablation.statistics.censored import signed_rank_p
from dlx.ablation.statistics.conclusions import smallest_effect
from dlx.ablation.statistics.paired_shares import mcnemar
from dlx.ablation.statistics.power import found_difference, seeds_to_find
from dlx.ablation.statistics.verdicts import ALPHA, FEWEST_VARYING, fewest_pairs
from dlx.ablation.variances import Variances
from dlx.ablation.variants import distances_from_base
from dlx.nn.metrics import scale_of

FEWEST_ROWS = 6
"""Judged rows: if one variant beats another in all of n rows, p of the sign test is 2 / 2^n."""


def prospects(plan: Plan, variances: Variances | None) -> dict[str, Any]:
    """Return what the plan's seeds can decide, a JSON object.

    Args:
        plan: with its data
        variances: of a pilot or an earlier ablation; None: they are not known
    """
    baseline = next(variant for variant in plan.variants if variant.name == plan.baseline)
    baselines = baselines_of(plan.variants, plan.baseline)
    compared = list(baselines)
    others = other_pairs(plan.variants, baselines) if plan.section.comparisons == "all" else []
    num_pairs = len(compared) + len(others)
    num_means = num_pairs + len(compared) * len(plan.section.also)
    num_tests = num_means + len(compared) * len(plan.section.steps_to)
    fewest = _fewest(plan, num_means, num_tests)
    units, effect, tests_at_last = _units(plan), None, num_tests
    if (schedule := plan.schedule) is not None:  # looks leave the last one a part of the 5 %
        tests_at_last = num_tests * ALPHA / (1 - schedule.confidence(schedule.looks[-1]))
    if compared and units >= fewest:
        overlap = overlap_of(plan.section.folds)
        effect = smallest_effect(num_pairs, tests_at_last, units, overlap=overlap)
    same = same_variants(plan)
    return {
        "metric": plan.metric,
        "seeds": plan.seeds,
        "most_seeds": plan.section.most_seeds,
        "looks": list(plan.looks),
        "folds": plan.section.folds,
        "baseline": plan.baseline,
        "baseline_differs": distances_from_base([baseline], plan.config)[0],
        "comparisons": num_tests,
        "fewest_seeds": fewest,
        "smallest_p": _smallest_p(plan, units, num_tests),
        "smallest_effect": effect,
        "same_variants": same,
        "refusal": _refusal(plan, same, num_tests, fewest) if compared else None,
        "variances": variances and _found(plan, compared, variances, tests_at_last, fewest),
    }


def _smallest_p(plan: Plan, units: int, num_tests: int) -> dict[str, float]:
    """Return the smallest p, adjusted for all comparisons, that exact tests of so many pairs reach.

    By what they test: success, and steps_to. That of a mean difference may become as small as any.
    """
    pairs = max(units, 1)
    smallest = {}
    if plan.metric == SUCCESS and not plan.section.folds:
        smallest["success"] = mcnemar(np.ones(pairs), np.zeros(pairs)).p
    if plan.section.steps_to:
        smallest["steps_to"] = signed_rank_p(np.ones(pairs))
    return {what: min(num_tests * p, 1.0) for what, p in smallest.items()}


def _fewest(plan: Plan, num_means: int, num_tests: int) -> int:
    """Return how many pairs it takes before any test can decide, `num_means` of them of means."""

    def fewest(p_of_equal: Callable[[int], float]) -> int:
        return next(n for n in count(2) if num_tests * p_of_equal(n) <= ALPHA)

    is_binary = plan.metric == SUCCESS and not plan.section.folds
    counts = [min(fewest_pairs(num_means), FEWEST_VARYING)]
    if is_binary:
        counts = [fewest(lambda n: mcnemar(np.ones(n), np.zeros(n)).p)]
    if plan.section.steps_to:
        counts.append(fewest(lambda n: signed_rank_p(np.ones(n))))
    return min(counts)


def _units(plan: Plan) -> int:
    """Return the number of pairs: of seeds, of folds, or of both where seeds draw their own."""
    if plan.section.folds is None:
        return plan.section.most_seeds
    draws = plan.config.data.split_seed == "auto"
    return plan.section.folds * (len(plan.seeds) if draws else 1)


def _refusal(plan: Plan, same: Sequence[Sequence[str]], num_tests: int, fewest: int) -> str | None:
    """Return why the ablation could decide nothing, and the cure; None if it may decide."""
    folds, units = plan.section.folds, _units(plan)
    if any(len(names) == len(plan.variants) for names in same):
        return (
            "ablation.vary: all variants train alike, since their runs do not use what differs; "
            "vary another key"
        )
    if units < fewest:
        key, what = ("ablation.folds", "fold") if folds else ("ablation.seeds", "seed")
        cure = f"ablation.folds={fewest}" if folds else f"--seeds {fewest}"
        return (
            f"{key}: {units} {what}{'s' * (units != 1)} can decide nothing, since {num_tests} "
            f"comparison{'s take' if num_tests > 1 else ' takes'} at least {fewest}; use {cure} "
            "or more"
        )
    part, rows = _judged_rows(plan)
    if rows is not None and rows < FEWEST_ROWS:
        return (
            f"data.split: {part} has {rows} row{'s' * (rows != 1)}, and fewer than {FEWEST_ROWS} "
            f"show nothing of other rows, even if a variant is better on all of them; give {part} "
            "more rows, or use ablation.folds"
        )
    return None


def _judged_rows(plan: Plan) -> tuple[str, int | None]:
    """Return the judged part, and the most rows that any variant is judged on, over all folds.

    None for training rows, and for data whose parts are all the same rows: these are all there are.
    """
    part = plan.metric.partition(".")[0]
    if plan.metric == SUCCESS:
        part = success_part(plan.section.success)
    most = 0
    for arm in plan.arms(plan.phases[0]):
        jobs = [plan.job(PlannedRun(arm, plan.seeds[0], fold)) for fold in plan.folds]
        if part == "train" or jobs[0].splits.shared:
            return part, None
        most = max(most, sum(len(job.splits.part(part)) for job in jobs))
    return part, most


def _found(
    plan: Plan, compared: Sequence[str], variances: Variances, num_tests: float, fewest: int
) -> dict[str, Any]:
    """Return the difference that is found of each variant, and the seeds that others take."""
    n = plan.section.most_seeds
    targets = {"margin": plan.section.margin or variances.margin}
    if scale_of(plan.metric.partition(".")[2]) == "share":
        targets["half_a_point"] = HALF_A_POINT
    found: dict[str, Any] = {}
    for name in compared:
        shown = variances.of(name)
        enough = {
            target: seeds_to_find(difference, shown, num_tests, fewest)
            for target, difference in targets.items()
            if difference
        }
        found[name] = {
            "deviation": shown.spread.variance**0.5,
            "found": found_difference(shown, n, num_tests) if n >= fewest else None,
            "enough_seeds": enough,
        }
    return {
        "ablation": variances.path and str(variances.path),
        "seeds": variances.seeds,
        "margin": targets["margin"],
        "variants": found,
    }

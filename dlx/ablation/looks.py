"""A look at an ablation that grows: who has what it needs, and the runs of the next batch."""

from collections.abc import Sequence

from dlx.ablation.comparisons import OPEN, baselines_of
from dlx.ablation.plan import Left, Plan, PlannedRun
from dlx.ablation.results import RunResult
from dlx.ablation.summary import of_plan


def has_ended(plan: Plan) -> bool:
    """Say whether no variant gets more seeds."""
    return set(baselines_of(plan.variants, plan.baseline)) <= set(plan.left)


def next_runs(plan: Plan, results: Sequence[RunResult]) -> list[PlannedRun]:
    """Let the variants leave that need no more seeds, and plan the runs of the others.

    It is a function of the plan and of the results, so that it is the same whenever it is asked.
    A baseline stays as long as any variant is compared with it.

    Args:
        plan: whose `left` and `seeds` grow
        results: of all its runs so far, with what they make of each row

    Returns:
        the runs that are new; none if all have left
    """
    had = len(plan.seeds)
    standing = of_plan(plan, results)["sequential"]["standing"]
    for name, why in standing.items():
        if why != OPEN:
            plan.left.setdefault(name, Left(had, why))
    baselines = baselines_of(plan.variants, plan.baseline)
    still = {name for name in baselines if name not in plan.left}
    if not still:
        return []
    needed = still | {baselines[name] for name in still}
    for variant in plan.variants:
        if variant.name not in needed:
            plan.left.setdefault(variant.name, Left(had, "no variant is compared with it any more"))
    old = {run.path for run in plan.runs("comparison")}
    plan.seeds = list(range(next(look for look in plan.looks if look > had)))
    return [run for run in plan.runs("comparison") if run.path not in old]

"""What an ablation would train: variants, cohorts, and how long each would take."""

from typing import Any

from dlx.ablation.estimate import BEGINNING, RANGE, seconds_of, seconds_per_step
from dlx.ablation.plan import Plan, PlannedCohort, runs_by_path
from dlx.training.job import Job


def preview(plan: Plan) -> dict[str, Any]:
    """Build every cohort, and say what it is and how long it will take; nothing is trained.

    A comparison whose settings are still to be tuned is reckoned from the tuning runs.
    """
    planned = runs_by_path(plan)
    cohorts = [_cohort(plan, cohort) for cohort in plan.cohorts]
    compared = len(plan.variants) * len(plan.seeds) * len(plan.folds)
    tuned = len(plan.runs("tuning")) if plan.section.tune else 0
    seconds = sum(cohort["seconds"] for cohort in cohorts)
    if tuned and not plan.chosen:
        seconds *= 1 + compared / tuned
    seconds += BEGINNING
    first = {run.arm.variant: path for path, run in reversed(planned.items())}
    return {
        "name": plan.config.name,
        "metric": plan.metric,
        "baseline": plan.baseline,
        "design": plan.section.design,
        "variants": [
            {
                "name": variant.name,
                "settings": dict(variant.settings),
                "parameters": _parameters(plan, first[variant.name]),
            }
            for variant in plan.variants
        ],
        "seeds": plan.seeds,
        "folds": plan.section.folds,
        "runs": compared,
        "tuning": {"runs": tuned, "seeds": plan.tuning_seeds} if tuned else None,
        "cohorts": cohorts,
        "bytes": max(cohort["bytes"] for cohort in cohorts),
        "seconds": seconds,
        "range": [seconds / RANGE, seconds * RANGE],
    }


def _parameters(plan: Plan, path: str) -> int:
    trainer = Job.trainer([plan.job(runs_by_path(plan)[path])], is_new=False)
    return trainer.cohort.network.num_parameters(0)


def _cohort(plan: Plan, cohort: PlannedCohort) -> dict[str, Any]:
    planned = runs_by_path(plan)
    jobs = [plan.job(planned[path]) for path in cohort.runs]
    Job.trainer(jobs, is_new=True)  # what cannot be built is said now
    runs, size = len(jobs), cohort.size
    lengths = [job.member.num_steps for job in jobs]
    longest = jobs[lengths.index(max(lengths))]
    return {
        "number": cohort.number,
        "phase": cohort.phase,
        "shape": cohort.shape,
        "runs": runs,
        "steps": max(lengths),
        "bytes": runs * size.total + size.evaluation,
        "seconds_per_step": seconds_per_step(longest, size, runs),
        # A run leaves when it has made its steps.
        "seconds": sum(seconds_of(job, size, runs) for job in jobs) / runs,
    }

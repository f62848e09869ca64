"""What an ablation would train: variants, cohorts, and how long each would take."""

import time
from typing import Any

from dlx.ablation.plan import Plan, PlannedCohort, runs_by_path
from dlx.cohort import Member
from dlx.tracking.evaluations import Evaluation
from dlx.training.job import Job
from dlx.training.records import Outcome
from dlx.training.trainer import Trainer

_TIMED_STEPS = 5


def preview(plan: Plan) -> dict[str, Any]:
    """Build every cohort, train it a few steps on its first batches, and say what was found.

    Returns:
        name, metric, baseline, design, variants (name, settings, parameters), seeds, folds, runs,
        tuning (runs; None without), cohorts (number, phase, shape, runs, steps, bytes,
        seconds_per_step, seconds), bytes of the largest one, seconds of all; those of a comparison
        whose settings are still to be tuned are reckoned from the tuning runs
    """
    known = runs_by_path(plan)
    cohorts = [_cohort(plan, cohort) for cohort in plan.cohorts]
    compared = len(plan.variants) * len(plan.seeds) * len(plan.folds)
    tuned = len(plan.runs("tuning")) if plan.section.tune else 0
    seconds = sum(each["seconds"] for each in cohorts)
    if tuned and not plan.chosen:
        seconds *= 1 + compared / tuned
    first = {run.arm.variant: path for path, run in reversed(known.items())}
    return {
        "name": plan.config.name,
        "metric": plan.metric,
        "baseline": plan.baseline,
        "design": plan.section.design,
        "variants": [
            {
                "name": each.variant.name,
                "settings": dict(each.variant.settings),
                "parameters": _parameters(plan, first[each.variant.name]),
            }
            for each in plan.variants
        ],
        "seeds": plan.seeds,
        "folds": plan.section.folds,
        "runs": compared,
        "tuning": {"runs": tuned, "seeds": plan.tuning_seeds} if tuned else None,
        "cohorts": cohorts,
        "bytes": max(each["bytes"] for each in cohorts),
        "seconds": seconds,
    }


def _parameters(plan: Plan, path: str) -> int:
    trainer = Job.trainer([plan.job(runs_by_path(plan)[path])], is_new=False)
    return trainer.cohort.network.num_parameters(0)


def _cohort(plan: Plan, cohort: PlannedCohort) -> dict[str, Any]:
    known = runs_by_path(plan)
    jobs = [plan.job(known[path]) for path in cohort.runs]
    trainer = Job.trainer(jobs, is_new=True)
    members = trainer.members
    seconds = _seconds_per_step(trainer)
    steps = max(member.num_steps for member in members)
    return {
        "number": cohort.number,
        "phase": cohort.phase,
        "shape": cohort.shape,
        "runs": len(cohort.runs),
        "steps": steps,
        "bytes": len(cohort.runs) * cohort.size.total + cohort.size.evaluation,
        "seconds_per_step": seconds,
        "seconds": _total(members, seconds),
    }


def _total(members: tuple[Member, ...], seconds: float) -> float:
    """Return the seconds of a cohort whose runs leave when they have made their steps."""
    return seconds * sum(member.num_steps for member in members) / len(members)


def _seconds_per_step(trainer: Trainer) -> float:
    """Return what a step takes, the evaluations in their shares."""
    member = trainer.members[0]
    if member.num_steps == 0:
        return 0.0
    listener = _Deaf()
    began = time.perf_counter()
    trainer.fit(listener, stop=lambda: True)  # the evaluation before the first step
    evaluation = (time.perf_counter() - began) / member.evaluate_every
    listener.left = 1 + _TIMED_STEPS
    trainer.fit(listener, stop=lambda: listener.left <= 0)
    return evaluation + (time.perf_counter() - listener.warm) / _TIMED_STEPS


class _Deaf:
    """Counts steps, and notes when the first was over."""

    def __init__(self) -> None:
        self.left = 0
        self.warm = 0.0

    def evaluated(self, trainer: Trainer, evaluation: Evaluation) -> None:
        """Nothing is noted."""

    def advanced(self, trainer: Trainer) -> None:
        """Count a step."""
        self.left -= 1
        if self.left == _TIMED_STEPS:
            self.warm = time.perf_counter()

    def ended(self, trainer: Trainer, outcomes: dict[int, Outcome]) -> None:
        """Nothing is written."""

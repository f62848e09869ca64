"""What an ablation would train, and how long: a model of shapes and steps, measured constants.

# K runs, B batch

A step of K runs on a CPU takes

    START + LAYER layers + K (RUN_LAYER layers + BYTE bytes + flops / RATE)

seconds by torch's engine: it calls a fixed number of operations a layer, whatever K is; they read
and write the bytes that a step works on (`dlx.ablation.sizes`), and the products do their
arithmetic. The native engine calls nothing; it takes NATIVE_LAYER a layer of a run and the time of
bytes and products, on one core; the runs share two, and so do the steps of a large run alone. The
constants are those of two cores of an AMD EPYC with AVX-512; `benchmarks/estimate.py` compares them
with measurements. Other machines, and other programs on this one, change them by a factor of about
two, which is the range that is stated.
"""

from typing import Any

from dlx.ablation.plan import Plan, PlannedCohort, runs_by_path
from dlx.ablation.prospects import prospects
from dlx.ablation.sizes import Size
from dlx.ablation.variances import Variances
from dlx.engine.native import WORTH_SHARING
from dlx.training.evaluation import CHUNK
from dlx.training.job import Job
from dlx.training.rehearsal import rehearse
from dlx.training.trainer import EVALUATED_TRAIN_ROWS

START, LAYER = 2.5e-4, 2e-5  # seconds of a step
RUN_LAYER = 4e-7  # seconds of a layer of a run
BYTE = 9e-11  # seconds of a byte that a step works on
RATE = 1.6e11  # floating-point operations a second, of two cores
NATIVE_LAYER = 2e-7  # seconds of a layer of a run's step in the native engine, on one core
BEGINNING = 5.0  # seconds: starting, and writing the report
RANGE = 2.0


def seconds_per_step(job: Job, size: Size, runs: int) -> float:
    """Return the seconds that a step of a cohort takes, of K runs like this one."""
    parts = job.design.parts
    forward = sum(part.flops or 0 for part in parts)  # of a row
    # Back through a layer: a product for dW, and one for dX but in the first layer.
    flops = job.batch_size * (3 * forward - job.design.layers[0].input_flops)
    if job.member.engine == "native":
        on_one_core = NATIVE_LAYER * len(parts) + BYTE * size.total + 2 * flops / RATE
        return runs * on_one_core / (2 if runs > 1 or flops / 2 > WORTH_SHARING else 1)
    own = RUN_LAYER * len(parts) + BYTE * size.total + flops / RATE
    return START + LAYER * len(parts) + runs * own


def seconds_per_evaluation(job: Job, size: Size, runs: int) -> float:
    """Return the seconds that an evaluation of such a cohort takes."""
    parts = job.design.parts
    rows = _evaluated_rows(job)
    chunks = max(-(-rows // CHUNK), 1)
    forward = sum(part.flops or 0 for part in parts)
    own = RUN_LAYER * len(parts) * chunks + rows * forward / RATE
    own += BYTE * size.evaluation * chunks
    return chunks * (START + LAYER * len(parts)) + runs * own


def seconds_of(job: Job, size: Size, runs: int) -> float:
    """Return the seconds that such a cohort takes from its start to its end."""
    steps = job.member.num_steps
    evaluations = steps // job.member.evaluate_every + 2  # the first one, and the final metrics
    return steps * seconds_per_step(job, size, runs) + evaluations * seconds_per_evaluation(
        job, size, runs
    )


def _evaluated_rows(job: Job) -> int:
    sizes = {name: len(part) for name, part in job.splits.parts.items()}
    train = min(sizes.pop("train"), EVALUATED_TRAIN_ROWS)
    if job.splits.shared:
        return train
    if job.log_level == "minimal":
        sizes.pop("test", None)
    return train + sum(sizes.values())


def preview(plan: Plan, variances: Variances | None = None) -> dict[str, Any]:
    """Let every cohort begin in memory, and say what it is and how long it will take.

    A comparison whose settings are still to be tuned is reckoned from the tuning runs. Where seeds
    are added, `runs`, `cohorts` and `seconds` are those of the first batch; the range ends with the
    time that it takes if no variant leaves. What the seeds can decide is said too, see `prospects`.
    """
    planned = runs_by_path(plan)
    cohorts = cohorts_of(plan)
    compared = len(plan.variants) * len(plan.seeds) * len(plan.folds)
    tuned = len(plan.runs("tuning")) if plan.section.tune else 0
    most = len(plan.variants) * plan.section.most_seeds * len(plan.folds)
    seconds = sum(cohort["seconds"] for cohort in cohorts)
    if tuned and not plan.chosen:
        seconds *= 1 + compared / tuned
    longest = seconds * (most + tuned) / (compared + tuned) + BEGINNING
    seconds += BEGINNING
    first = {run.arm.variant: path for path, run in reversed(planned.items())}
    return {
        "name": plan.config.name,
        **prospects(plan, variances),
        "design": plan.section.design,
        "variants": [
            {
                "name": variant.name,
                "settings": dict(variant.settings),
                "parameters": _parameters(plan, first[variant.name]),
            }
            for variant in plan.variants
        ],
        "runs": compared,
        "most_runs": most,
        "tuning": {"runs": tuned, "seeds": plan.tuning_seeds} if tuned else None,
        "cohorts": cohorts,
        "bytes": max(cohort["bytes"] for cohort in cohorts),
        "seconds": seconds,
        "range": [seconds / RANGE, longest * RANGE],
    }


def cohorts_of(plan: Plan) -> list[dict[str, Any]]:
    """Return what each cohort of a plan is, its time, and which of its runs diverge at once."""
    return [_cohort(plan, cohort) for cohort in plan.cohorts]


def _parameters(plan: Plan, path: str) -> int:
    trainer = Job.trainer([plan.job(runs_by_path(plan)[path])], is_new=False)
    return trainer.cohort.network.num_parameters(0)


def _cohort(plan: Plan, cohort: PlannedCohort) -> dict[str, Any]:
    planned = runs_by_path(plan)
    jobs = [plan.job(planned[path]) for path in cohort.runs]
    diverging = rehearse(jobs)  # what cannot begin to train is said now
    runs, size = len(jobs), cohort.size
    lengths = [job.member.num_steps for job in jobs]
    longest = jobs[lengths.index(max(lengths))]
    return {
        "number": cohort.number,
        "phase": cohort.phase,
        "shape": cohort.shape,
        "runs": runs,
        "engine": cohort.engine,
        "engine_reason": cohort.by_torch,
        "diverging": diverging,
        "steps": max(lengths),
        "bytes": runs * size.total + size.evaluation,
        "seconds_per_step": seconds_per_step(longest, size, runs),
        # A run leaves when it has made its steps.
        "seconds": sum(seconds_of(job, size, runs) for job in jobs) / runs,
    }

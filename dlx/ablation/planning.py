"""Making a plan: every config is checked with its data, and runs are grouped into cohorts."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from dlx.ablation.plan import SUCCESS, Plan, PlannedCohort, PlannedRun, runs_by_path
from dlx.ablation.sizes import Size, largest_cohort, parts, processes, size_of
from dlx.ablation.variants import (
    MAX_RUNS,
    Resolved,
    expand,
    find_baseline,
    refuse_seed,
    show,
)
from dlx.cohort import Member, group
from dlx.config.schema import RunConfig
from dlx.errors import ConfigError, DataError, RunError, did_you_mean
from dlx.nn.layers.boltzmann import FREE_ENERGY
from dlx.nn.metrics import tag
from dlx.training.job import Job

_FIRST_TUNING_SEED = 1_000_000


def make(config: RunConfig, data_dir: Path, jobs: int | None = None) -> Plan:
    """Return the plan of a config's ablation, its first phase's cohorts included.

    Every distinct config is put together with its data, so that all that cannot be is said before
    anything is trained.

    Args:
        config: with its `ablation` section
        data_dir: where data sets are kept
        jobs: processes that will share the work; default: see `sizes.processes`

    Raises:
        ConfigError: a line for every variant that cannot be
        DataError: data are missing or damaged
    """
    plan = outline(config, data_dir)
    for phase in plan.phases:
        check(plan, plan.runs(phase))
    if not plan.metric:
        names = [tag(each) for each in plan.job(plan.runs("comparison")[0]).member.metrics]
        plan.metric = "dev.accuracy" if "accuracy" in names else "dev.cost"
    _check_metrics(plan)
    plan.jobs = jobs or _default_jobs(plan)
    add_cohorts(plan, plan.phases[0], plan.runs(plan.phases[0]))
    return plan


def outline(config: RunConfig, data_dir: Path) -> Plan:
    """Return the plan of a config's ablation before any cohort is planned; see `make`."""
    variants = expand(config)
    section = config.ablation
    assert section is not None
    seeds = list(range(section.seeds)) if isinstance(section.seeds, int) else section.seeds
    if len(set(seeds)) < len(seeds):
        raise ConfigError(f"ablation.seeds: a seed stands in {seeds} twice; remove one")
    # Far off, so that seeds can be added later.
    first = max(_FIRST_TUNING_SEED, max(seeds) + 1)
    tuning_seeds = list(range(first, first + section.tune_seeds)) if section.tune else []
    _check_tuned(section.tune, variants)
    plan = Plan(
        config,
        variants,
        find_baseline(variants, config),
        section.metric or "",
        seeds,
        tuning_seeds,
        data_dir,
    )
    _check_count(plan)
    return plan


def _check_count(plan: Plan) -> None:
    tries = len(plan.tunings) * len(plan.tuning_seeds)
    number = len(plan.variants) * len(plan.folds) * (len(plan.seeds) + tries)
    if number > MAX_RUNS:
        raise ConfigError(
            f"ablation: {len(plan.variants):,} variants, {len(plan.seeds):,} seeds, "
            f"{len(plan.folds)} folds and {tries} tuning runs of each are {number:,} runs, more "
            f"than {MAX_RUNS:,}; name fewer"
        )


def _check_tuned(tuned: Iterable[str], variants: Sequence[Resolved]) -> None:
    """Check that tuning leaves every variant what makes it one."""
    refuse_seed("ablation.tune.seed", tuned)
    varied = dict.fromkeys(key for each in variants for key in each.variant.settings)
    for key in tuned:
        own = key.removesuffix(".name")
        for other in varied:
            if f"{other.removesuffix('.name')}.".startswith(f"{own}."):
                raise ConfigError(
                    f"ablation.tune.{key}: {other} varies, and tuning would choose it anew for "
                    "every variant; take one of them away"
                )


def check(plan: Plan, runs: Iterable[PlannedRun]) -> None:
    """Put every distinct config of the runs together with its data.

    Raises:
        ConfigError: a line for every variant that cannot be
    """
    problems: dict[str, None] = {}
    for run in runs:
        try:
            plan.job(run)
        except ConfigError as error:
            which = "" if run.arm.choice is None else f" ({show(dict(run.arm.choice))})"
            name = f"variant {run.arm.variant!r}{which}"
            problems |= dict.fromkeys(f"{name}: {line}" for line in str(error).split("\n"))
    if problems:
        raise ConfigError("\n".join(problems))


def _check_metrics(plan: Plan) -> None:
    """Check that every run measures what the section names."""
    section = plan.section
    wanted = {f"ablation.success.{metric}": metric for metric in section.success or {}}
    wanted |= {f"ablation.steps_to.{metric}": metric for metric in section.steps_to}
    if plan.metric == SUCCESS:
        if not section.success:
            raise ConfigError(
                "ablation.metric: success is judged, but ablation.success does not say what "
                "counts as one; add success: {dev.accuracy: 1.0}"
            )
    else:
        wanted["ablation.metric"] = plan.metric
    for place, metric in enumerate(section.also):
        if metric in (plan.metric, *section.also[:place]):
            raise ConfigError(
                f"ablation.also.{place}: received {metric}, by which variants are judged already; "
                "leave it out"
            )
        wanted[f"ablation.also.{place}"] = metric
    wanted |= {f"ablation.show.{place}": metric for place, metric in enumerate(section.show)}
    for key, metric in wanted.items():
        if metric.startswith("test."):
            raise ConfigError(
                f"{key}: received {metric}, but nothing is judged by test rows, or they would be "
                f"dev rows; use dev.{metric.removeprefix('test.')} (show_test shows test metrics)"
            )
        if metric.endswith(f".{FREE_ENERGY}") and not key.startswith("ablation.show."):
            part = metric.partition(".")[0]
            raise ConfigError(
                f"{key}: received {metric}, but free energies of different machines do not "
                f"compare: they lack log Z, of which each has its own; use {part}.cost or "
                f"{part}.squared_error_per_row, how well inputs are reconstructed"
            )
        for run in plan.runs("comparison"):
            job = plan.job(run)
            logged = dict.fromkeys(job.splits.parts, job.member.measured)
            known = logged if key.startswith("ablation.steps_to.") else job.final_metrics
            allowed = [f"{part}.{name}" for part, names in known.items() for name in names]
            if key.startswith("ablation.show."):
                allowed += _gradient_norms(job)
            if metric not in allowed:
                raise ConfigError(
                    f"{key}: received {metric}{did_you_mean(metric, allowed)} (allowed: "
                    f"{', '.join(allowed)}){_cure(metric, job)}"
                )


def _gradient_norms(job: Job) -> list[str]:
    """Return the gradient norms that a run logs: none at level minimal."""
    if job.config.log.level == "minimal":
        return []
    return [f"train.gradient_norm/{part.name}" for part in job.design.parts]


def _cure(metric: str, job: Job) -> str:
    if metric.startswith("dev.") and "dev" not in job.splits.parts:
        return "; give data.split some dev rows"
    if metric.startswith("train.gradient_norm/") and job.config.log.level == "minimal":
        return "; set log.level to standard, which logs gradient norms"
    return ""


def _default_jobs(plan: Plan) -> int:
    """Return the processes that a plan's runs are worth, by their sizes."""
    runs = plan.runs("comparison")
    sizes: dict[str, Size] = {}
    work = 0
    for run in runs:
        job = plan.job(run)
        if run.arm.folder not in sizes:
            sizes[run.arm.folder] = size_of(job)
        work += sizes[run.arm.folder].total * job.member.num_steps
    return processes(work, plan.job(runs[0]).device)


def add_cohorts(plan: Plan, phase: str, runs: Sequence[PlannedRun]) -> None:
    """Group runs into cohorts, and add these to the plan.

    A static rule of sizes: which runs go together depends on their configs alone, never on measured
    times, so that it is the same on every start.

    Args:
        plan: receives the cohorts
        phase: 'tuning' or 'comparison'
        runs: of the phase
    """
    numbers = _numbers(plan, phase, runs)
    ready = [plan.job(run) for run in runs]
    members = [job.member for job in ready]
    shared = [_shared(job) for job in ready]
    together = group(members, shared)
    limits = [largest_cohort(size_of(ready[rows[0]]), ready[rows[0]].device) for rows in together]
    counts = parts([len(rows) for rows in together], limits, plan.jobs)
    for rows, count in zip(together, counts, strict=True):
        for piece in _pieces(rows, count):
            first = ready[piece[0]]
            plan.cohorts.append(
                PlannedCohort(
                    len(plan.cohorts) + 1,
                    phase,
                    tuple(members[row].name for row in piece),
                    tuple(numbers[row] for row in piece),
                    size_of(first),
                    _shape(first.member, first),
                    first.splits.fingerprint,
                )
            )


def _numbers(plan: Plan, phase: str, runs: Sequence[PlannedRun]) -> list[int]:
    """Return the numbers of new runs: those of the first comparison begin at 1."""
    taken = {number for cohort in plan.cohorts for number in cohort.numbers}
    compared = len(plan.variants) * len(plan.seeds) * len(plan.folds)
    start = 1 if phase == "comparison" else compared + 1
    if taken & set(range(start, start + len(runs))):
        start = max(taken) + 1
    return list(range(start, start + len(runs)))


def _shared(job: Job) -> tuple[Any, ...]:
    """Return what runs of a cohort must agree in, beside their networks' shapes."""
    config = job.config
    held_out = [part for name, part in job.splits.parts.items() if name != "train"]
    return (
        *(id(part.inputs) for part in job.splits.parts.values()),
        *(id(part.targets) for part in held_out),
        job.batch_size,
        str(job.device),
        config.train.matmul_precision,
        config.log.level,
    )


def _pieces(rows: Sequence[int], count: int) -> list[Sequence[int]]:
    """Cut rows into so many neighbourhoods of almost equal size."""
    bounds = [len(rows) * place // count for place in range(count + 1)]
    return [rows[a:b] for a, b in pairwise(bounds) if b > a]


def _shape(member: Member, job: Job) -> str:
    widths = [job.splits.task.num_inputs, *(part.outputs for part in member.design.parts)]
    return f"{'-'.join(map(str, widths))}, batch {job.batch_size}, {job.splits.name}"


def read(document: Mapping[str, Any], config: RunConfig, data_dir: Path) -> Plan:
    """Return the plan that plan.json and ablation.yaml hold.

    Raises:
        RunError: plan.json does not fit the config
        DataError: data are missing, or have changed since
    """
    plan = outline(config, data_dir)
    # The document's: a process may have ended after it wrote more seeds to the config, or chose
    # those of tuning when there were fewer.
    plan.seeds = list(document["seeds"])
    plan.tuning_seeds = list((document.get("tuning") or {}).get("seeds") or [])
    plan.metric, plan.jobs = document["metric"], document["jobs"]
    plan.chosen = dict((document.get("tuning") or {}).get("chosen") or {})
    names = [each["name"] for each in document["variants"]]
    if names != [each.variant.name for each in plan.variants]:
        raise RunError("plan.json holds other variants than ablation.yaml")
    known = runs_by_path(plan)
    # Plans that were written before runs had numbers.
    numbers = {path: n for n, path in enumerate(sorted(known, key=_tuning_last), start=1)}
    for each in document["cohorts"]:
        unknown = next((path for path in each["runs"] if path not in known), None)
        if unknown is not None:
            raise RunError(f"plan.json names the run {unknown!r}, which ablation.yaml has not")
        job = plan.job(known[each["runs"][0]])
        if job.splits.fingerprint != each["data"]:
            raise DataError(
                f"the data {job.splits.name!r} have changed since the ablation began: its runs "
                "could not be compared with those to come; put them back, or start a new ablation"
            )
        plan.cohorts.append(
            PlannedCohort(
                each["number"],
                each["phase"],
                tuple(each["runs"]),
                tuple(each.get("numbers") or [numbers[path] for path in each["runs"]]),
                size_of(job),
                each["shape"],
                each["data"],
            )
        )
    return plan


def _tuning_last(path: str) -> bool:
    return path.startswith("tuning/")

"""Making a plan: checking every config with its data, and grouping runs into cohorts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from dlx.ablation.plan import (
    SUCCESS,
    Left,
    Plan,
    PlannedCohort,
    PlannedRun,
    planned_seeds,
    runs_by_path,
)
from dlx.ablation.sizes import Size, largest_cohort, parts, processes, size_of
from dlx.ablation.statistics.sequential import FIRST, planned_looks
from dlx.ablation.variants import (
    MAX_RUNS,
    Resolved,
    expand,
    find_baseline,
    refuse_many,
    refuse_seed,
    show,
)
from dlx.cohort import group
from dlx.config import load as config_files
from dlx.config.schema import AblationConfig, RunConfig, SeedsUntil
from dlx.data.pipeline import STOP_SHARE
from dlx.errors import ConfigError, DataError, RunError, did_you_mean
from dlx.nn.layers.boltzmann import FREE_ENERGY
from dlx.nn.metrics import scale_of, tag
from dlx.training.job import Job, refuse_watched_dev
from dlx.training.transfer import split_of_source

_FIRST_TUNING_SEED = 1_000_000
_LAYER_TAGS = ("gradient_norm", "between_rows", "z_mean", "z_std")


def make(config: RunConfig, data_dir: Path, jobs: int | None = None) -> Plan:
    """Return the plan of a config's ablation, with the cohorts of its first phase.

    Every distinct config is prepared with its data, so that all errors are reported before
    anything is trained. `jobs` processes will share the work; default: see `sizes.processes`.
    """
    plan = outline(config, data_dir)
    for variant in plan.variants:
        refuse_watched_dev(variant.config)
    for phase in plan.phases:
        check(plan, plan.runs(phase))
    if not plan.metric:
        tags = [tag(metric) for metric in plan.job(plan.runs("comparison")[0]).member.metrics]
        plan.metric = "dev.accuracy" if "accuracy" in tags else "dev.cost"
    _check_metrics(plan)
    plan.jobs = jobs or default_jobs(plan)
    add_cohorts(plan, plan.phases[0], plan.runs(plan.phases[0]))
    return plan


def outline(config: RunConfig, data_dir: Path) -> Plan:
    """Return the plan of a config's ablation without cohorts; see `make`."""
    config = _with_splits(config)
    variants = expand(config)
    # Variants are judged on the same rows: if one starts from a run, all take that run's split.
    taken = next(filter(None, (split_of_source(own.config) for own in variants)), None)
    if taken is not None:
        config = config_files.assign(config, taken)
        variants = expand(config)
    section = config.ablation
    assert section is not None
    seeds = planned_seeds(section)
    if len(set(seeds)) < len(seeds):
        raise ConfigError(f"ablation.seeds: the list {seeds} has a seed twice; remove one")
    # Far away, so that seeds of the comparison can be added later.
    first = max(_FIRST_TUNING_SEED, max(seeds) + 1)  # beyond any seed that is added
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
        looks=_looks(section),
    )
    _check_count(plan)
    return plan


def _looks(section: AblationConfig) -> tuple[int, ...]:
    """Return after how many seeds there is a look; none where the number of seeds is fixed."""
    if not isinstance(section.seeds, SeedsUntil):
        return ()
    if section.folds is not None:
        raise ConfigError(
            f"ablation.seeds.until: received {section.seeds.until}, but the folds of a "
            "cross-validation are fixed, and more seeds do not make more of them; leave out "
            "ablation.folds, or give a number of seeds"
        )
    if section.seeds.max < FIRST:
        raise ConfigError(
            f"ablation.seeds.max: received {section.seeds.max}, but the first look is at {FIRST} "
            f"seeds; give {FIRST} or more, or a number of seeds without until"
        )
    return planned_looks(section.seeds.max)


def _with_splits(config: RunConfig) -> RunConfig:
    """Return a config whose data are split as its ablation asks for."""
    section, data = config.ablation, config.data
    if section is None:  # which `expand` refuses
        return config
    changes: dict[str, Any] = {}
    if section.splits == "each_seed" and data.split_seed != "auto":
        raise ConfigError(
            f"ablation.splits: received each_seed, but data.split_seed is {data.split_seed}, which "
            "draws the rows of all seeds; leave one of them out"
        )
    if section.splits == "fixed" and data.split_seed == "auto":
        changes["data.split_seed"] = 0
    if section.tune and (data.split == "auto" or data.split.stop is None):
        changes["data.split.stop"] = STOP_SHARE
    return config_files.assign(config, changes) if changes else config


def pilot(plan: Plan, seeds: int) -> Plan:
    """Return the plan of the first seeds alone; the config keeps all of them.

    Raises:
        ConfigError: the plan has no more seeds than that
    """
    most = plan.section.most_seeds
    if seeds >= most:
        raise ConfigError(
            f"--pilot {seeds}: the ablation has {most} seeds, which leaves none for "
            "after the pilot; name fewer, or leave out --pilot"
        )
    first = replace(plan, seeds=plan.seeds[:seeds], cohorts=[])
    if plan.looks:  # the pilot is the first look, and the correction takes it for one
        first.seeds = list(range(seeds))
        first.looks = (seeds, *(look for look in plan.looks if look > seeds))
    add_cohorts(first, first.phases[0], first.runs(first.phases[0]))
    return first


def _check_count(plan: Plan) -> None:
    tries = len(plan.tunings) * len(plan.tuning_seeds)
    seeds = plan.section.most_seeds
    number = len(plan.variants) * len(plan.folds) * (seeds + tries)
    if number > MAX_RUNS:
        raise ConfigError(
            f"ablation: {len(plan.variants):,} variants, {seeds:,} seeds, "
            f"{len(plan.folds)} folds and {tries} tuning runs of each are {number:,} runs, more "
            f"than {MAX_RUNS:,}; name fewer"
        )


def _check_tuned(tuned: Iterable[str], variants: Sequence[Resolved]) -> None:
    """Check that no tuned key varies too."""
    refuse_seed("ablation.tune.seed", tuned)
    varied = dict.fromkeys(key for variant in variants for key in variant.settings)
    for key in tuned:
        own = key.removesuffix(".name")
        for other in varied:
            if f"{other.removesuffix('.name')}.".startswith(f"{own}."):
                raise ConfigError(
                    f"ablation.tune.{key}: {other} varies, and tuning would choose another value "
                    "for every variant; remove one of the two"
                )


def check(plan: Plan, runs: Iterable[PlannedRun]) -> None:
    """Prepare every distinct config of the runs with its data; ConfigError names all wrong ones."""
    problems: dict[str, None] = {}
    for run in runs:
        try:
            plan.job(run)
        except DataError as error:
            if len({repr(variant.config.data) for variant in plan.variants}) == 1:
                raise
            raise DataError(f"variant {run.arm.variant!r}: {error}") from error
        except ConfigError as error:
            choice = "" if run.arm.choice is None else f" ({show(dict(run.arm.choice))})"
            name = f"variant {run.arm.variant!r}{choice}"
            problems |= dict.fromkeys(f"{name}: {line}" for line in str(error).split("\n"))
            refuse_many(problems)
    if problems:
        raise ConfigError("\n".join(problems))


def _check_metrics(plan: Plan) -> None:
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
    _check_points(section, plan.metric)
    for place, metric in enumerate(section.also):
        if metric in (plan.metric, *section.also[:place]):
            raise ConfigError(
                f"ablation.also.{place}: received {metric}, which is judged anyway; leave it out"
            )
        wanted[f"ablation.also.{place}"] = metric
    wanted |= {f"ablation.show.{place}": metric for place, metric in enumerate(section.show)}
    for key, metric in wanted.items():
        if metric.startswith("stop.") and not key.startswith("ablation.show."):
            raise ConfigError(
                f"{key}: received {metric}, but stop rows choose when a run stops, or what is "
                f"tuned, and cannot judge it; use dev.{metric.removeprefix('stop.')}"
            )
        if metric.startswith("test."):
            raise ConfigError(
                f"{key}: received {metric}, but nothing is judged by test rows: they would become "
                f"dev rows; use dev.{metric.removeprefix('test.')} (show_test shows test metrics)"
            )
        if metric.endswith(f".{FREE_ENERGY}") and not key.startswith("ablation.show."):
            part = metric.partition(".")[0]
            raise ConfigError(
                f"{key}: received {metric}, but free energies of different machines do not "
                f"compare: each lacks a log Z of its own; use {part}.cost or "
                f"{part}.squared_error_per_row, how well inputs are reconstructed"
            )
        for run in plan.runs("comparison"):
            job = plan.job(run)
            logged = dict.fromkeys(job.splits.parts, job.member.measured)
            measured = logged if key.startswith("ablation.steps_to.") else job.final_metrics
            allowed = [f"{part}.{name}" for part, names in measured.items() for name in names]
            if key.startswith("ablation.show."):
                allowed += _logged_too(job)
            if metric not in allowed:
                raise ConfigError(
                    f"{key}: received {metric}{did_you_mean(metric, allowed)} (allowed: "
                    f"{', '.join(allowed)}){_cure(metric, job)}"
                )


def _check_points(section: AblationConfig, metric: str) -> None:
    """Refuse a half of an interval that the judged metric cannot have."""
    if not isinstance(section.seeds, SeedsUntil) or section.seeds.half_width is None:
        return
    until, is_share = section.seeds.until, metric == SUCCESS or scale_of(metric.partition(".")[2])
    if isinstance(until, str) and not is_share:
        raise ConfigError(
            f"ablation.seeds.until: received {until}, but {metric} is not measured in percentage "
            "points; give the half of its interval as a number in its own units, or decided"
        )
    if is_share and section.seeds.half_width >= 1:
        points = isinstance(until, str) or section.seeds.half_width >= 100
        instead = "less than 100pp" if points else f"'{until:g}pp'"
        raise ConfigError(
            f"ablation.seeds.until: received {until}, but {metric} lies between 0 and 1, so that "
            f"any interval is as narrow; give {instead}"
        )


def _logged_too(job: Job) -> list[str]:
    """Return what a run logs beside its metrics and can be shown: nothing at level minimal."""
    if job.config.log.level == "minimal":
        return []
    of_layers = [f"train.{tag}/{part.name}" for tag in _LAYER_TAGS for part in job.design.parts]
    return ["train.running/cost", *of_layers]


def _cure(metric: str, job: Job) -> str:
    """Return how to get a metric that a run does not measure, for the end of a message."""
    if metric.startswith("dev.") and "dev" not in job.splits.parts:
        return "; give data.split some dev rows"
    tag = metric.removeprefix("train.").partition("/")[0]
    if tag in ("running", *_LAYER_TAGS) and job.config.log.level == "minimal":
        return "; set log.level to standard, which logs it"
    return ""


def default_jobs(plan: Plan) -> int:
    """Return how many processes should train the comparison, see `sizes.processes`."""
    runs = plan.runs("comparison")
    sizes: dict[str, Size] = {}
    work = 0
    for run in runs:
        job = plan.job(run)
        if job.member.engine != "torch":  # the other one has threads of its own
            continue
        if run.arm.folder not in sizes:
            sizes[run.arm.folder] = size_of(job)
        work += sizes[run.arm.folder].total * job.member.num_steps
    return processes(work, plan.job(runs[0]).device)


def add_cohorts(plan: Plan, phase: str, runs: Sequence[PlannedRun], *, whole: bool = False) -> None:
    """Group the runs of a phase into cohorts, and add these to the plan.

    Which runs go together depends on their configs alone, never on measured times, so that it is
    the same on every start. With `whole` all runs of an arm are in one cohort.
    """
    numbers = _numbers(plan, phase, runs)
    jobs = [plan.job(run) for run in runs]
    members = [job.member for job in jobs]
    groups = group(members, [_shared(job) for job in jobs])
    limits = [largest_cohort(size_of(jobs[rows[0]]), jobs[rows[0]].device) for rows in groups]
    counts = parts([len(rows) for rows in groups], limits, plan.jobs)
    for rows, count in zip(groups, counts, strict=True):
        for piece in _of_whole_arms(rows, count, runs) if whole else _pieces(rows, count):
            first = jobs[piece[0]]
            plan.cohorts.append(
                PlannedCohort(
                    plan.cohorts_before + len(plan.cohorts) + 1,
                    phase,
                    tuple(members[row].name for row in piece),
                    tuple(numbers[row] for row in piece),
                    size_of(first),
                    _shape(first),
                    first.splits.fingerprint,
                    first.member.engine,
                    first.by_torch,
                )
            )


def _numbers(plan: Plan, phase: str, runs: Sequence[PlannedRun]) -> list[int]:
    """Return the numbers of new runs: the runs of the comparison begin at 1."""
    taken = {number for cohort in plan.cohorts for number in cohort.numbers}
    compared = len(plan.variants) * len(plan.seeds) * len(plan.folds)
    start = plan.runs_before + (1 if phase == "comparison" else compared + 1)
    if taken & set(range(start, start + len(runs))):
        start = max(taken) + 1
    return list(range(start, start + len(runs)))


def _shared(job: Job) -> tuple[Any, ...]:
    """Return what runs of a cohort must have in common, besides their networks' shapes."""
    config = job.config
    parts = job.splits.parts.items()
    return (
        *((name, id(part.selection.base), len(part)) for name, part in parts),
        job.batch_size,
        str(job.device),
        config.train.matmul_precision,
        config.log.level,
    )


def _pieces(rows: Sequence[int], count: int) -> list[Sequence[int]]:
    """Split rows into pieces of neighbours, almost equal in size."""
    bounds = [len(rows) * place // count for place in range(count + 1)]
    return [rows[a:b] for a, b in pairwise(bounds) if b > a]


def _of_whole_arms(
    rows: Sequence[int], count: int, runs: Sequence[PlannedRun]
) -> list[Sequence[int]]:
    """Split rows into at most `count` pieces that hold all rows of an arm, or none."""
    arms: dict[str, list[int]] = {}
    for row in rows:
        arms.setdefault(runs[row].arm.folder, []).append(row)
    pieces = _pieces(range(len(arms)), count)
    of_arms = list(arms.values())
    return [[row for place in piece for row in of_arms[place]] for piece in pieces]


def _shape(job: Job) -> str:
    widths = [job.splits.task.num_inputs, *(part.outputs for part in job.member.design.parts)]
    return f"{'-'.join(map(str, widths))}, batch {job.batch_size}, {job.splits.name}"


def read(document: Mapping[str, Any], config: RunConfig, data_dir: Path) -> Plan:
    """Return the plan in plan.json and ablation.yaml."""
    if all(cohort.get("engine") == "torch" for cohort in document["cohorts"]):
        config = config_files.assign(config, {"train.engine": "torch"})  # wherever it goes on
    plan = outline(config, data_dir)
    tuning = document.get("tuning") or {}
    # The config may have more seeds, if the process ended after it wrote them; and there may have
    # been fewer seeds when those of tuning were chosen.
    plan.seeds = list(document["seeds"])
    plan.tuning_seeds = list(tuning.get("seeds") or [])
    plan.metric, plan.jobs = document["metric"], document["jobs"]
    plan.rules = document.get("rules", 1)
    plan.looks = tuple(document.get("looks") or ())
    lefts = (document.get("left") or {}).items()
    plan.left = {name: Left(left["seeds"], left["why"]) for name, left in lefts}
    plan.chosen = dict(tuning.get("chosen") or {})
    names = [variant["name"] for variant in document["variants"]]
    if names != [variant.name for variant in plan.variants]:
        raise RunError("plan.json has other variants than ablation.yaml")
    runs = runs_by_path(plan)
    # For plans from before runs had numbers; the runs of tuning come last.
    ordered = sorted(runs, key=lambda path: path.startswith("tuning/"))
    numbers = {path: number for number, path in enumerate(ordered, start=1)}
    for cohort in document["cohorts"]:
        paths = tuple(cohort["runs"])
        unknown = next((path for path in paths if path not in runs), None)
        if unknown is not None:
            raise RunError(f"plan.json names the run {unknown!r}, which is not in ablation.yaml")
        job = plan.job(runs[paths[0]])
        if job.splits.fingerprint != cohort["data"]:
            raise DataError(
                f"the data {job.splits.name!r} have changed since the ablation began, so that runs "
                "from before and after would not compare; put them back, or start a new ablation"
            )
        _check_engine(cohort, job)
        plan.cohorts.append(
            PlannedCohort(
                cohort["number"],
                cohort["phase"],
                paths,
                tuple(cohort.get("numbers") or [numbers[path] for path in paths]),
                size_of(job),
                cohort["shape"],
                cohort["data"],
                job.member.engine,
                job.by_torch,
            )
        )
    return plan


def _check_engine(cohort: Mapping[str, Any], job: Job) -> None:
    """Check that the engine that a cohort was planned for is here."""
    planned = cohort.get("engine", job.member.engine)
    if planned != job.member.engine:
        raise RunError(
            f"cohort {cohort['number']} was planned for the {planned} engine, but here it would be "
            f"trained by {job.member.engine} ({job.by_torch}), and runs of one ablation would not "
            "have the same bits; go on where that engine is, or start a new ablation"
        )

"""Train a config's ablation in a directory, go on with one that stopped, and say what came out."""

import functools
import shlex
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlx import plugins
from dlx.ablation import execution, loading, planning, registration, session
from dlx.ablation.cluster import Cluster
from dlx.ablation.directory import CONFIG, PLAN, read_config, read_plan, write_plan
from dlx.ablation.estimate import preview
from dlx.ablation.ledger import Ledger
from dlx.ablation.plan import Plan, runs_by_path
from dlx.ablation.prospects import prospects
from dlx.ablation.results import RunResult
from dlx.ablation.session import Ended, Show
from dlx.ablation.variances import Variances, earlier, variances_of
from dlx.api import experiment
from dlx.api.ablation_config import read_ablation
from dlx.api.experiment import CrashedError, Experiment
from dlx.api.inputs import RUNS_DIR, data_directory
from dlx.api.run import Run, load
from dlx.config import load as config_files
from dlx.config.schema import RunConfig
from dlx.denormals import flushed_denormals
from dlx.errors import ConfigError, Interrupted, MemoryLimitError, RunError, did_you_mean
from dlx.runs import RunDirectory, timestamp
from dlx.runs.ablations import read_index
from dlx.runs.files import exists
from dlx.training import exactness
from dlx.training.finding import materialise
from dlx.training.memory import CURE
from dlx.training.process import breaking_off, in_training
from dlx.training.transfer import located

if TYPE_CHECKING:
    from dlx.report.ablation.verdict_table import Table


class Ablation(Experiment):
    """An ablation in its directory.

    Attributes:
        path: of the directory
    """

    def _shown(self, summary: dict[str, Any]) -> "tuple[list[str], Table]":
        from dlx.report.ablation.answer import answer
        from dlx.report.ablation.verdict_table import verdicts

        return answer(summary), verdicts(summary)

    def __getitem__(self, wanted: str | int) -> Any:
        """Return a variant's part of `summary` by its name, or a trained run by its number.

        Raises:
            KeyError: there is no such variant
            RunError: there is no such run, or it has not ended
        """
        if isinstance(wanted, int):
            return load(f"{self.path}#{wanted}")
        by_name = {variant["name"]: variant for variant in self.summary["variants"]}
        if wanted not in by_name:
            near = did_you_mean(wanted, by_name)
            raise KeyError(f"{self.path} has no variant {wanted!r}{near}")
        return by_name[wanted]

    def _ipython_key_completions_(self) -> list[str]:
        return [variant["name"] for variant in self.summary["variants"]]

    @functools.cached_property
    def config(self) -> RunConfig:
        """The resolved config, with its `ablation` section."""
        return read_config(self.path)

    @property
    def results(self) -> list[RunResult]:
        """The results of the compared runs that have ended, in the order of the plan.

        Raises:
            RunError: the plan is missing or was changed
        """
        return self.ended(self.plan())

    def ended(self, plan: Plan) -> list[RunResult]:
        """Return the results of its plan's compared runs that have ended, in the plan's order.

        Raises:
            RunError: no run has ended
        """
        runs, ledger = plan.runs("comparison"), Ledger(plan, self.path)
        results = loading.results(self.path, runs, ledger, plan.section)
        if not results:
            cure = RunDirectory(self.path).how_it_goes_on()
            raise RunError(f"{self.path} has no run that has ended; {cure}")
        return loading.with_judgements(self.path, results.values(), ledger.runs.values())

    @property
    def runs(self) -> list[Run]:
        """The compared runs that have ended and did not fail, each with a folder of its own."""
        indexed = read_index(self.path).values()
        ended = [run for run in indexed if run.phase == "comparison" and run.status != "failed"]
        return [load(materialise(self.path, run).path) for run in ended]

    def plan(self, data_dir: Path | str | None = None) -> Plan:
        """Return the plan, its data loaded.

        Raises:
            RunError: it is missing or was changed
        """
        return read_plan(self.path, data_directory(data_dir))

    def table(self, data_dir: Path | str | None = None) -> dict[str, Any]:
        """Return means and intervals for a table, see `dlx.report.ablation.paper_table.table`.

        Raises:
            RunError: no run has ended, or the plan is missing or was changed
        """
        from dlx.report.ablation import paper_table  # imports what draws

        plan = self.plan(data_dir)
        return paper_table.table(plan, self.ended(plan))

    def result(self) -> dict[str, Any]:
        """Return the JSON object that ablate, resume and verify print."""
        info = self.info
        summary = self.summary if self.has_ended else {}
        keys = ("name", "settings", "n", "diverged", "failed", "metrics", "vs_baseline")
        counted = ("runs", "cohorts", "seconds", "diverged", "failed")
        return {
            "ablation": str(self.path),
            "status": self.status,
            **{key: info.get(key) for key in counted},
            **{key: summary.get(key) for key in ("metric", "baseline", "chosen", "best_group")},
            "sequential": summary.get("sequential"),
            "rules": summary.get("rules", 1) if summary else None,
            "also": summary.get("also", {}),
            "variants": [
                {key: variant[key] for key in keys} for variant in summary.get("variants", [])
            ],
        }


@flushed_denormals()
def plan_ablation(
    config: RunConfig,
    *,
    runs_dir: Path | str = RUNS_DIR,
    data_dir: Path | str | None = None,
    jobs: int | None = None,
) -> Plan:
    """Return a config's ablation, ready to train: variants, runs and cohorts, all checked.

    Args:
        config: with its `ablation` section
        runs_dir: where runs that variants start from (`model.from_run`) are looked for
        data_dir: where data sets are kept
        jobs: processes that will share the work; default: by the size of the work

    Raises:
        ConfigError: the config cannot be used, for some variant
        DataError: the data are missing or damaged
    """
    config = located(config, Path(runs_dir))
    return planning.make(config, data_directory(data_dir), jobs)


@flushed_denormals()
def foresee_ablation(
    ready: Plan, *, runs_dir: Path | str | None = None, pilot: Ablation | None = None
) -> dict[str, Any]:
    """Return what an ablation can decide, see `dlx.ablation.prospects.prospects`.

    Args:
        ready: from `plan_ablation`
        runs_dir: where an earlier ablation of the same data is looked for
        pilot: the ablation's own first seeds, trained
    """
    if pilot is not None:
        return prospects(ready, _of_pilot(ready, pilot))
    return prospects(ready, earlier(ready, Path(runs_dir)) if runs_dir is not None else None)


@flushed_denormals()
def preview_ablation(
    ready: Plan,
    *,
    runs_dir: Path | str | None = None,
    pilot: int | None = None,
    jobs: int | None = None,
    show: Show = lambda progress: None,
    cluster: Cluster | None = None,
) -> dict[str, Any]:
    """Return what an ablation would train and can decide, and how long it takes; nothing is kept.

    See `dlx.ablation.estimate.preview`.

    Args:
        ready: from `plan_ablation`
        runs_dir: where an earlier ablation of the same data is looked for
        pilot: how many of the first seeds are trained to see how far differences vary
        jobs: processes that train the pilot at a time
        show: is told of the pilot's progress
        cluster: trains the pilot in place of this machine
    """
    if pilot is None:
        return preview(ready, earlier(ready, Path(runs_dir)) if runs_dir is not None else None)
    with tempfile.TemporaryDirectory(prefix="dlx-pilot-") as folder:
        try:
            trained = train_plan(
                ready, runs_dir=folder, pilot=pilot, jobs=jobs, show=show, cluster=cluster
            )
        except Interrupted as error:
            words = "stopped; the pilot of a dry run is not kept"
            raise Interrupted(words, error.exit_code - 128) from error
        return preview(ready, _of_pilot(ready, trained))


def _of_pilot(ready: Plan, pilot: Ablation) -> Variances | None:
    shown = variances_of(pilot.path, ready.metric)
    return shown and replace(shown, path=None)


def ablate(
    config: RunConfig | str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    varied: Sequence[str] = (),
    seeds: str | int | None = None,
    design: str | None = None,
    runs_dir: Path | str = RUNS_DIR,
    data_dir: Path | str | None = None,
    jobs: int | None = None,
    show: Show = lambda progress: None,
) -> Ablation:
    """Train every variant of a config at every seed, and compare them.

    Arguments and errors are those of `read_ablation`, `plan_ablation` and `train_plan`.
    """
    read = read_ablation(config, overrides, varied=varied, seeds=seeds, design=design)
    ready = plan_ablation(read, runs_dir=runs_dir, data_dir=data_dir, jobs=jobs)
    return train_plan(ready, runs_dir=runs_dir, jobs=jobs, show=show)


@flushed_denormals()
def train_plan(
    ready: Plan,
    *,
    runs_dir: Path | str = RUNS_DIR,
    pilot: int | None = None,
    jobs: int | None = None,
    show: Show = lambda progress: None,
    cluster: Cluster | None = None,
) -> Ablation:
    """Train a planned ablation in a new directory `runs_dir/<name>/<id>`.

    Args:
        ready: from `plan_ablation`
        runs_dir: where runs are kept
        pilot: how many of the first seeds are trained; `resume_ablation` goes on with the others
        jobs: processes that train at a time; default: by the size of the work
        show: is told of progress
        cluster: trains in place of this machine, see `dlx.api.clusters`

    Raises:
        ConfigError: the ablation has no more seeds than the pilot, or the cluster cannot train it
        ClusterError: the cluster was lost; what it had sent is saved
        CrashedError: some runs could not be trained
        MemoryLimitError: some did not fit into memory, and no other failed
        Interrupted: SIGINT or SIGTERM, after saving
        StorageError: a file could not be written
    """
    config = ready.config
    if cluster is not None:
        cluster.check(ready.config)
    if pilot is not None:
        ready = planning.pilot(ready, pilot)
    run = RunDirectory.create(
        Path(runs_dir),
        config.name,
        config=config_files.dump(config),
        config_name=CONFIG,
        kind="ablation",
        plugins=plugins.loaded(),
    )
    return _train(ready, run, jobs, show, grows=pilot is None, cluster=cluster)


@flushed_denormals()
def resume_ablation(
    directory: Path,
    *,
    seeds: str | None = None,
    only_failed: bool = False,
    data_dir: Path | str | None = None,
    jobs: int | None = None,
    allow_inexact: bool = False,
    show: Show = lambda progress: None,
    cluster: Cluster | None = None,
) -> Ablation:
    """Go on with an ablation that stopped, repeat what failed, or add seeds.

    After a pilot it goes on with the seeds that were planned.

    Args:
        directory: of the ablation
        seeds: how many there shall be, or a list in YAML that holds all there are
        only_failed: repeat the runs that failed, and nothing else
        data_dir: where data sets are kept
        jobs: processes that train at a time
        allow_inexact: whether cohorts that were stopped may go on with other bits, as in
            `resumed_training`
        show: is told of progress
        cluster: trains in place of this machine, see `dlx.api.clusters`

    Raises:
        ConfigError: seeds that would leave out some that were trained, or a cluster that cannot
            train them
        ClusterError: the cluster was lost; what it had sent is saved
        RunError: config or plan was changed, or a checkpoint cannot be used
        DataError: data are missing, or have changed since
        CrashedError: some runs could not be trained, now or earlier
    """
    run = RunDirectory.open(directory)
    plugins.require(run.read_info().get("plugins") or [], directory)
    jobs = jobs if cluster is None else cluster.workers
    if exists(directory / PLAN):
        ready = read_plan(directory, data_directory(data_dir))
    else:  # killed before it was planned: sizes alone decide the plan, so it is the same
        ready = plan_ablation(read_config(directory), data_dir=data_dir, jobs=jobs)
    if cluster is not None:
        cluster.check(ready.config)
    with run.lock():
        if seeds is not None and ready.looks:
            raise ConfigError(
                f"--seeds {seeds}: the ablation adds seeds until a verdict, at most "
                f"{ready.section.most_seeds}, which was fixed before its first look, since the "
                "correction for looking rests on it; leave out --seeds, or start a new ablation"
            )
        if seeds is not None:
            text = f"ablation.seeds={seeds}"
            config = config_files.override(ready.config, [text], {text: f"--seeds {seeds}"})
            ready = _with_seeds(ready, run, config, f"--seeds {seeds}", jobs)
        elif not only_failed and not ready.looks:
            ready = _with_seeds(ready, run, ready.config, "ablation.seeds", jobs)
        if only_failed:
            Ledger(ready, directory).forget_failed()
    inexact = exactness.ALL if allow_inexact else ()
    return _train(ready, run, jobs, show, inexact, grows=not only_failed, cluster=cluster)


def _with_seeds(
    ready: Plan, run: RunDirectory, config: RunConfig, where: str, jobs: int | None
) -> Plan:
    """Plan the runs of a config's further seeds, in cohorts of their own, and write the plan."""
    wider = planning.outline(config, ready.data_dir)
    if wider.looks:
        raise ConfigError(
            f"{where}: the ablation began with a fixed number of seeds, and its results may have "
            "been seen; give a number of seeds, or start a new ablation with until"
        )
    if wider.seeds == ready.seeds:
        return ready
    missing = [seed for seed in ready.seeds if seed not in wider.seeds]
    if missing:
        raise ConfigError(
            f"{where}: seed {missing[0]} has been trained; name all of {ready.seeds} and more"
        )
    if set(wider.seeds) & set(ready.tuning_seeds):
        raise ConfigError(
            f"{where}: {sorted(set(wider.seeds) & set(ready.tuning_seeds))} were used for "
            "tuning; name a list of others"
        )
    wider.metric, wider.tuning_seeds = ready.metric, ready.tuning_seeds
    wider.chosen, wider.jobs, wider.rules = ready.chosen, jobs or ready.jobs, ready.rules
    wider.cohorts = ready.cohorts
    if not ready.section.tune or ready.chosen:
        old = runs_by_path(ready)
        new = [run for run in wider.runs("comparison") if run.path not in old]
        if new:
            planning.add_cohorts(wider, "comparison", new)
    write_plan(run, wider)
    return wider


def _train(
    ready: Plan,
    run: RunDirectory,
    jobs: int | None,
    show: Show,
    inexact: Sequence[str] = (),
    *,
    grows: bool = True,
    cluster: Cluster | None = None,
) -> Ablation:
    began = time.monotonic()
    with in_training(run):
        info = run.read_info()
        # A cluster's workers find out for themselves.
        notes = session.check_exactness(ready, run.path, inexact) if cluster is None else []
        if notes:
            run.write_info(inexact=[*(info.get("inexact") or []), *notes])
        before = info.get("seconds") or 0.0
        counts = {"runs": len(ready.runs("comparison")), "cohorts": len(ready.cohorts)}
        experiment.begin(run, ready.config, **counts)
        if not exists(run.path / PLAN):
            run.write_info(**{registration.KEY: registration.register(ready)})
            write_plan(run, ready)
        with experiment.resumable(run) as received:
            ended = session.train(
                ready,
                run,
                experiment.circumstances(),
                show,
                lambda: bool(received),
                jobs=jobs,
                inexact=inexact,
                prepare=experiment.worker_preparation(),
                grows=grows,
                cluster=cluster,
            )
            seconds = before + time.monotonic() - began
            if ended.report.stopped:
                _note_end(ready, run, ended, seconds)
                raise experiment.stopped(run, received[0])
        try:
            with breaking_off(
                ": all runs have ended, but the report is not whole; "
                f"`dlx resume {run.path}` makes it"
            ):
                # Here, since no other command of training needs SciPy.
                from dlx.report.ablation import derived_files

                results, command = _results(ready, ended), command_of(run)
                indexed = read_index(run.path).values()
                results = loading.with_judgements(run.path, results, indexed)
                derived_files.write(ready, run.path, results, ended.tries, command)
        except Interrupted:
            run.write_info(status="interrupted", ended=timestamp(), seconds=seconds)
            raise
        _note_end(ready, run, ended, seconds)
        crashed = ended.report.crashed
        if crashed and all(
            reason.startswith(execution.OUT_OF_MEMORY) for reason in crashed.values()
        ):
            raise MemoryLimitError(
                "out of memory: some runs do not fit even alone "
                f"({experiment.reasons(crashed)}); those that do were trained. In a new ablation, "
                f"{CURE}; or free memory and `dlx resume {run.path} --only failed`"
            )
        if crashed:
            raise CrashedError(
                f"some runs could not be trained ({experiment.reasons(crashed)}); the others were. "
                f"`dlx resume {run.path} --only failed` tries them again"
            )
        if failed := _failed(ended):
            raise CrashedError(
                f"{failed:,} of the runs could not be trained earlier, and were not tried again: "
                f"`dlx resume {run.path} --only failed` does that"
            )
    return Ablation(run.path)


def _note_end(ready: Plan, run: RunDirectory, ended: Ended, seconds: float) -> None:
    results = _results(ready, ended)
    if ended.report.crashed:
        status = "failed"
    elif ended.report.stopped:
        status = "interrupted"
    else:
        status = "failed" if _failed(ended) else "completed"
    run.write_info(
        status=status,
        ended=timestamp(),
        seconds=seconds,
        runs=len(ready.runs("comparison")),
        cohorts=len(ready.cohorts),
        diverged=sum(result.status == "diverged" for result in results),
        failed=sum(result.status == "failed" for result in results),
        remarks=ended.report.remarks,
    )


def _failed(ended: Ended) -> int:
    """Return how many runs could not be trained, now or earlier."""
    return sum(result.status == "failed" for result in ended.results.values())


def _results(ready: Plan, ended: Ended) -> list[RunResult]:
    """Return the results of the compared runs that ended, in the order of the plan."""
    paths = [run.path for run in ready.runs("comparison")]
    return [ended.results[path] for path in paths if path in ended.results]


def command_of(run: RunDirectory) -> str:
    """Return the command that trains an ablation again."""
    return f"dlx ablate {shlex.quote(str(run.path / CONFIG))}"

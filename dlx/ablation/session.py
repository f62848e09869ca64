"""A whole ablation in its directory: phase after phase, cohort after cohort, to the last result."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dlx.ablation import cluster as clusters
from dlx.ablation import execution, loading, looks, tuning, workers
from dlx.ablation.cluster import Cluster
from dlx.ablation.directory import write_plan
from dlx.ablation.execution import CohortProgress, Report, Work
from dlx.ablation.leaving import Leaving
from dlx.ablation.ledger import Ledger
from dlx.ablation.plan import Plan, PlannedCohort, runs_by_path
from dlx.ablation.planning import add_cohorts, check
from dlx.ablation.results import RunResult
from dlx.ablation.tuning import Try
from dlx.errors import RunError
from dlx.runs import RunDirectory
from dlx.runs.ablations import cohort_folder
from dlx.runs.checkpoints import load_newest
from dlx.training import exactness
from dlx.training.job import resolve_device
from dlx.training.pretraining import FOLDER, pretrain
from dlx.training.process import matmul_precision
from dlx.training.records import Progress as StageProgress
from dlx.training.records import Stop
from dlx.training.session import Stopped


@dataclass(frozen=True)
class Progress:
    """How far an ablation is."""

    directory: Path  # of the ablation
    metric: str  # that is judged
    phase: str  # 'tuning' or 'comparison'
    cohorts: int  # of the phase
    runs: int  # of the phase
    finished: int  # of these, those that have ended
    seconds: float  # since this session began
    left: float | None  # seconds that the rest will take, if known
    steps_per_second: float  # run-steps
    # The newest value of the judged metric, by variant and path; None: diverged or failed.
    values: Mapping[str, Mapping[str, float | None]]
    cohort: CohortProgress  # the cohort that reports


Show = Callable[[Progress], None]


class NotShown(BaseException):
    """An error of what shows progress: it ends the training, and is no cohort's own."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


@dataclass
class Ended:
    """What an ablation came to."""

    # Of the compared runs that ended, by path.
    results: dict[str, RunResult] = field(default_factory=dict)
    tries: list[Try] = field(default_factory=list)  # of tuning
    report: Report = field(default_factory=Report)  # what became of the cohorts


def train(
    plan: Plan,
    run: RunDirectory,
    circumstances: Mapping[str, Any],
    show: Show,
    stop: Stop,
    *,
    jobs: int | None = None,
    inexact: Sequence[str] = (),
    prepare: workers.Prepare = list,
    leaving: Leaving | None = None,
    grows: bool = True,
    cluster: Cluster | None = None,
) -> Ended:
    """Train what has not ended yet, phase after phase; the caller holds the lock.

    Args:
        plan: written to the directory; the comparison's cohorts are added once tuning is over
        circumstances: command, git_commit, versions and plugins, as run.json records them
        jobs: processes that train at a time; default: those of the plan
        inexact: what may be other than when checkpoints were saved
        prepare: is called in each of these first, if it is a fresh one
        leaving: says which runs leave before their last step; None: none does
        grows: whether seeds are added, of an ablation that does so until a verdict
        cluster: trains in place of this machine

    Raises:
        NotShown: `show` raised an error
    """
    ended = Ended()
    ledger = Ledger(plan, run.path, repair=True)
    ended.report.remarks += ledger.remarks
    for phase in _phases(plan, run, ended, ledger, grows=grows):
        if phase == "comparison" and plan.section.tune:
            _tune(plan, run, ended, ledger)
        cohorts = [cohort for cohort in plan.cohorts if cohort.phase == phase]
        observer = _Observer(plan, run.path, phase, cohorts, ledger, show)
        pending = [cohort for cohort in cohorts if ledger.unfinished(cohort.runs)]
        try:
            ended.report.remarks += _pretrain(plan, run, pending, observer, ledger, stop)
        except Stopped:
            ended.report.stopped = True
            break
        work = Work(plan, run.path, circumstances, observer.hear, stop, inexact, leaving)
        # It may have been planned for more, by another machine or for a cluster.
        count = jobs or min(plan.jobs, os.cpu_count() or 1)
        if cluster is not None:
            report = clusters.train_cohorts(work, pending, ledger, cluster)
        elif count == 1 or len(pending) < 2:
            report = execution.train_cohorts(work, pending, ledger)
        else:
            report = workers.train_cohorts(work, pending, ledger, count, prepare)
        ended.report.crashed |= report.crashed
        ended.report.remarks += report.remarks
        ended.report.stopped = report.stopped
        ended.results |= observer.results
        if report.stopped:
            break
    if ledger.runs:
        ledger.write()  # it may have been damaged or missing
    missing = [planned for path, planned in runs_by_path(plan).items() if path not in ended.results]
    ended.results |= loading.results(run.path, missing, ledger, plan.section)
    return ended


def check_exactness(plan: Plan, directory: Path, allowed: Sequence[str]) -> list[dict[str, Any]]:
    """Return what is to be noted of cohorts that were stopped and go on with other bits.

    Raises:
        InexactError: that is not allowed
    """
    device = resolve_device(plan.config.train.device)
    notes, planned = [], runs_by_path(plan)
    for cohort in plan.cohorts:
        saved = None
        with contextlib.suppress(RunError):  # all damaged: the cohort says so
            saved = load_newest(cohort_folder(directory, cohort.number) / "checkpoints")
        # Threads are taken over where they may not differ.
        engine = plan.job(planned[cohort.runs[0]]).member.engine
        if saved and (note := exactness.check(saved, device, engine, {*allowed, "threads"})):
            notes += [{"cohort": cohort.number, **note}] if allowed else []
    return notes


def _phases(
    plan: Plan, run: RunDirectory, ended: Ended, ledger: Ledger, *, grows: bool
) -> Iterator[str]:
    """Give the phases, the comparison again as long as a look at it asks for more seeds."""
    yield from plan.phases
    while grows and plan.looks and not looks.has_ended(plan):
        compared = plan.runs("comparison")
        missing = [planned for planned in compared if planned.path not in ended.results]
        ended.results |= loading.results(run.path, missing, ledger, plan.section)
        results = [ended.results[planned.path] for planned in compared]
        if any(result.status == "failed" for result in results):
            ended.report.remarks.append(
                "runs failed, so that no seeds were added: `dlx resume --only failed` repeats "
                "them, and `dlx resume` then goes on"
            )
            return
        judged = loading.with_judgements(run.path, results, ledger.runs.values())
        new = looks.next_runs(plan, judged)
        if new:
            add_cohorts(plan, "comparison", new)
        write_plan(run, plan)
        if new:
            yield "comparison"


def _tune(plan: Plan, run: RunDirectory, ended: Ended, ledger: Ledger) -> None:
    """Choose each variant's settings and plan the comparison, where that has not been done."""
    trying = plan.runs("tuning")
    missing = [planned for planned in trying if planned.path not in ended.results]
    ended.results |= loading.results(run.path, missing, ledger, plan.section)
    ended.tries = tuning.tries(trying, ended.results, plan.tuned_metric)
    if not plan.chosen:
        plan.choose(tuning.choose(ended.tries, rising=plan.is_rising))
        compared = plan.runs("comparison")
        check(plan, compared)
        add_cohorts(plan, "comparison", compared)
        write_plan(run, plan)


def _pretrain(
    plan: Plan,
    run: RunDirectory,
    pending: Sequence[PlannedCohort],
    observer: "_Observer",
    ledger: Ledger,
    stop: Stop,
) -> list[str]:
    """Train the stages that runs go through first, all runs side by side; return remarks.

    The cohorts then find them in the cache, in whichever process they are trained.
    """
    jobs = [plan.job(planned) for cohort in pending for planned in ledger.unfinished(cohort.runs)]
    staged = [job for job in jobs if job.stages]
    if not staged:
        return []
    with matmul_precision(plan.config.train.matmul_precision):
        pretrained = pretrain(staged, run.cache / FOLDER, observer.hear_stage, stop)
    stages = [stage for of_run in pretrained.stages for stage in of_run]
    remarks = pretrained.warnings
    if reused := sum(stage.reused for stage in stages):
        remarks.append(f"{reused:,} of {len(stages):,} stages of pre-training were reused")
    if diverged := sum(stage.status == "diverged" for stage in stages):
        remarks.append(f"{diverged:,} stages of pre-training diverged, and so do their runs")
    return remarks


class _Observer:
    def __init__(
        self,
        plan: Plan,
        directory: Path,
        phase: str,
        cohorts: Sequence[PlannedCohort],
        ledger: Ledger,
        show: Show,
    ) -> None:
        self.results: dict[str, RunResult] = {}
        self._plan = plan
        self._directory = directory
        self._phase = phase
        self._cohorts = cohorts
        self._show = show
        self._began = time.monotonic()
        known = runs_by_path(plan)
        paths = [path for cohort in cohorts for path in cohort.runs]
        self._variant = {path: known[path].arm.variant for path in paths}
        self._done = {path for path in paths if ledger.status(path) is not None}
        self._steps = {path: plan.job(known[path]).member.num_steps for path in paths}
        self._to_do = sum(self._steps[path] for path in paths if path not in self._done)
        self._values: dict[str, dict[str, float | None]] = {
            name: {} for name in dict.fromkeys(self._variant.values())
        }

    def hear_stage(self, stage: StageProgress) -> None:
        """Show where a stage of pre-training stands."""
        rate = stage.steps_per_second * stage.active
        cohort = CohortProgress(1, stage.step, stage.num_steps, stage.active, rate)
        self._tell(f"pre-training, {stage.stage}", (1, stage.active, 0), None, {}, cohort)

    def hear(self, progress: CohortProgress) -> None:
        """Take in what a cohort reports, and show where the phase stands."""
        for path, value in progress.values.items():
            self._values[self._variant[path]][path] = value
        for result in progress.ended:
            self.results[result.path] = result
            self._done.add(result.path)
            value = result.value(self._plan.metric)
            self._values[result.variant][result.path] = value
        elapsed = time.monotonic() - self._began
        ended = sum(self._steps[path] for path in self.results)
        active = progress.active * progress.step
        taken = max(ended + active, 1)
        known = progress.step > 0 and self._to_do > taken
        left = elapsed * (self._to_do - taken) / taken if known else None
        counts = len(self._cohorts), len(self._variant), len(self._done)
        self._tell(self._phase, counts, left, self._values, progress)

    def _tell(
        self,
        phase: str,
        counts: tuple[int, int, int],
        left: float | None,
        values: Mapping[str, Mapping[str, float | None]],
        cohort: CohortProgress,
    ) -> None:
        """Show progress; the counts are of cohorts, runs, and runs that have ended."""
        seconds = time.monotonic() - self._began
        rate = cohort.steps_per_second
        directory, metric = self._directory, self._plan.metric
        progress = Progress(directory, metric, phase, *counts, seconds, left, rate, values, cohort)
        try:
            self._show(progress)
        except (Exception, SystemExit) as error:
            raise NotShown(error) from error

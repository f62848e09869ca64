"""A whole search in its directory: batch after batch of trials, then the verdict on the best."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from dlx.ablation import estimate, loading, workers
from dlx.ablation import session as ablations
from dlx.ablation.cluster import Cluster
from dlx.ablation.execution import Report
from dlx.ablation.leaving import Leaving
from dlx.ablation.plan import Plan
from dlx.ablation.results import RunResult
from dlx.errors import ConfigError, DataError, DivergedError
from dlx.runs import RunDirectory
from dlx.runs.ablations import read_index
from dlx.search.directory import Progress
from dlx.search.plan import PARAMETERS, SECONDS, SearchPlan
from dlx.search.pruning import PRUNED, is_pruned, prune, rungs_of
from dlx.search.study import Study
from dlx.search.trials import UNTRAINED, Trial
from dlx.training.records import Stop

Show = ablations.Show


@dataclass
class Ended:
    """What a search came to."""

    progress: Progress
    study: Study
    best: Trial | None = None  # None: no trial was completed within all bounds
    verdict: Plan | None = None  # of the best trial against the config's own values
    results: list[RunResult] = field(default_factory=list)  # of the verdict
    report: Report = field(default_factory=Report)  # what became of the cohorts


def train(
    plan: SearchPlan,
    run: RunDirectory,
    circumstances: Mapping[str, Any],
    show: Show,
    stop: Stop,
    *,
    prepare: workers.Prepare = list,
    cluster: Cluster | None = None,
) -> Ended:
    """Go on with a search until all trials have ended and the best one is judged.

    The caller holds the lock. A cluster trains in place of this machine.

    Raises:
        DivergedError: all trials diverged
        ClusterError: the cluster was lost
        RunError: plan.json or the journal was changed
    """
    trainer = _Trainer(plan, run, circumstances, show, stop, prepare, cluster)
    progress = Progress.read(run.path)
    study = Study(run.path, plan.space, plan.section.sampler, plan.config.seed, plan.rising)
    study.restore(progress.journal, progress.ended)
    ended = Ended(progress, study)
    if progress.open:
        study.ask_again(progress.open)
    while True:
        if not progress.open:
            if len(progress.trials) >= plan.num_trials or progress.judged is not None:
                break
            progress.batches.append(choose(plan, study, progress))
            progress.write(run, plan.config.name, plan.objectives)
        _finish_batch(plan, run, ended, trainer)
        if ended.report.stopped:
            return ended
    _refuse_all_diverged(progress.trials)
    ended.best = best_of(plan, progress.trials)
    if ended.best is not None:
        _judge(plan, run, ended, trainer)
    return ended


def rehearse(plan: SearchPlan) -> tuple[list[Trial], list[dict[str, Any]]]:
    """Let a search begin in memory, up to the first batch with a trial that makes a step.

    Batches before it end without one, as they would. Returns the trials of that batch, and what
    its cohorts are.

    Raises:
        DivergedError: all trials diverge at once
        ConfigError: no trial is one that can be trained and keeps all bounds
    """
    study = Study(Path(), plan.space, plan.section.sampler, plan.config.seed, plan.rising)
    progress = Progress()
    while len(progress.trials) < plan.num_trials:
        progress.batches.append(choose(plan, study, progress))
        training, cohorts = _to_train(progress.open), []
        if training:
            ablation = plan.trial_plan(training, 0, 0)
            cohorts = estimate.cohorts_of(ablation)
            training = _diverging(ablation, training, cohorts)
        if any(trial.state is None for trial in training):
            return _with_results(progress, training), cohorts
        study.tell(_close(progress, training))
    _refuse_all_diverged(progress.trials)
    raise ConfigError(why_no_best(progress.trials))


def _diverging(
    ablation: Plan, trials: Sequence[Trial], cohorts: Sequence[Mapping[str, Any]]
) -> list[Trial]:
    """Return the trials, ended where a run of theirs diverges before its first step."""
    known = {path: reason for own in cohorts for path, reason in own["diverging"].items()}
    reasons = {
        planned.arm.variant: known[planned.path]
        for planned in reversed(ablation.runs("comparison"))
        if planned.path in known
    }
    return [
        trial.ended("diverged", reason=reasons[trial.name]) if trial.name in reasons else trial
        for trial in trials
    ]


@dataclass(frozen=True)
class _Trainer:
    """Trains the ablations that a search is made of."""

    plan: SearchPlan
    run: RunDirectory
    circumstances: Mapping[str, Any]
    show: Show
    stop: Stop
    prepare: workers.Prepare
    cluster: Cluster | None

    @property
    def parts(self) -> int | None:
        """How many workers a new part of the search is planned for; None: those of here."""
        return None if self.cluster is None else self.cluster.workers

    def train(
        self, ablation: Plan, phase: str, before: int, leaving: Leaving | None = None
    ) -> ablations.Ended:
        """Train a part of the search, before which there are so many cohorts."""
        return ablations.train(
            ablation,
            self.run,
            self.circumstances,
            _of_phase(self.show, phase, before),
            self.stop,
            jobs=self._jobs(ablation),
            prepare=self.prepare,
            leaving=leaving,
            cluster=self.cluster,
        )

    def _jobs(self, ablation: Plan) -> int:
        """Return how many processes train; 1 where cohorts go on from checkpoints.

        What goes on may need more threads than a copy of this process can have, and a fresh process
        would look for an ablation's plan in the directory.
        """
        begun = workers.has_begun(self.run.path, ablation.cohorts)
        return 1 if begun else self.plan.processes(ablation)


def choose(plan: SearchPlan, study: Study, progress: Progress) -> list[Trial]:
    """Return the next batch; what needs no training to be ruled out has a state already."""
    first = len(progress.trials) + 1
    count = min(plan.batch_size, plan.num_trials - len(progress.trials))
    known = {repr(trial.settings): trial for trial in reversed(progress.trials)}
    chosen = []
    for trial in study.ask(len(progress.batches) + 1, count, first):
        before = known.setdefault(repr(trial.settings), trial)
        if before is not trial:
            # Of the same batch too: it gets its result when the other one has it.
            chosen.append(replace(trial, same_as=before.number))
            continue
        chosen.append(_ruled_out(plan, trial))
    return chosen


def _ruled_out(plan: SearchPlan, trial: Trial) -> Trial:
    """Return the trial, ended if dlx refuses its config or it breaks a bound without training."""
    try:
        measured = plan.without_training(trial)
    except (ConfigError, DataError) as error:
        return trial.ended("invalid", reason=str(error).split("\n")[0])
    violations = plan.violations(measured)
    broken = [bound for bound, violation in violations.items() if violation > 0]
    if broken:
        reason = f"{', '.join(broken)}: it has {measured[PARAMETERS]:,.0f} parameters"
        return trial.ended("infeasible", violations=violations, measured=measured, reason=reason)
    return trial


def _finish_batch(plan: SearchPlan, run: RunDirectory, ended: Ended, trainer: _Trainer) -> None:
    """Train the open batch, tell Optuna how its trials did, and write it down."""
    progress, study = ended.progress, ended.study
    training = _to_train(progress.open)
    trained: list[Trial] = []
    ablation: Plan | None = None
    if training:
        parts = progress.parts or trainer.parts
        ablation = plan.trial_plan(training, progress.cohorts, progress.runs, parts)
        _note_parts(plan, run, progress, ablation)
        before = [trial for own in progress.ended for trial in own]
        rule = plan.pruner and prune(plan.pruner, plan.objectives[0], plan.rising[0], before)
        phase = f"batch {len(progress.batches)}"
        part = trainer.train(ablation, phase, progress.cohorts, rule)
        _add_report(ended.report, part.report)
        if part.report.stopped:
            return
        results: dict[str, list[RunResult]] = {}
        for planned in ablation.runs("comparison"):
            if planned.path in part.results:
                results.setdefault(planned.arm.variant, []).append(part.results[planned.path])
        trained = [
            _with_result(plan, ablation, trial, results.get(trial.name, [])) for trial in training
        ]
    progress.journal = study.record(_close(progress, trained))
    progress.parts = None
    if ablation is not None:
        progress.cohorts += len(ablation.cohorts)
        progress.runs += sum(len(cohort.runs) for cohort in ablation.cohorts)
    progress.write(run, plan.config.name, plan.objectives)


def _to_train(batch: Sequence[Trial]) -> list[Trial]:
    """Return the trials of a batch that are to be trained."""
    return [trial for trial in batch if trial.state is None and trial.same_as is None]


def _close(progress: Progress, trained: Sequence[Trial]) -> list[Trial]:
    """Let the open batch end, given its trained trials; return all of its trials."""
    done = progress.batches[-1] = _with_results(progress, trained)
    progress.told = len(progress.batches)
    return done


def _with_results(progress: Progress, trained: Sequence[Trial]) -> list[Trial]:
    """Return the trials of the open batch, of which some have been trained."""
    by_number = {trial.number: trial for trial in (*progress.trials, *trained)}
    for trial in progress.open:
        if trial.same_as is not None:
            by_number[trial.number] = _like(trial, by_number[trial.same_as])
    return [by_number[trial.number] for trial in progress.open]


def _like(trial: Trial, other: Trial) -> Trial:
    """Return a trial with the result of another one with the same settings, if that has one."""
    return replace(
        trial,
        state=other.state,
        values=other.values,
        violations=other.violations,
        measured=other.measured,
        rungs=other.rungs,
        reason=other.reason,
    )


def _with_result(
    plan: SearchPlan, ablation: Plan, trial: Trial, results: Sequence[RunResult]
) -> Trial:
    """Return a trial with what its runs came to."""
    steps = sum(result.steps for result in results)
    by_status = {result.status: result for result in reversed(results)}
    left = next((result for result in results if is_pruned(result.reason)), None)
    runs = [own for own in ablation.runs("comparison") if own.arm.variant == trial.name]
    if len(results) < len(runs) or "failed" in by_status:
        reason = by_status["failed"].reason if "failed" in by_status else "a run is missing"
        return trial.ended("failed", steps=steps, reason=reason)
    rungs = {}
    if plan.pruner is not None:
        members = [ablation.job(own).member for own in runs]
        rungs = rungs_of(members, [result.curve for result in results], plan.objectives[0])
    if "diverged" in by_status:
        reason = by_status["diverged"].reason
        return trial.ended("diverged", steps=steps, rungs=rungs, reason=reason)
    measured = _measured(plan, results)
    violations = plan.violations(measured)
    fields: dict[str, Any] = {"steps": steps, "rungs": rungs, "measured": measured}
    if left is not None:
        return trial.ended(PRUNED, reason=left.reason, violations=violations, **fields)
    values = tuple(measured[name] for name in plan.objectives)
    if not np.isfinite(values).all():
        return trial.ended("diverged", reason="its value is not finite", **fields)
    return trial.ended("completed", values=values, violations=violations, **fields)


def _measured(plan: SearchPlan, results: Sequence[RunResult]) -> dict[str, float]:
    """Return the means over seeds of what is optimized, bounded or shown."""
    names = [*plan.objectives, *(bound.name for bound in plan.bounds), PARAMETERS, SECONDS]
    measured = {}
    for name in dict.fromkeys(names):
        if name == PARAMETERS:
            values = [float(result.parameters) for result in results]
        elif name == SECONDS:
            values = [result.seconds / max(result.steps, 1) for result in results]
        else:
            values = [result.value(name) for result in results]
        known = [np.nan if value is None else value for value in values]
        measured[name] = float(np.mean(known))
    return measured


def _refuse_all_diverged(trials: Sequence[Trial]) -> None:
    trained = [trial for trial in trials if trial.state not in UNTRAINED]
    if trained and all(trial.state == "diverged" for trial in trained):
        raise DivergedError(
            f"all {len(trained)} trials that were trained diverged ({trained[0].reason}); search "
            "smaller learning rates, or set train.clip_norm"
        )


def why_no_best(trials: Sequence[Trial]) -> str:
    """Return why none of the trials that have ended is the best, and the cure."""
    bounds: dict[str, float] = {}
    for trial in trials:
        for bound, violation in trial.violations.items():
            bounds[bound] = min(violation, bounds.get(bound, violation))
    never = [
        f"{bound} (at best by {violation:.4g} too much)"
        for bound, violation in bounds.items()
        if violation > 0
    ]
    if never:
        return f"search.constraints: no trial keeps {', '.join(never)}; loosen the bound"
    if bounds:
        return "search.constraints: no trial keeps all bounds; loosen one, or try more trials"
    return "no trial was completed; see the reasons of the trials, and change search.space"


def best_of(plan: SearchPlan, trials: Sequence[Trial]) -> Trial | None:
    """Return the completed trial within all bounds with the best first objective that is a metric.

    Of several with the same value it is the one that is best in the other objectives, and of these
    the first one: no other trial beats it.
    """
    place = plan.objectives.index(plan.metric)
    signs = [1.0 if rises else -1.0 for rises in plan.rising]

    def rank(trial: Trial) -> tuple[float, ...]:
        values = [sign * value for sign, value in zip(signs, trial.values, strict=True)]
        return (values[place], *values)

    return max((trial for trial in trials if trial.is_candidate), key=rank, default=None)


def front_of(plan: SearchPlan, trials: Sequence[Trial]) -> list[Trial]:
    """Return the completed trials within all bounds that no other one beats in every objective."""
    signs = np.array([1.0 if rises else -1.0 for rises in plan.rising])
    candidates = [trial for trial in trials if trial.is_candidate and trial.same_as is None]
    values = np.array([signs * trial.values for trial in candidates]).reshape(-1, len(signs))
    front = []
    for trial, own in zip(candidates, values, strict=True):
        beats = (values >= own).all(1) & (values > own).any(1)
        if not beats.any():
            front.append(trial)
    return sorted(front, key=lambda trial: tuple(-signs * trial.values))


def _note_parts(plan: SearchPlan, run: RunDirectory, progress: Progress, ablation: Plan) -> None:
    """Write down how cohorts were cut, so that another machine goes on with the same ones."""
    if progress.parts is None:
        progress.parts = ablation.jobs
        progress.write(run, plan.config.name, plan.objectives)


def _judge(plan: SearchPlan, run: RunDirectory, ended: Ended, trainer: _Trainer) -> None:
    """Train the best trial and the config's own values at fresh seeds, judged by judge rows."""
    progress, best = ended.progress, ended.best
    assert best is not None
    if progress.judged is None:
        progress.judged = {"trial": best.number}
        progress.write(run, plan.config.name, plan.objectives)
    if best.settings.items() <= plan.defaults.items():
        return  # the config's own values are the best
    parts = progress.parts or trainer.parts
    verdict = plan.verdict_plan(best.settings, progress.cohorts, progress.runs, parts)
    _note_parts(plan, run, progress, verdict)
    trained = trainer.train(verdict, "verdict", progress.cohorts)
    _add_report(ended.report, trained.report)
    ended.verdict = verdict
    paths = [planned.path for planned in verdict.runs("comparison")]
    results = [trained.results[path] for path in paths if path in trained.results]
    ended.results = loading.with_judgements(run.path, results, read_index(run.path).values())


def _of_phase(show: Show, phase: str, before: int) -> Show:
    """Return what shows the progress of a part of the search, which counts its own cohorts."""

    def heard(progress: ablations.Progress) -> None:
        cohort = replace(progress.cohort, cohort=progress.cohort.cohort - before)
        show(replace(progress, phase=phase, cohort=cohort))

    return heard


def _add_report(report: Report, more: Report) -> None:
    report.crashed |= more.crashed
    report.remarks += [remark for remark in more.remarks if remark not in report.remarks]
    report.stopped = report.stopped or more.stopped

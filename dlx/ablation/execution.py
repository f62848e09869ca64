"""Training the cohorts of a plan, one after another.

# K runs of a cohort
"""

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dlx.ablation.leaving import Leaving
from dlx.ablation.ledger import Ledger
from dlx.ablation.loading import result_of
from dlx.ablation.plan import Plan, PlannedCohort, PlannedRun
from dlx.ablation.results import RunResult
from dlx.errors import DlxError, StorageError, is_out_of_memory, of_disk, of_plugin, said, told
from dlx.runs import RunDirectory
from dlx.runs.ablations import cohort_folder
from dlx.tracking.evaluations import Evaluation
from dlx.training.records import Outcome, Progress, Stop
from dlx.training.session import Observer, Stopped
from dlx.training.store import CohortStore, PlannedMember, rows_of
from dlx.training.train import train
from dlx.training.trainer import Trainer

OUT_OF_MEMORY = "out of memory"  # what the reason of a cohort that no half of fits begins with


@dataclass(frozen=True)
class CohortProgress:
    """How far a cohort is."""

    cohort: int  # its number
    step: int  # optimizer steps taken
    num_steps: int  # of its longest run
    active: int  # runs that are still training
    steps_per_second: float  # run-steps, since this session began
    # The newest value of the judged metric of each run, by path.
    values: dict[str, float] = field(default_factory=dict)
    # Results of runs that have ended since the last time.
    ended: list[RunResult] = field(default_factory=list)


Show = Callable[[CohortProgress], None]


@dataclass(frozen=True)
class Work:
    """An ablation at work: what all of its cohorts are trained with."""

    plan: Plan
    directory: Path
    # Command, git_commit, versions and plugins, as run.json records them.
    circumstances: Mapping[str, Any]
    show: Show  # is told of progress
    stop: Stop  # says whether to stop between two steps
    inexact: Sequence[str] = ()  # what may be other than when checkpoints were saved
    leaving: Leaving | None = None  # says which runs leave before their last step
    # Makes what writes a cohort's folder, of the arguments of a `CohortStore`.
    store: Callable[..., CohortStore] = CohortStore


def train_cohort(work: Work, cohort: PlannedCohort, runs: Sequence[PlannedRun]) -> list[str]:
    """Train the runs of a cohort that have not ended, from its checkpoint if there is one.

    Returns what happened, in sentences. Raises Stopped when all is saved, and MemoryError where a
    single run does not fit.
    """
    members = {
        run.path: PlannedMember(
            cohort.number_of(run.path), cohort.runs.index(run.path), work.plan.job(run)
        )
        for run in runs
    }
    folder = cohort_folder(work.directory, cohort.number)
    store = work.store(folder, cohort.number, members, work.circumstances)
    reporter = _Reporter(work, cohort, runs, store)
    try:
        return train(
            [member.job for member in members.values()],
            store,
            [reporter],
            cache=RunDirectory(work.directory).cache,
            show=reporter.show,
            stop=work.stop,
            inexact=work.inexact,
        )
    except (Stopped, StorageError):
        raise
    except (Exception, SystemExit) as error:
        if (failure := of_disk(error)) is not None:
            raise failure from error
        store.finish()  # for the runs that had ended
        raise


class _Reporter(Observer):
    def __init__(
        self, work: Work, cohort: PlannedCohort, runs: Sequence[PlannedRun], store: CohortStore
    ) -> None:
        self._work = work
        self._cohort = cohort
        self._store = store
        self._planned = {run.path: run for run in runs}
        split, _, tag = work.plan.metric.partition(".")
        self._judged = (split, tag) if tag else ("dev", "accuracy")
        self._values: dict[str, float] = {}
        self._newest = CohortProgress(cohort.number, 0, 0, len(cohort.runs), 0.0)

    def evaluated(self, trainer: Trainer, evaluation: Evaluation) -> None:
        """Note the newest values of the judged metric."""
        split, tag = self._judged
        values = evaluation.metrics.get(split, {}).get(tag)
        if values is not None:
            members = trainer.members
            self._values |= {members[row].name: values[row] for row in evaluation.rows}
        if (leaving := self._work.leaving) is not None:
            split, _, tag = leaving.metric.partition(".")
            values = evaluation.metrics[split][tag]
            due = [values[row] if row in evaluation.rows else None for row in range(len(values))]
            trainer.dismiss(leaving.leaving(trainer.members, evaluation.step, due))

    def ended(self, trainer: Trainer, outcomes: dict[int, Outcome]) -> None:
        """Hand on the results of runs that have ended."""
        results = []
        for row in outcomes:
            run = self._planned[trainer.members[row].name]
            plan, curve = self._work.plan, self._store.curves[run.path]
            fields = self._store.fields[run.path] | {"rows": rows_of(plan.job(run))}
            number = self._cohort.number_of(run.path)
            results.append(result_of(run, number, fields, curve, plan.section))
        active = len(trainer.members) - len(outcomes)
        self._work.show(
            replace(self._newest, active=active, values=self._take_values(), ended=results)
        )

    def show(self, progress: Progress) -> None:
        """Hand on how far the cohort is."""
        self._newest = CohortProgress(
            self._cohort.number,
            progress.step,
            progress.num_steps,
            progress.active,
            progress.steps_per_second * progress.active,
        )
        self._work.show(replace(self._newest, values=self._take_values()))

    def _take_values(self) -> dict[str, float]:
        values, self._values = self._values, {}
        return values


@dataclass
class Report:
    """What became of the cohorts that were trained."""

    crashed: dict[int, str] = field(default_factory=dict)  # by cohort number, what the error said
    remarks: list[str] = field(default_factory=list)  # sentences on what happened
    stopped: bool = False  # whether training was asked to stop


def train_cohorts(work: Work, cohorts: Sequence[PlannedCohort], ledger: Ledger) -> Report:
    """Train cohorts one after another; one that fails does not take the others along."""
    report = Report()
    for cohort in cohorts:
        try:
            report.remarks += train_cohort(work, cohort, ledger.unfinished(cohort.runs))
        except Stopped:
            report.stopped = True
            break
        except StorageError:
            raise
        except BaseException as error:
            # A plug-in may end the process, or interrupt it.
            if not isinstance(error, Exception) and of_plugin(error) is None:
                raise
            report.crashed[cohort.number] = reason_of(error)
            ledger.fail(cohort, reason_of(error))
        else:
            ledger.add(cohort)
    return report


def reason_of(error: BaseException) -> str:
    """Return an error in words: a user's error as it is, any other with its place."""
    if isinstance(error, DlxError):
        return told(error)
    blamed = of_plugin(error)
    if is_out_of_memory(error):
        return f"{OUT_OF_MEMORY} ({blamed or said(error)})"
    if blamed:
        return blamed
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {said(error)} ({Path(place.filename).name}:{place.lineno})"

"""Training the cohorts of a plan: logged, saved, stopped by signals, resumed.

# K runs of a cohort
"""

import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dlx.ablation import loading
from dlx.ablation.loading import result_of
from dlx.ablation.plan import Plan, PlannedCohort, PlannedRun, runs_by_path
from dlx.ablation.recorder import Recorder, curve_of
from dlx.ablation.results import RunResult
from dlx.ablation.writing import EndedRun, Writer
from dlx.cohort import Cohort
from dlx.data.targets import SharedExamples, TargetSets
from dlx.errors import DlxError, StorageError, is_out_of_memory
from dlx.runs import RunDirectory, checkpoints
from dlx.training.job import Job, initialize
from dlx.training.pretraining import FOLDER, pretrain
from dlx.training.probing import finisher
from dlx.training.process import matmul_precision
from dlx.training.records import Evaluation, Outcome
from dlx.training.trainer import Trainer

OUT_OF_MEMORY = "out of memory"  # what the reason of a cohort that no half of fits begins with
_ONLY_AT_END = ("test",)
_SECONDS_BETWEEN_SHOWS = 0.2


@dataclass(frozen=True)
class CohortProgress:
    """How far a cohort is.

    Attributes:
        cohort: its number
        step: optimizer steps taken
        num_steps: of its longest run
        active: runs that are still training
        steps_per_second: run-steps, since this session began
        values: the newest value of the judged metric of each run, by path
        ended: results of runs that have ended since the last time
    """

    cohort: int
    step: int
    num_steps: int
    active: int
    steps_per_second: float
    values: dict[str, float] = field(default_factory=dict)
    ended: list[RunResult] = field(default_factory=list)


Show = Callable[[CohortProgress], None]


@dataclass(frozen=True)
class Work:
    """An ablation at work: what all of its cohorts are trained with.

    Attributes:
        plan: of the ablation
        directory: of the ablation
        writer: of the runs' directories
        show: is told of progress
        stop: says whether to stop between two steps
    """

    plan: Plan
    directory: Path
    writer: Writer
    show: Show
    stop: Callable[[], bool]

    def unfinished(self, runs: Iterable[PlannedRun]) -> list[PlannedRun]:
        """Return those of the runs that have not ended in any way."""
        return [run for run in runs if loading.status_of(self.directory, run) is None]

    def unfinished_of(self, cohort: PlannedCohort) -> list[PlannedRun]:
        """Return the runs of a cohort that have not ended in any way."""
        known = runs_by_path(self.plan)
        return self.unfinished(known[path] for path in cohort.runs)


class Stopped(Exception):
    """Training was asked to stop, and has saved."""


def train_cohort(work: Work, cohort: PlannedCohort) -> list[str]:
    """Train the runs of a cohort that have not ended yet, from its checkpoint if there is one.

    Where the memory does not suffice, halves of it are trained one after the other.

    Returns:
        sentences of what happened on the way

    Raises:
        Stopped: `stop` said so; the cohort is saved
        StorageError: a file could not be written
        MemoryLimitError: a single run does not fit
    """
    folder = work.directory / "cohorts" / str(cohort.number)
    return _train(work, cohort, work.unfinished_of(cohort), folder)


def _train(
    work: Work, cohort: PlannedCohort, runs: Sequence[PlannedRun], folder: Path
) -> list[str]:
    if not runs:
        return []
    try:
        left = _Session(work, cohort, runs, folder).train()
    except Exception as error:
        if not is_out_of_memory(error) or len(runs) == 1:
            raise
        words = (
            f"cohort {cohort.number}: {len(runs)} runs did not fit into memory; trained in halves"
        )
    else:
        # What the checkpoint did not hold, since a power cut took its directory.
        return _train(work, cohort, left, folder / "rest")
    middle = len(runs) // 2
    remarks = [words]
    for place, half in enumerate((runs[:middle], runs[middle:]), start=1):
        remarks += _train(work, cohort, work.unfinished(half), folder / f"half-{place}")
    return remarks


class _Session:
    """Writes down what happens to the runs of a cohort while they train."""

    def __init__(
        self, work: Work, cohort: PlannedCohort, runs: Sequence[PlannedRun], folder: Path
    ) -> None:
        self._work = work
        self._number = cohort.number
        self._checkpoints = folder / "checkpoints"
        self._runs = {run.path: run for run in runs}
        self._jobs = {run.path: work.plan.job(run) for run in runs}
        self._parameters: dict[tuple[str, int | None], int] = {}
        split, _, tag = work.plan.metric.partition(".")
        self._judged = (split, tag) if tag else ("dev", "accuracy")
        self._run_steps = 0
        self._values: dict[str, float] = {}

    def train(self) -> list[PlannedRun]:
        """Train, and return the runs that the checkpoint knew nothing of."""
        saved = checkpoints.load_newest(self._checkpoints)
        first = next(iter(self._jobs.values()))
        names = list(self._runs)
        recorded = names
        if saved is not None:
            recorded = saved.metadata["recorded"]
            names = saved.metadata["trainer"]["members"]
        minimal = first.config.log.level == "minimal"
        self._recorder = Recorder(recorded, minimal)
        known = dict.fromkeys(names)
        plan, stop = self._work.plan, self._work.stop
        every = runs_by_path(plan)
        jobs = [self._jobs.get(name) or plan.job(every[name]) for name in known]
        if saved is None:
            cache = RunDirectory(self._work.directory).cache / FOLDER
            done = pretrain(jobs, cache, stop=stop)
            if done is None:
                raise Stopped
            jobs = done.jobs
        trainer = trainer_of(jobs, is_new=saved is None)
        self._seconds = np.zeros(len(recorded))
        self._places = {name: place for place, name in enumerate(recorded)}
        if saved is not None:
            trainer.restore(saved.tensors, saved.metadata["trainer"])
            self._recorder.load(saved.tensors)
            self._seconds = saved.tensors["seconds"].numpy().copy()
            trainer.keep([name for name in names if name in self._runs])
        self._began = self._clock = self._checkpointed = self._shown = time.monotonic()
        self._num_steps = max((m.num_steps for m in trainer.members), default=0)
        with matmul_precision(first.config.train.matmul_precision):
            if trainer.members:
                trainer.fit(self, stop)
        if trainer.members:
            self._checkpoint(trainer)
            raise Stopped
        left = [run for name, run in self._runs.items() if name not in known]
        if not left:
            checkpoints.clear(self._checkpoints)
        return left

    def evaluated(self, trainer: Trainer, evaluation: Evaluation) -> None:
        """Note an evaluation."""
        self._count(trainer)
        names = [member.name for member in trainer.members]
        self._recorder.add(evaluation, names, self._seconds, time.time())
        split, tag = self._judged
        values = evaluation.metrics.get(split, {}).get(tag)
        if values is not None:
            self._values |= {names[row]: values[row] for row in evaluation.rows}
        self._report(trainer)

    def advanced(self, trainer: Trainer) -> None:
        """Save a checkpoint at the end of an epoch, and show progress, when it is time."""
        self._run_steps += len(trainer.members)
        now = time.monotonic()
        if now - self._shown > _SECONDS_BETWEEN_SHOWS:
            self._report(trainer)
        at_end = trainer.step % trainer.steps_per_epoch == 0
        every = self._work.plan.config.train.checkpoint_seconds
        if at_end and now - self._checkpointed >= every:
            self._checkpoint(trainer)

    def ended(self, trainer: Trainer, outcomes: dict[int, Outcome]) -> None:
        """Write the directories of the runs that leave."""
        self._count(trainer)
        ended = []
        for row, outcome in outcomes.items():
            name = trainer.members[row].name
            run, job = self._runs[name], self._jobs[name]
            key = (run.arm.folder, run.fold)
            if key not in self._parameters:
                self._parameters[key] = trainer.cohort.network.num_parameters(row)
            info = {
                "seconds": float(self._seconds[self._places[name]]),
                "parameters": self._parameters[key],
                "examples": trainer.examples,
                **job.spent_before,
            }
            ended.append(EndedRun(run, job, outcome, self._recorder.columns(name), info))
        section = self._work.plan.section
        written = self._work.writer.write(ended)
        results = [
            result_of(each.run, info, curve_of(each.columns), section)
            for each, info in zip(ended, written, strict=True)
        ]
        self._report(trainer, results)

    def _count(self, trainer: Trainer) -> None:
        """Share the time since the last count among the runs that trained."""
        now = time.monotonic()
        share = (now - self._clock) / max(len(trainer.members), 1)
        self._clock = now
        self._seconds[[self._places[member.name] for member in trainer.members]] += share

    def _checkpoint(self, trainer: Trainer) -> None:
        tensors, state = trainer.snapshot()
        metadata: dict[str, Any] = {
            "trainer": state,
            "recorded": self._recorder.names,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }
        tensors |= self._recorder.tensors() | {"seconds": torch.from_numpy(self._seconds)}
        checkpoints.save(self._checkpoints, trainer.step, tensors, metadata)
        self._checkpointed = time.monotonic()

    def _report(self, trainer: Trainer, ended: Iterable[RunResult] = ()) -> None:
        self._shown = time.monotonic()
        elapsed = max(self._shown - self._began, 1e-9)
        self._work.show(
            CohortProgress(
                self._number,
                trainer.step,
                self._num_steps,
                len(trainer.members),
                self._run_steps / elapsed,
                self._values,
                list(ended),
            )
        )
        self._values = {}


def trainer_of(ready: Sequence[Job], *, is_new: bool) -> Trainer:
    """Return the trainer of runs that go together; new ones get their initial weights."""
    first = ready[0]
    members = [job.member for job in ready]
    cohort = Cohort(members, first.batch_size, device=first.device)
    examples = _examples_of(ready)
    if is_new:
        initialize(cohort, examples["train"])
    left_out = [name for name in _ONLY_AT_END if name in examples]
    quiet = first.config.log.level == "minimal"
    return Trainer(cohort, examples, left_out, gradient_norms=not quiet, finish=finisher(ready))


def _examples_of(jobs: Sequence[Job]) -> dict[str, SharedExamples]:
    """Return what runs that go together learn from: the same rows, with their own targets.

    Args:
        jobs: whose splits share all tensors, but for the targets of the training rows
    """
    first = jobs[0]
    examples: dict[str, SharedExamples] = {**first.examples()}
    learned = {id(job.splits.train.targets): job for job in jobs}
    if len(learned) == 1:
        return examples
    sets = [job.design.head.encode(job.splits.train.targets) for job in learned.values()]
    numbers = {key: number for number, key in enumerate(learned)}
    which = [numbers[id(job.splits.train.targets)] for job in jobs]
    return examples | {"train": (first.splits.train.inputs, TargetSets(torch.stack(sets), which))}


@dataclass
class Report:
    """What became of the cohorts that were trained.

    Attributes:
        crashed: by cohort number, what the error said
        remarks: sentences of what happened on the way
        stopped: whether training was asked to stop
    """

    crashed: dict[int, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    stopped: bool = False


def train_cohorts(work: Work, cohorts: Sequence[PlannedCohort]) -> Report:
    """Train cohorts one after another; one that fails does not take the others along.

    Raises:
        StorageError: a file could not be written
    """
    report = Report()
    for cohort in cohorts:
        try:
            report.remarks += train_cohort(work, cohort)
        except Stopped:
            report.stopped = True
            break
        except StorageError:
            raise
        except Exception as error:
            report.crashed[cohort.number] = reason_of(error)
            write_crash(work, cohort, reason_of(error))
    return report


def write_crash(work: Work, cohort: PlannedCohort, reason: str) -> None:
    """Write down that the runs of a cohort which have not ended failed."""
    for run in work.unfinished_of(cohort):
        work.writer.failed(run, reason)


def reason_of(error: BaseException) -> str:
    """Return an error in words: a user's error as it is, any other with its place."""
    if isinstance(error, DlxError):
        return str(error)
    if is_out_of_memory(error):
        return f"{OUT_OF_MEMORY} ({error})"
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"


def forget_failed(plan: Plan, directory: Path) -> int:
    """Make the runs that failed ones that have not ended, and return how many there were."""
    count = 0
    for run in runs_by_path(plan).values():
        if loading.status_of(directory, run) == loading.CRASHED:
            (directory / run.path / "run.json").unlink()
            count += 1
    return count

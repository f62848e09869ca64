"""The training of runs that go together: saved, stopped, resumed, in halves if memory is short.

# K runs
"""

import contextlib
import functools
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from dlx.errors import RunError, is_out_of_memory
from dlx.runs import documents
from dlx.runs.checkpoints import Checkpoint
from dlx.runs.documents import NUMBER, count, short
from dlx.tracking.evaluations import Curves, Evaluation
from dlx.training.exactness import check, circumstances, threads_of
from dlx.training.layer_statistics import probe
from dlx.training.records import Outcome, Progress, Show, Stop
from dlx.training.store import Ended, Store
from dlx.training.trainer import Listener, Trainable, Trainer, present

_SECONDS_BETWEEN_SHOWS = 0.2
_WATCHING = {"metric": str, "patience": count, "best?": NUMBER, "waited": count}
_LOWERING = {
    **dict.fromkeys(("factor", "threshold", "final", "share"), NUMBER),
    **dict.fromkeys(("cooldown", "cooling"), count),
}
_SHAPE = {  # of a checkpoint's metadata
    "trainer": {
        "members": [str],
        "step": count,
        "evaluated": int,
        "summed_from": [count],
        "early_stopping": [(None, _WATCHING | {"best_step": count})],
        "plateaus": [(None, _WATCHING | _LOWERING)],
        "dismissed?": {str: str},
    },
    "seconds": ({str: NUMBER}, NUMBER),
    "groups?": [[str]],
    "marks?": {str: str},
    **dict.fromkeys(("steps_before?", "group_start?", "position?", "threads?"), count),
    **dict.fromkeys(("engine?", "generator?", "torch?", "processor?"), str),
    "ended?": {str: dict},
    "stages?": {str: [dict]},
    "inexact?": [dict],
}


@contextlib.contextmanager
def _fitting(saved: Checkpoint) -> Iterator[None]:
    """Turn what does not fit of a checkpoint's tensors into a `RunError`."""
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        raise RunError(
            f"{saved.path} is damaged: what it holds does not fit the run ({short(str(error))}); "
            "delete it to go on from the one before"
        ) from error


class Stopped(Exception):
    """Training was asked to stop, and has saved."""


class Observer:
    """Who is told what becomes of the runs, to draw or to show it; this one does nothing."""

    def began(self, trainer: Trainer, resumed_at: int | None) -> None:
        """Training begins, or goes on after `resumed_at` steps (-1: it begins once more)."""

    def evaluated(self, trainer: Trainer, evaluation: Evaluation) -> None:
        """Runs were evaluated; their gradients of the last step are still in the buffer."""

    def ended(self, trainer: Trainer, outcomes: dict[int, Outcome]) -> None:
        """Runs are about to leave the cohort: by row, how they ended."""

    def close(self) -> None:
        """The session is over, however it ended."""


class Session(Listener):
    """Trains K runs that go together, from their newest checkpoint or from the start.

    The store writes down what becomes of them, observers and `show` are told of it, and `stop` is
    asked between two steps. `began` is `time.monotonic()` when the work for these runs began;
    default: when they train. `inexact` names what may be other than when the checkpoint was saved,
    see `dlx.training.exactness`.
    """

    def __init__(
        self,
        jobs: Sequence[Trainable],
        store: Store,
        observers: Sequence[Observer] = (),
        *,
        show: Show = lambda progress: None,
        stop: Stop = lambda: False,
        began: float | None = None,
        inexact: Collection[str] = (),
    ) -> None:
        self._inexact = inexact
        self._jobs = {job.member.name: job for job in jobs}
        self._first = jobs[0]
        self._store = store
        self._observers = observers
        self._show = show
        self._stop = stop
        self._clock = began
        self._seconds = dict.fromkeys(self._jobs, 0.0)
        self._groups = [list(self._jobs)]  # that are trained one after another
        self._steps_before = 0  # of the groups that are done
        self._group_start = 0  # where their lines begin in metrics.jsonl

    def train(self) -> list[str]:
        """Train all runs to their ends, and return what happened, in sentences.

        Where the memory does not suffice, halves of them are trained one after the other.

        Raises:
            Stopped: `stop` said so; all is saved
            InexactError: it would go on with other bits
            MemoryError: a single run does not fit into memory
        """
        saved = self._store.load()
        if saved is not None:
            self._check_whose(saved)
        with threads_of(None if "threads" in self._inexact else saved):
            return self._train(saved)

    def _train(self, saved: Checkpoint | None) -> list[str]:
        remarks: list[str] = []
        if saved is not None:
            remarks += saved.warnings
            self._restore(saved)
        try:
            while self._groups:
                try:
                    self._train_group(saved)
                except Exception as error:
                    if not is_out_of_memory(error) or len(self._groups[0]) == 1:
                        raise
                    remarks.append(
                        f"{self._store.title}: {len(self._groups[0])} runs did not fit into "
                        "memory; trained in halves"
                    )
                    self._halve()
                saved = None
            self._store.finish()
        finally:
            self._store.close()
            for observer in self._observers:
                observer.close()
        return remarks

    def _check_whose(self, saved: Checkpoint) -> None:
        """Refuse a checkpoint of other runs, whose digest is right too; old ones have no marks."""
        metadata = saved.metadata
        documents.check(metadata, _SHAPE, saved.path)
        names = metadata["trainer"]["members"]
        names = {name for group in metadata.get("groups", [names]) for name in group}
        marks = metadata.get("marks", {})
        step = metadata.get("steps_before", 0) + metadata["trainer"]["step"]
        are_here = names <= self._jobs.keys() and step == saved.step
        if not are_here or any(marks.get(n, self._marks[n]) != self._marks[n] for n in names):
            raise RunError(
                f"{saved.path} is a checkpoint of another run, or of another step than its name "
                "says; delete it to go on from the one before, or put its own in its place"
            )

    @functools.cached_property
    def _marks(self) -> dict[str, str]:
        return {name: job.mark for name, job in self._jobs.items()}

    def _restore(self, saved: Checkpoint) -> None:
        metadata = saved.metadata
        names = metadata["trainer"]["members"]
        seconds = metadata["seconds"]
        if not isinstance(seconds, dict):  # of a single run, before runs shared their sessions
            seconds = dict.fromkeys(names, seconds)
        self._seconds |= seconds
        self._groups = metadata.get("groups", self._groups)
        self._steps_before = metadata.get("steps_before", 0)
        self._group_start = metadata.get("group_start", 0)

    def _train_group(self, saved: Checkpoint | None) -> None:
        names = self._groups[0]
        jobs = [self._jobs[name] for name in names]
        trainer = type(self._first).trainer(jobs, is_new=saved is None)
        self._curves = Curves(names)
        if saved is None:
            resumed_at = self._store.begin(trainer)
            self._group_start = self._store.position()
        else:
            engine = self._first.member.engine
            differing = check(saved, trainer.cohort.device, engine, self._inexact)
            with _fitting(saved):
                trainer.restore(saved.tensors, saved.metadata["trainer"])
            if differing:
                self._store.inexact(differing)
            records = self._store.resume(trainer, saved, self._group_start)
            self._curves.restore(records)
            # A checkpoint at an epoch's end comes before the evaluation there, which is made again.
            state = saved.metadata["trainer"]
            resumed_at = state["step"] - (state["evaluated"] != state["step"])
        for observer in self._observers:
            observer.began(trainer, resumed_at)
        self._newest = None
        self._num_steps = max((member.num_steps for member in trainer.members), default=0)
        self._first_step = trainer.step
        self._began = self._checkpointed = self._shown = time.monotonic()
        self._clock = self._began if self._clock is None else self._clock
        trainer.fit(self, self._stop)
        if trainer.members:
            self._count(trainer)
            self._checkpoint(trainer)
            self._store.interrupted(trainer, self._seconds)
            raise Stopped
        self._groups.pop(0)
        self._clock = None
        self._steps_before += trainer.step
        self._group_start = self._store.position()

    def _halve(self) -> None:
        names = self._groups.pop(0)
        self._clock = None
        self._store.forget(names, self._group_start)
        self._seconds |= dict.fromkeys(names, 0.0)
        middle = len(names) // 2
        self._groups[:0] = [names[:middle], names[middle:]]

    def evaluated(self, trainer: Trainer, evaluation: Evaluation) -> None:
        """Log an evaluation."""
        self._count(trainer)
        if self._first.log_level == "minimal":
            evaluation = evaluation.of_whole_networks()
        else:
            looked_into = trainer.looked_into(trainer.step)
            if any(looked_into[row] for row in evaluation.rows):
                statistics = probe(trainer.cohort, trainer.splits["train"][0])
                evaluation = evaluation.with_metrics(
                    "train", {tag: present(looked_into, own) for tag, own in statistics.items()}
                )
        now = time.time()
        names = [member.name for member in trainer.members]
        self._curves.add(evaluation, names, now)
        self._store.evaluated(names, evaluation, [self._seconds[name] for name in names], now)
        if evaluation.rows:
            self._newest = evaluation.record(evaluation.rows[0])
        for observer in self._observers:
            observer.evaluated(trainer, evaluation)
        self._tell(trainer, is_new=True)

    def advanced(self, trainer: Trainer) -> None:
        """Save a checkpoint and show progress, when it is time.

        With torch's engine a checkpoint is made at the end of an epoch; blocks of steps of the
        native one may pass over these, and end where they are.
        """
        now = time.monotonic()
        if now - self._shown > _SECONDS_BETWEEN_SHOWS:
            self._tell(trainer, is_new=False)
        is_place = trainer.makes_blocks or trainer.step % trainer.steps_per_epoch == 0
        if is_place and now - self._checkpointed >= self._first.config.train.checkpoint_seconds:
            self._count(trainer)
            self._checkpoint(trainer)

    def ended(self, trainer: Trainer, outcomes: dict[int, Outcome]) -> None:
        """Write down how runs ended."""
        self._count(trainer)
        diverged = any(outcome.status == "diverged" for outcome in outcomes.values())
        if self._store.keeps_last_checkpoint and not diverged:
            self._checkpoint(trainer)
        ended = {}
        for row, outcome in outcomes.items():
            name = trainer.members[row].name
            ended[name] = Ended(
                outcome,
                epochs=outcome.step / trainer.steps_per_epoch,
                examples=trainer.examples_at(outcome.step),  # perhaps within a block of steps
                parameters=trainer.cohort.network.num_parameters(row),
                seconds=self._seconds[name],
                curve=self._curves.of(name),
            )
        self._store.ended(trainer, ended)
        for observer in self._observers:
            observer.ended(trainer, outcomes)

    def _count(self, trainer: Trainer) -> None:
        """Share the time since the last count among the runs that trained."""
        now = time.monotonic()
        assert self._clock is not None
        share = (now - self._clock) / max(len(trainer.members), 1)
        self._clock = now
        for member in trainer.members:
            self._seconds[member.name] += share

    def _checkpoint(self, trainer: Trainer) -> None:
        """Save a checkpoint, unless weights are no longer finite: a good one stays."""
        self._checkpointed = time.monotonic()
        if not bool(trainer.cohort.network.buffer.values.isfinite().all()):
            return
        tensors, state = trainer.snapshot()
        metadata: dict[str, Any] = {
            "trainer": state,
            "position": self._store.position(),
            "seconds": self._seconds,
            "groups": self._groups,
            "steps_before": self._steps_before,
            "group_start": self._group_start,
            "marks": {name: self._marks[name] for group in self._groups for name in group},
            **circumstances(trainer.cohort.device, self._first.member.engine),
        }
        more_tensors, more = self._store.state()
        step = self._steps_before + trainer.step
        self._store.save(step, tensors | more_tensors, metadata | more)

    def _tell(self, trainer: Trainer, *, is_new: bool) -> None:
        self._shown = time.monotonic()
        steps = trainer.step - self._first_step
        self._show(
            Progress(
                self._store.folder,
                trainer.step,
                self._num_steps,
                trainer.steps_per_epoch,
                len(trainer.members),
                steps / max(self._shown - self._began, 1e-9),
                self._newest,
                is_new,
                self._first.stage,
            )
        )

"""Training one run in its directory: logged, saved, stopped by signals, resumed."""

import contextlib
import dataclasses
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dlx.config.dump import to_plain
from dlx.config.load import dump
from dlx.errors import DivergedError, Interrupted
from dlx.models.plain import to_torch
from dlx.optimizers.rule import searches
from dlx.runs import RunDirectory, checkpoints, timestamp, weights, write_atomic
from dlx.tracking import Tracker
from dlx.training import insights
from dlx.training.baseline import baseline
from dlx.training.decision import Plane, is_plane
from dlx.training.job import Job
from dlx.training.process import (
    device_name,
    matmul_precision,
    recorded_failures,
    signals,
)
from dlx.training.records import Evaluation, Outcome, Record
from dlx.training.trainer import Trainer

_HISTOGRAMS = 20  # of every layer, over a run
_DECISIONS = 8  # with the first and the last no more than the 10 images that TensorBoard keeps


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        run: its directory
        step: optimizer steps taken
        num_steps: optimizer steps of the whole run
        epoch: passes over the training rows so far
        num_epochs: passes of the whole run
        steps_per_second: since this session began
        record: the newest evaluation
        is_new: whether the evaluation has just been made
    """

    run: Path
    step: int
    num_steps: int
    epoch: float
    num_epochs: float
    steps_per_second: float
    record: Record | None
    is_new: bool


Show = Callable[[Progress], None]


def train(
    job: Job,
    run: RunDirectory,
    show: Show = lambda progress: None,
    *,
    changed: bool = False,
) -> None:
    """Train a run that has a directory, from its newest checkpoint or from the start.

    Args:
        job: the run
        run: its directory; run.json gets status, weights, steps, epochs, seconds, parameters,
            metrics and baseline
        show: is told of progress
        changed: the config is not the one that the directory holds: write it there

    Raises:
        DivergedError: a cost was not finite; the newest checkpoint is one before that
        Interrupted: SIGINT or SIGTERM, after saving
        StorageError: a file could not be written
        MemoryLimitError: the machine or device ran out of memory
        RunInUseError: another process trains the run
    """
    with run.lock(), recorded_failures(run):
        checkpoint = checkpoints.load_newest(run.checkpoints)
        trainer = job.trainer()
        if changed:
            write_atomic(run.config_path, dump(job.config).encode())
        session = _Session(job, run, checkpoint and checkpoint.metadata, show)
        if checkpoint is not None:
            trainer.restore(checkpoint.tensors, checkpoint.metadata["trainer"])
        run.write_info(
            status="running",
            started=run.read_info().get("started") or timestamp(),
            ended=None,
            seed=job.config.seed,
            device=device_name(job.device),
            threads=torch.get_num_threads(),
            parameters=trainer.cohort.network.num_parameters(0),
            data_fingerprint=job.splits.fingerprint,
            task=dataclasses.asdict(job.splits.task),
            features=job.splits.features,
            table=job.splits.encoder is not None,
        )
        preprocessing = job.splits.preprocessing.to("cpu").tensors()
        weights.save(run.path / "preprocessing.safetensors", preprocessing, {})
        if job.splits.encoder is not None:
            write_atomic(run.path / "table.json", job.splits.encoder.to_json())
        with (
            contextlib.closing(session),
            matmul_precision(job.config.train.matmul_precision),
            signals() as received,
        ):
            trainer.fit(session, stop=lambda: bool(received))
            if trainer.members:
                session.interrupted(trainer)
                raise Interrupted(
                    f"stopped by {signal.Signals(received[0]).name} at step {trainer.step}, saved; "
                    f"`dlx resume {run.path}` goes on",
                    received[0],
                )


class _Session:
    """Writes down what happens to one run while it trains."""

    def __init__(
        self, job: Job, run: RunDirectory, resumed: dict[str, Any] | None, show: Show
    ) -> None:
        self._job = job
        self._run = run
        self._show = show
        self._level = job.config.log.level
        drawn = is_plane(job.splits.task) and self._level != "minimal"
        self._plane = Plane(job.splits) if drawn else None
        self._seconds_before = resumed["seconds"] if resumed else 0.0
        self._first_step = resumed["trainer"]["step"] if resumed else 0
        self._began = self._checkpointed = self._shown = time.monotonic()
        self._newest: Record | None = None
        if resumed:
            position, step = resumed["position"], resumed["trainer"]["step"]
        elif run.metrics_path.exists():  # killed before the first checkpoint
            position, step = 0, -1
        else:
            position, step = None, None
        self._tracker = Tracker(run.path, resume_position=position, resume_step=step)
        if not resumed:
            self._tracker.config(dump(job.config))
            self._tracker.hparams(_flat(to_plain(job.config)), job.config.name)

    @property
    def seconds(self) -> float:
        """Seconds that the run has trained, earlier sessions included."""
        return self._seconds_before + time.monotonic() - self._began

    def evaluated(self, trainer: Trainer, evaluation: Evaluation) -> None:
        """Log an evaluation."""
        [row] = evaluation.rows
        self._newest = record = evaluation.record(row)
        metrics = record.metrics
        outputs: dict[str, torch.Tensor] = {}
        if self._level == "full":
            network, inputs = trainer.cohort.network, trainer.splits["train"][0]
            outputs = insights.activations(network, inputs)
            inside = insights.activation_statistics(outputs, row)
            metrics = metrics | {"train": metrics["train"] | inside}
        if self._level == "minimal":
            metrics = {
                split: {k: v for k, v in values.items() if "/" not in k}
                for split, values in metrics.items()
            }
        self._tracker.log(
            {
                "step": record.step,
                "epoch": record.epoch,
                "examples": record.examples,
                "seconds": self.seconds,
                "time": time.time(),
                **metrics,
            }
        )
        if self._level != "minimal" and self._is_among(_HISTOGRAMS, record.step):
            network = trainer.cohort.network
            insights.write_histograms(self._tracker, network, row, record.step, outputs)
        if self._plane is not None and self._is_among(_DECISIONS, record.step):
            cohort = trainer.cohort
            insights.write_decision(self._tracker, cohort, row, record.step, self._plane)
        self._show(self._progress(trainer, is_new=True))

    def advanced(self, trainer: Trainer) -> None:
        """Save a checkpoint at the end of an epoch, and show progress, when it is time."""
        now = time.monotonic()
        if now - self._shown > 0.2:
            self._shown = now
            self._show(self._progress(trainer, is_new=False))
        at_end = trainer.step % trainer.steps_per_epoch == 0
        if at_end and now - self._checkpointed >= self._job.config.train.checkpoint_seconds:
            self._checkpoint(trainer)

    def ended(self, trainer: Trainer, outcomes: dict[int, Outcome]) -> None:
        """Save the final checkpoint and the scored weights, and close run.json."""
        [(row, outcome)] = outcomes.items()
        self._tracker.end_hparams(outcome.status != "diverged")
        if outcome.status == "diverged":
            self._run.write_info(
                status="diverged",
                steps=outcome.step,
                ended=timestamp(),
                reason=outcome.reason,
                seconds=self.seconds,
            )
            limit = "a line search" if searches(self._job.member.optimizer) else "train.clip_norm"
            raise DivergedError(
                f"{outcome.reason}; try a lower optimizer.lr, {limit} or another "
                f"model.init ({self._run.path})"
            )
        self._checkpoint(trainer)
        if self._level == "full":
            task = self._job.splits.task
            insights.write_pictures(
                self._tracker, trainer.cohort, row, outcome, trainer.splits, task
            )
        splits = self._job.splits
        network = to_torch(self._job.design, {k: v.cpu() for k, v in outcome.state.items()})
        weights.save(
            self._run.weights_path,
            network.state_dict(),
            {"step": outcome.step, "weights": outcome.weights},
        )
        self._run.write_info(
            status=outcome.status,
            weights=outcome.weights,
            steps=outcome.step,
            epochs=outcome.step / trainer.steps_per_epoch,
            seconds=self.seconds,
            metrics=outcome.metrics,
            baseline=baseline(splits.task, splits.train, splits.parts, self._job.member.metrics),
            ended=timestamp(),
        )

    def interrupted(self, trainer: Trainer) -> None:
        """Save where training stands."""
        self._checkpoint(trainer)
        self._run.write_info(
            status="interrupted",
            steps=trainer.step,
            epochs=trainer.step / trainer.steps_per_epoch,
            seconds=self.seconds,
            ended=timestamp(),
        )

    def close(self) -> None:
        """Close the files."""
        self._tracker.close()

    def _checkpoint(self, trainer: Trainer) -> None:
        """Save a checkpoint, unless the weights are no longer finite: a good one stays."""
        tensors, state = trainer.snapshot()
        if not bool(trainer.cohort.network.buffer.values.isfinite().all()):
            return
        checkpoints.save(
            self._run.checkpoints,
            trainer.step,
            tensors,
            {
                "trainer": state,
                "position": self._tracker.position(),
                "seconds": self.seconds,
                "threads": torch.get_num_threads(),
                "torch": torch.__version__,
            },
        )
        self._checkpointed = time.monotonic()

    def _progress(self, trainer: Trainer, is_new: bool) -> Progress:
        elapsed = max(time.monotonic() - self._began, 1e-9)
        num_steps = self._job.member.num_steps
        return Progress(
            self._run.path,
            trainer.step,
            num_steps,
            trainer.step / trainer.steps_per_epoch,
            num_steps / trainer.steps_per_epoch,
            (trainer.step - self._first_step) / elapsed,
            self._newest,
            is_new,
        )

    def _is_among(self, count: int, step: int) -> bool:
        """Say whether an evaluation is the first, the last or among `count` spread over the run."""
        member = self._job.member
        number = step // member.evaluate_every
        stride = -(-member.num_steps // (member.evaluate_every * count))
        return number % max(stride, 1) == 0 or step == member.num_steps


def _flat(document: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one of dotted keys, without what is null."""
    flat: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        elif value is not None:
            flat[prefix + key] = value
    return flat

"""Training one run in its directory: logged, saved, stopped by signals, resumed."""

import contextlib
import dataclasses
import json
import signal
import time
from collections.abc import Sequence
from typing import Any

import torch

from dlx.cohort import Cohort
from dlx.config.dump import to_plain
from dlx.config.load import dump
from dlx.errors import DivergedError, Interrupted
from dlx.models.plain import to_torch
from dlx.runs import RunDirectory, checkpoints, timestamp, weights, write_atomic
from dlx.runs.files import finite
from dlx.tracking import Tracker
from dlx.training import insights
from dlx.training.baseline import baseline
from dlx.training.decision import Plane, is_plane
from dlx.training.job import Job
from dlx.training.pretraining import FOLDER, StageProgress, Trained, pretrain
from dlx.training.process import (
    device_name,
    matmul_precision,
    recorded_failures,
    signals,
)
from dlx.training.progress import Progress, Show
from dlx.training.reconstruction import Sample
from dlx.training.records import Evaluation, Outcome, Record
from dlx.training.trainer import Trainer

_HISTOGRAMS = 20  # of every layer, over a run
_PICTURES = 8  # with the first and the last no more than the 10 images that TensorBoard keeps


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
    began = time.monotonic()
    with run.lock(), recorded_failures(run), signals() as received:
        checkpoint = checkpoints.load_newest(run.checkpoints)
        if changed:
            write_atomic(run.config_path, dump(job.config).encode())
        with matmul_precision(job.config.train.matmul_precision):
            stages: list[Trained] = []
            if checkpoint is None and job.stages:
                job, stages = _pretrained(job, run, show, received)
            trainer = job.trainer()
            session = _Session(job, run, checkpoint and checkpoint.metadata, show, began)
            if checkpoint is not None:
                trainer.restore(checkpoint.tensors, checkpoint.metadata["trainer"])
            _write_beginning(job, run, trainer)
            with contextlib.closing(session):
                session.log_stages(stages)
                trainer.fit(session, stop=lambda: bool(received))
                if trainer.members:
                    session.interrupted(trainer)
                    raise _interrupted(run, received, f"at step {trainer.step}")


def _write_beginning(job: Job, run: RunDirectory, trainer: Trainer) -> None:
    """Write down what a run is made of, before it is trained."""
    run.write_info(**_beginning(job, run), parameters=trainer.cohort.network.num_parameters(0))
    preprocessing = job.splits.preprocessing.to("cpu").tensors()
    weights.save(run.path / "preprocessing.safetensors", preprocessing, {})
    if job.splits.encoder is not None:
        write_atomic(run.path / "table.json", job.splits.encoder.to_json())


def _beginning(job: Job, run: RunDirectory) -> dict[str, Any]:
    """Return what run.json says of a run that is being trained."""
    return {
        "status": "running",
        "started": run.read_info().get("started") or timestamp(),
        "ended": None,
        "seed": job.config.seed,
        "device": device_name(job.device),
        "threads": torch.get_num_threads(),
        "data_fingerprint": job.splits.fingerprint,
        "task": dataclasses.asdict(job.splits.task),
        "features": job.splits.features,
        "table": job.splits.encoder is not None,
    }


def _interrupted(run: RunDirectory, received: Sequence[int], where: str) -> Interrupted:
    name = signal.Signals(received[0]).name
    return Interrupted(
        f"stopped by {name} {where}, saved; `dlx resume {run.path}` goes on", received[0]
    )


def _pretrained(
    job: Job, run: RunDirectory, show: Show, received: Sequence[int]
) -> tuple[Job, list[Trained]]:
    """Return the job with what its pre-trained layers have learned, and what became of the stages.

    Raises:
        DivergedError: a cost of a stage was not finite
        Interrupted: SIGINT or SIGTERM, after saving
    """

    run.write_info(**_beginning(job, run))

    def tell(stage: StageProgress) -> None:
        show(
            Progress(
                run.path,
                stage.step,
                stage.num_steps,
                stage.step / stage.steps_per_epoch,
                stage.num_steps / stage.steps_per_epoch,
                stage.steps_per_second,
                stage.record,
                stage.is_new,
                stage.words,
            )
        )

    found = pretrain([job], run.cache / FOLDER, tell, lambda: bool(received))
    if found is None:
        run.write_info(status="interrupted", ended=timestamp())
        raise _interrupted(run, received, "in pre-training")
    [stages] = found.stages
    run.write_info(pretraining=[each.summary for each in stages], warnings=found.warnings)
    for each in stages:
        if each.status == "diverged":
            run.write_info(status="diverged", ended=timestamp(), reason=each.reason)
            raise DivergedError(
                f"pre-training, {each.stage.words}: {each.reason}; try a lower "
                f"pretrain.optimizer.lr or another model.init ({run.path})"
            )
    return found.jobs[0], stages


class _Session:
    """Writes down what happens to one run while it trains."""

    def __init__(
        self,
        job: Job,
        run: RunDirectory,
        resumed: dict[str, Any] | None,
        show: Show,
        began: float,
    ) -> None:
        self._job = job
        self._run = run
        self._show = show
        self._level = job.config.log.level
        drawn = is_plane(job.splits.task) and self._level != "minimal"
        self._plane = Plane(job.splits) if drawn else None
        drawn = job.splits.task.kind == "reconstruction" and self._level != "minimal"
        self._sample = Sample(job.splits, job.labelled, job.design) if drawn else None
        self._seconds_before = resumed["seconds"] if resumed else 0.0
        self._first_step = resumed["trainer"]["step"] if resumed else 0
        self._began = began
        self._first = time.monotonic()  # when its first step was taken, after pre-training
        self._checkpointed = self._shown = time.monotonic()
        self._newest: Record | None = None
        if resumed:
            position, step = resumed["position"], resumed["trainer"]["step"]
            # A checkpoint at an epoch's end comes before the evaluation there, which will be again.
            step -= resumed["trainer"]["evaluated"] != step
        elif run.metrics_path.exists():  # killed before the first checkpoint
            position, step = 0, -1
        else:
            position, step = None, None
        self._tracker = Tracker(
            run.path,
            resume_position=position,
            resume_step=step,
            steps_before=sum(stage.num_steps for stage in job.stages),
        )
        if not resumed:
            self._tracker.config(dump(job.config))
            self._tracker.hparams(_flat(to_plain(job.config)), job.config.name)

    def log_stages(self, stages: Sequence[Trained]) -> None:
        """Write down how pre-training went: pretraining.jsonl, and TensorBoard before the run."""
        if not stages:
            return
        lines = []
        before = 0
        for each in stages:
            its = each.stage
            known = {"stage": its.number, "method": its.method, "reused": each.reused}
            known["layers"] = [layer.name for layer in its.layers]
            for record in each.records:
                lines.append(json.dumps(finite(known | record)))
                self._tracker.stage(before + record["step"], record)
            before += its.num_steps
        content = "".join(f"{line}\n" for line in lines)
        write_atomic(self._run.path / "pretraining.jsonl", content.encode())

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
        if self._is_among(_PICTURES, record.step):
            cohort = trainer.cohort
            if self._plane is not None:
                insights.write_decision(self._tracker, cohort, row, record.step, self._plane)
            if self._sample is not None:
                insights.write_reconstruction(self._tracker, cohort, row, record.step, self._sample)
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
            limit = (
                "a line search" if self._job.member.optimizer.traits.searches else "train.clip_norm"
            )
            raise DivergedError(
                f"{outcome.reason}; try a lower optimizer.lr, {limit} or another "
                f"model.init ({self._run.path})"
            )
        self._checkpoint(trainer)
        self._draw(insights.scored(trainer.cohort, row, outcome), outcome.step)
        self._tracker.final(outcome.step, outcome.worth)
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
            examples=trainer.examples,
            **self._job.spent_before,
            seconds=self.seconds,
            metrics=outcome.metrics,
            baseline=baseline(splits.task, splits.train, splits.parts, self._job.member.metrics),
            ended=timestamp(),
        )

    def _draw(self, scored: Cohort, step: int) -> None:
        """Write the pictures that there are at a run's end, and the points of its codes."""
        task = self._job.splits.task
        if self._sample is not None:
            title = self._job.config.name
            insights.write_codes(self._tracker, scored, step, self._sample, title)
            insights.write_points(self._run.path, scored, self._sample)
        elif self._level == "full":
            insights.write_pictures(self._tracker, scored, step, self._job.examples(), task)

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
        elapsed = max(time.monotonic() - self._first, 1e-9)
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

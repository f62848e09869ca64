"""Training a run again, alone, and comparing what comes out with what was saved."""

import contextlib
import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dlx.models.plain import to_torch
from dlx.runs.checkpoints import Checkpoint
from dlx.tracking.evaluations import Evaluation, Record
from dlx.training.job import Job
from dlx.training.process import matmul_precision
from dlx.training.records import Outcome
from dlx.training.session import Observer, Session, Stopped
from dlx.training.store import Ended, Store
from dlx.training.trainer import Trainer


@dataclass(frozen=True)
class Verification:
    """How a run that was trained again differs from the one that was saved."""

    status: str  # of the run trained again
    same_status: bool  # whether the saved one ended the same way, at the same step
    # Largest difference of a number of the scored weights, relative to the largest size of a number
    # in its tensor; None if one of the two has no weights.
    weights: float | None
    metrics: float  # largest relative difference of a logged or final metric
    missing: int  # evaluations of which one of the two has a metric that the other lacks
    # Optimizer steps at the first evaluation at which a metric differed or was missing; None if
    # there is none.
    parted: int | None

    @property
    def is_identical(self) -> bool:
        """Whether nothing differs, in any bit."""
        return self.same_status and not (self.weights or self.metrics or self.missing)


@dataclass(frozen=True)
class Part:
    """A part of a run's training: with which config, and where it went on with another one."""

    job: Job
    until: int | None = None  # steps taken; None: to the run's end
    is_evaluated: bool = True  # whether the run was evaluated there before it went on


def verify(
    parts: Sequence[Part],
    status: str,
    steps: int,
    lines: Sequence[Mapping[str, Any]],
    tensors: Mapping[str, Tensor] | None,
    final: Mapping[str, Mapping[str, float]],
) -> Verification:
    """Train a run again, as a cohort of one, part after part, and compare it with what was saved.

    That is how it ended and after how many steps, the lines of its metrics.jsonl, its scored
    weights by the names of the plain torch network (None if it diverged), and its final metrics.
    """
    store = _trained(parts)
    job, outcome = parts[-1].job, store.outcome
    assert outcome is not None
    same_status = outcome.status == status and outcome.step == steps
    largest, missing, parted = _compare(store.records, lines)
    ends = [
        _difference(outcome.metrics[split], final[split])
        for split in outcome.metrics
        if split in final
    ]
    at_end = max((difference for difference, _ in ends), default=0.0)
    lacking = sum(is_missing for _, is_missing in ends)
    missing += lacking + (outcome.metrics.keys() != final.keys())
    if (at_end or lacking) and parted is None:
        parted = outcome.step
    weights = None
    if tensors is not None and outcome.state:
        network = to_torch(job.design, {k: v.cpu() for k, v in outcome.state.items()})
        weights = _distance(network.state_dict(), tensors)
    return Verification(outcome.status, same_status, weights, max(largest, at_end), missing, parted)


def _trained(parts: Sequence[Part]) -> "_MemoryStore":
    saved: Checkpoint | None = None
    store = _MemoryStore(None, [])
    for part in parts:
        store = _MemoryStore(saved, store.records)
        clock = _Clock()
        stop = lambda part=part, clock=clock: clock.has_come_to(part)
        job = part.job
        if part.until is not None:  # so that there is a checkpoint where the run went on
            train = job.config.train.model_copy(update={"checkpoint_seconds": 0.0})
            job = replace(job, config=job.config.model_copy(update={"train": train}))
        with matmul_precision(job.config.train.matmul_precision), contextlib.suppress(Stopped):
            # A run may have gone on with another train.device.
            Session([job], store, [clock], stop=stop, inexact=["processor"]).train()
        here = [saved for saved in store.saved if saved.step == part.until]
        if not here:  # it ended before
            break
        saved = next((s for s in here if _is_evaluated(s) == part.is_evaluated), here[-1])
        del store.records[saved.metadata["position"] :]
    return store


def _is_evaluated(saved: Checkpoint) -> bool:
    state = saved.metadata["trainer"]
    return state["evaluated"] == state["step"]


class _Clock(Observer):
    """Knows how far a run has come."""

    _trainer: Trainer | None = None

    def began(self, trainer: Trainer, resumed_at: int | None) -> None:
        """Take note of the trainer."""
        self._trainer = trainer

    def has_come_to(self, part: Part) -> bool:
        """Say whether a part ends here, before or after the evaluation at its last step."""
        if part.until is None or self._trainer is None or self._trainer.step < part.until:
            return False
        return not (part.is_evaluated and self._trainer.is_due)


class _MemoryStore(Store):
    """Keeps what one run measured, how it ended and its checkpoints; nothing is written."""

    keeps_last_checkpoint = True

    def __init__(self, saved: Checkpoint | None, records: list[Record]) -> None:
        self.records = records
        self.outcome: Outcome | None = None
        self.saved: list[Checkpoint] = []
        self._start = saved

    def load(self) -> Checkpoint | None:
        """Return the checkpoint that it goes on from."""
        return self._start

    def position(self) -> int:
        """Return the number of evaluations."""
        return len(self.records)

    def save(self, step: int, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
        """Keep the checkpoints of the newest step."""
        copies = {name: tensor.clone() for name, tensor in tensors.items()}
        self.saved = [saved for saved in self.saved if saved.step == step]
        self.saved.append(Checkpoint(step, copies, copy.deepcopy(metadata), Path()))

    def evaluated(
        self, names: Sequence[str], evaluation: Evaluation, seconds: Sequence[float], now: float
    ) -> None:
        """Keep an evaluation."""
        self.records.append(evaluation.record(0))

    def ended(self, trainer: Trainer, runs: Mapping[str, Ended]) -> None:
        """Keep how the run ended."""
        [ended] = runs.values()
        self.outcome = ended.outcome


def _compare(
    records: Sequence[Record], lines: Sequence[Mapping[str, Any]]
) -> tuple[float, int, int | None]:
    """Return the largest relative difference, missing evaluations, and the first step of either."""
    saved = {line["step"]: line for line in lines}
    trained = {record.step: record.metrics for record in records}
    largest, missing, parted = 0.0, 0, set()
    for step in saved.keys() | trained.keys():
        line, metrics = saved.get(step), trained.get(step)
        if line is None or metrics is None:
            missing += 1
            parted.add(step)
            continue
        difference, lacks = _difference(_by_split_and_tag(metrics), _by_split_and_tag(line))
        if difference or lacks:
            parted.add(step)
        largest, missing = max(largest, difference), missing + lacks
    return largest, missing, min(parted, default=None)


def _by_split_and_tag(line: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    splits = {split: tags for split, tags in line.items() if isinstance(tags, Mapping)}
    return {(split, tag): value for split, tags in splits.items() for tag, value in tags.items()}


def _difference(
    trained: Mapping[Any, float], saved: Mapping[Any, float | None]
) -> tuple[float, bool]:
    """Return the largest relative difference of metrics, and whether one side lacks any.

    What is not finite was saved as null.
    """
    largest = 0.0
    for tag in trained.keys() & saved.keys():
        value, other = trained[tag], saved[tag]
        if other is None:
            if abs(value) < float("inf"):
                largest = float("inf")
        elif value != other:
            largest = max(largest, abs(other - value) / max(abs(value), abs(other)))
    return largest, trained.keys() != saved.keys()


def _distance(trained: Mapping[str, Tensor], saved: Mapping[str, Tensor]) -> float:
    """Return max |a - b| / max |b| of the tensors in which it is largest."""
    distances = [0.0]
    for name, value in trained.items():
        a, b = value.to(torch.float64), saved[name].to(torch.float64)
        if not a.equal(b):
            distances.append(float((a - b).abs().max() / b.abs().max().clamp(min=1e-300)))
    return max(distances)

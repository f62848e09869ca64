"""Runs that the native engine trains, and trainings that begin with exact numbers."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from dlx.cohort import Cohort, Member
from dlx.data.dataset import Task
from dlx.engine.coverage import not_covered
from dlx.testing.bits import bits
from dlx.tracking.evaluations import Evaluation
from dlx.training.layer_statistics import probe
from dlx.training.trainer import Listener, Trainer
from tests.cohorts import all_metrics, mixed_members


def covered(members: Sequence[Member]) -> list[Member]:
    """Return runs without what the native engine does not cover, to be trained by it."""
    runs = [replace(run, engine="native") for run in members]
    return [run for run in runs if not_covered(run) is None]


def mixed(what: Task, hidden: Sequence[int], number: int = 26, **options: object) -> list[Member]:
    """Return runs of one shape and every mixture of choices that the native engine covers."""
    return covered(mixed_members(what, hidden, number, **options))  # type: ignore[arg-type]


def exact(shape: Sequence[int], dtype: torch.dtype, place: int = 0) -> Tensor:
    """Return numbers in [-1, 1) that are the same on every machine: multiples of 1 / 512."""
    number = torch.Size(shape).numel()
    counts = torch.arange(number) * 7919 + 104729 * place
    return ((counts % 1024 - 512).to(torch.float64) / 512).view(*shape).to(dtype)


def trained_exactly(
    members: Sequence[Member], what: Task, num_rows: int, batch_size: int, dtype: torch.dtype
) -> dict[str, list[str]]:
    """Train on exact rows; return digests of each run's end, and of all that it was measured by.

    The first is of weights, optimizer and running statistics, the second of what is recorded at
    every evaluation: the cost, every metric of the task, and what passes through the layers.
    """
    members = [replace(run, metrics=all_metrics(what.kind)) for run in members]
    inputs = exact([num_rows, what.num_inputs], dtype)
    cohort = Cohort(members, batch_size, dtype)
    if what.kind == "reconstruction":
        inputs = inputs.abs() / 2
        targets = inputs
    else:
        classes = torch.arange(num_rows) % max(len(what.classes or ()), 1)
        targets = exact([num_rows, 2], dtype, 1) if what.classes is None else classes
        targets = cohort.head.encode(targets, dtype)
    cohort.initialize(inputs[:batch_size].expand(len(members), -1, -1))
    ended = _Ended()
    Trainer(cohort, {"train": (inputs, targets)}).fit(ended)
    digests = {"ends": ended.ends, "evaluations": ended.evaluations}
    return {what: [own[run.name].hexdigest() for run in members] for what, own in digests.items()}


class _Ended(Listener):
    def __init__(self) -> None:
        self.ends: dict[str, Any] = {}
        self.evaluations: dict[str, Any] = {}

    def evaluated(self, trainer: Trainer, evaluation: Evaluation) -> None:
        layers = probe(trainer.cohort, trainer.splits["train"][0])
        for row in evaluation.rows:
            member = trainer.members[row]
            digest = self.evaluations.setdefault(member.name, hashlib.sha256())
            measured = evaluation.record(row).metrics["train"]
            assert set(member.measured) <= set(measured)
            measured |= {name: values[row] for name, values in layers.items()}
            for name, number in sorted(measured.items()):
                value = torch.tensor(math.nan if number is None else number, dtype=torch.float64)
                digest.update(name.encode())
                digest.update(bits(value).numpy().tobytes())

    def ended(self, trainer: Trainer, outcomes: dict[int, object]) -> None:  # type: ignore[override]
        for row in outcomes:
            alone = trainer.cohort.keep([row]).tensors()
            digest = hashlib.sha256()
            for name, value in sorted(alone.items()):
                digest.update(name.encode())
                digest.update(bits(value).contiguous().numpy().tobytes())
            self.ends[trainer.members[row].name] = digest

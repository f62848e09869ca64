"""Training a run again, alone, and comparing what comes out with what was saved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dlx.models.plain import to_torch
from dlx.training.job import Job
from dlx.training.process import matmul_precision
from dlx.training.records import Evaluation, Outcome, Record
from dlx.training.trainer import Trainer


@dataclass(frozen=True)
class Verification:
    """How a run that was trained again differs from the one that was saved.

    Attributes:
        status: of the run trained again
        same_status: whether the saved one ended the same way, at the same step
        weights: largest difference of a number of the scored weights, relative to the largest size
            of a number in its tensor; None if one of the two has no weights
        metrics: largest relative difference of a logged or final metric
        missing: evaluations that only one of the two has
        parted: optimizer steps at the first evaluation at which a metric differed, or that is
            missing; None if none is
    """

    status: str
    same_status: bool
    weights: float | None
    metrics: float
    missing: int
    parted: int | None

    @property
    def is_identical(self) -> bool:
        """Whether nothing differs, in any bit."""
        return self.same_status and not (self.weights or self.metrics or self.missing)


def verify(
    job: Job,
    status: str,
    steps: int,
    lines: Sequence[Mapping[str, Any]],
    tensors: Mapping[str, Tensor] | None,
    final: Mapping[str, Mapping[str, float]],
) -> Verification:
    """Train a run again, as a cohort of one, and compare.

    Args:
        job: of the run
        status: of the saved run
        steps: optimizer steps that it took
        lines: of its metrics.jsonl
        tensors: its scored weights by the names of the plain torch network; None if it diverged
        final: its final metrics
    """
    listener = _Listener()
    with matmul_precision(job.config.train.matmul_precision):
        job.trainer().fit(listener)
    outcome = listener.outcome
    assert outcome is not None
    same = outcome.status == status and outcome.step == steps
    largest, missing, parted = _compare(listener.records, lines)
    ends = max((_apart(v, final.get(s, {})) for s, v in outcome.metrics.items()), default=0.0)
    if ends and parted is None:
        parted = outcome.step
    largest = max(largest, ends)
    weights = None
    if tensors is not None and outcome.state:
        network = to_torch(job.design, {k: v.cpu() for k, v in outcome.state.items()})
        weights = _distance(network.state_dict(), tensors)
    return Verification(outcome.status, same, weights, largest, missing, parted)


class _Listener:
    """Keeps what one run measured, and how it ended."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.outcome: Outcome | None = None

    def evaluated(self, trainer: Trainer, evaluation: Evaluation) -> None:
        """Keep an evaluation."""
        self.records.append(evaluation.record(0))

    def advanced(self, trainer: Trainer) -> None:
        """Nothing is saved."""

    def ended(self, trainer: Trainer, outcomes: dict[int, Outcome]) -> None:
        """Keep how the run ended."""
        self.outcome = outcomes[0]


def _compare(
    records: Sequence[Record], lines: Sequence[Mapping[str, Any]]
) -> tuple[float, int, int | None]:
    """Return the largest relative difference of a metric, the missing lines, the first step."""
    largest = 0.0
    saved = {line["step"]: line for line in lines}
    missing = saved.keys() ^ {record.step for record in records}
    parted = set(missing)
    for record in records:
        line = saved.get(record.step, {})
        apart = max((_apart(v, line.get(s, {})) for s, v in record.metrics.items()), default=0.0)
        if apart:
            parted.add(record.step)
        largest = max(largest, apart)
    return largest, len(missing), min(parted, default=None)


def _apart(mine: Mapping[str, float], theirs: Mapping[str, float]) -> float:
    """Return the largest relative difference of the metrics that both have."""
    pairs = [(value, theirs.get(tag)) for tag, value in mine.items()]
    return max(
        (
            abs(other - value) / max(abs(value), abs(other))
            for value, other in pairs
            if other is not None and other != value and value == value
        ),
        default=0.0,
    )


def _distance(mine: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> float:
    """Return max |a - b| / max |b| of the tensors in which it is largest."""
    distances = [0.0]
    for name, value in mine.items():
        a, b = value.to(torch.float64), theirs[name].to(torch.float64)
        if not a.equal(b):
            distances.append(float((a - b).abs().max() / b.abs().max().clamp(min=1e-300)))
    return max(distances)

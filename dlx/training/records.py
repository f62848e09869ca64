"""How far runs are, how they end, and what training is given to ask and to tell."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from torch import Tensor

from dlx.cohort import Member
from dlx.nn.metrics import PROBED
from dlx.tracking.evaluations import Metrics, Record


@dataclass(frozen=True)
class Progress:
    """How far the runs of a session are."""

    folder: Path  # that they are kept in; Path(): they are not
    step: int  # optimizer steps taken
    num_steps: int  # of the longest run
    steps_per_epoch: int  # batches in a pass over the training rows
    active: int  # runs that are still training
    steps_per_second: float  # of each, since the first step of this session
    record: Record | None  # the newest evaluation of one of them
    is_new: bool  # whether the evaluation has just been made
    stage: str = ""  # of pre-training, in words; empty: the runs themselves train

    @property
    def epoch(self) -> float:
        """Passes over the training rows so far."""
        return self.step / self.steps_per_epoch

    @property
    def num_epochs(self) -> float:
        """Passes of the longest run."""
        return self.num_steps / self.steps_per_epoch


@dataclass(frozen=True)
class Outcome:
    """How one run ended."""

    # Completed, stopped early, or diverged (a cost was no longer finite).
    status: Literal["completed", "stopped_early", "diverged"]
    # Optimizer steps taken; for a diverged run, those before the cost that was not finite.
    step: int
    weights: Literal["last", "best"]  # which weights are in `state` and were scored
    state: dict[str, Tensor]  # of the network, by name, this run's own
    # Of those weights on all rows of every split, and what its codes are worth; empty for a
    # diverged run.
    metrics: Metrics
    reason: str = ""  # of a divergence, or of being sent away, in words
    # What each row adds to metrics by which the run is judged, by `<split>.<tag>`: (N,) each.
    judged: dict[str, Tensor] = field(default_factory=dict)

    def measured(self, more: Metrics) -> "Outcome":
        """Return the outcome with more metrics."""
        metrics = {split: tags | more.get(split, {}) for split, tags in self.metrics.items()}
        return replace(self, metrics=metrics)


def worth(metrics: Mapping[str, Mapping[str, float]]) -> Metrics:
    """Return what codes are worth: the final metrics that no evaluation before the end measures."""
    kept = {
        split: {tag: value for tag, value in tags.items() if tag in PROBED}
        for split, tags in metrics.items()
    }
    return {split: tags for split, tags in kept.items() if tags}


Show = Callable[[Progress], None]
"""Is told how far runs are."""

Stop = Callable[[], bool]
"""Says whether to stop."""

Finish = Callable[[Sequence[Member], dict[int, Outcome], Stop], dict[int, Outcome] | None]
"""Given the runs of a cohort and how some of them ended, by row, returns the outcomes with more
metrics; None if it was told to stop."""

"""What the loop over a cohort tells those who listen to it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

from torch import Tensor

from dlx.cohort import Member
from dlx.nn.metrics import WORTH

if TYPE_CHECKING:
    from dlx.training.trainer import Trainer

Metrics = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Record:
    """What is known of one run at one evaluation.

    Attributes:
        step: optimizer steps taken
        epoch: passes over the training rows
        examples: training rows seen
        metrics: by split and tag
    """

    step: int
    epoch: float
    examples: int
    metrics: Metrics


@dataclass(frozen=True)
class Outcome:
    """How one run ended.

    Attributes:
        status: completed, stopped early, or diverged (a cost was no longer finite)
        step: optimizer steps taken; for a diverged run, those before the cost that was not finite
        weights: which weights are in `state` and were scored
        state: of the network, by name, this run's own
        metrics: of those weights on all rows of every split, and what else they are worth; empty
            for a diverged run
        reason: of a divergence, in words
    """

    status: Literal["completed", "stopped_early", "diverged"]
    step: int
    weights: Literal["last", "best"]
    state: dict[str, Tensor]
    metrics: Metrics
    reason: str = ""

    @property
    def worth(self) -> Metrics:
        """What codes were found to be worth, which no evaluation before the end tells."""
        found = {
            split: {tag: value for tag, value in its.items() if tag in WORTH}
            for split, its in self.metrics.items()
        }
        return {split: its for split, its in found.items() if its}

    def measured(self, more: Metrics) -> "Outcome":
        """Return the outcome with more metrics."""
        metrics = {split: its | more.get(split, {}) for split, its in self.metrics.items()}
        return replace(self, metrics=metrics)


@dataclass(frozen=True)
class Evaluation:
    """What is known of the runs of a cohort at one step.

    Attributes:
        step: optimizer steps taken
        epoch: passes over the training rows
        examples: training rows seen
        rows: of the runs that were due, ascending
        metrics: by split and tag, a value for every run of the cohort; None for one without it
    """

    step: int
    epoch: float
    examples: int
    rows: list[int]
    metrics: dict[str, dict[str, list[Any]]]

    def record(self, row: int) -> Record:
        """Return what is known of one run."""
        metrics = {
            split: {tag: each[row] for tag, each in values.items() if each[row] is not None}
            for split, values in self.metrics.items()
        }
        return Record(self.step, self.epoch, self.examples, metrics)


class Listener(Protocol):
    """Who hears what happens in the loop."""

    def evaluated(self, trainer: "Trainer", evaluation: Evaluation) -> None:
        """Runs were evaluated; their gradients of the last step are still in the buffer."""
        ...

    def advanced(self, trainer: "Trainer") -> None:
        """A step was taken, and the loop stands between two steps: the place for a checkpoint."""
        ...

    def ended(self, trainer: "Trainer", outcomes: dict[int, Outcome]) -> None:
        """Runs are about to leave the cohort: by row, how they ended."""
        ...


Stop = Callable[[], bool]
"""Says whether to stop."""

Finish = Callable[[Sequence[Member], dict[int, Outcome], Stop], dict[int, Outcome] | None]
"""Given the runs of a cohort and how some of them ended, by row, what else is known of these; told
to stop, None."""


def present(has: Sequence[bool], values: Sequence[Any]) -> list[Any]:
    """Return the values of the runs that have one, and None for the others."""
    if all(has):
        return list(values)
    return [value if there else None for there, value in zip(has, values, strict=True)]

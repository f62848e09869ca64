"""What training tells whoever shows its progress."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dlx.tracking.evaluations import Record


@dataclass(frozen=True)
class Progress:
    """How far the runs of a session are.

    Attributes:
        folder: that they are kept in
        step: optimizer steps taken
        num_steps: of the longest run
        steps_per_epoch: batches in a pass over the training rows
        active: runs that are still training
        steps_per_second: of each, since the first step of this session
        record: the newest evaluation of one of them
        is_new: whether the evaluation has just been made
        stage: of pre-training, in words; empty: the runs themselves train
    """

    folder: Path
    step: int
    num_steps: int
    steps_per_epoch: int
    active: int
    steps_per_second: float
    record: Record | None
    is_new: bool
    stage: str = ""

    @property
    def epoch(self) -> float:
        """Passes over the training rows so far."""
        return self.step / self.steps_per_epoch

    @property
    def num_epochs(self) -> float:
        """Passes of the longest run."""
        return self.num_steps / self.steps_per_epoch


Show = Callable[[Progress], None]

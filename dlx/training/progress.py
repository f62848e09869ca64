"""What training tells whoever shows its progress."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dlx.tracking.evaluations import Record


@dataclass(frozen=True)
class Progress:
    """How far the runs of a session are."""

    folder: Path  # that they are kept in
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


Show = Callable[[Progress], None]

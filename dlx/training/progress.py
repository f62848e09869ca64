"""What a run that is training tells whoever shows it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dlx.training.records import Record


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        run: its directory
        step: optimizer steps taken
        num_steps: optimizer steps of the whole run
        epoch: passes over the training rows so far
        num_epochs: passes of the whole run
        steps_per_second: since the first step of this session
        record: the newest evaluation
        is_new: whether the evaluation has just been made
        stage: of pre-training, in words, whose steps these are; empty: of the run itself
    """

    run: Path
    step: int
    num_steps: int
    epoch: float
    num_epochs: float
    steps_per_second: float
    record: Record | None
    is_new: bool
    stage: str = ""


Show = Callable[[Progress], None]

"""The start of a run's training in memory: what would fail there fails before anything is written.

Each stage of pre-training and then the run itself goes through the session that trains it, up to
the evaluation before its first step and that step. The layers of a stage start from what one step
of the stages before has made of theirs.
"""

import contextlib
import itertools

from torch import Tensor

from dlx.models import stages as networks
from dlx.training.job import Job
from dlx.training.pretraining import StageRun
from dlx.training.process import matmul_precision
from dlx.training.session import Session, Stopped
from dlx.training.store import Store
from dlx.training.trainer import Trainable, Trainer


def rehearse(job: Job) -> None:
    """Evaluate a run's initial weights and make its first step, and those of its pre-training.

    Nothing is written. Raises whatever training would raise there.
    """
    with matmul_precision(job.config.train.matmul_precision):
        learned: dict[str, Tensor] = {}
        for stage in job.stages:
            trainer = _started(StageRun(job, stage, stage.words, dict(learned)))
            learned |= networks.learned(stage.design, trainer.cohort.network.run_state(0))
        _started(job.begun_from(learned) if job.stages else job)


def _started(job: Trainable) -> Trainer:
    """Return the trainer of a run or stage after its first step, if it makes any."""
    store, asked = _Kept(), itertools.count()
    with contextlib.suppress(Stopped):
        Session([job], store, stop=lambda: next(asked) > 0).train()
    return store.trainer


class _Kept(Store):
    """Keeps the trainer; nothing is written."""

    trainer: Trainer

    def begin(self, trainer: Trainer) -> int | None:
        """Keep the trainer."""
        self.trainer = trainer
        return None

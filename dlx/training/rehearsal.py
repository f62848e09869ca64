"""The start of a run's training in memory: what would fail there fails before anything is written.

Each stage of pre-training and then the run itself goes through the session that trains it, up to
the evaluation before its first step and that step. The layers of a stage start from what one step
of the stages before has made of theirs.
"""

import contextlib
from collections.abc import Sequence

from torch import Tensor

from dlx.models import stages as networks
from dlx.training.job import Job
from dlx.training.pretraining import StageRun
from dlx.training.process import matmul_precision
from dlx.training.session import Session, Stopped
from dlx.training.store import Store
from dlx.training.trainer import Trainable, Trainer


def rehearse(jobs: Sequence[Job]) -> None:
    """Evaluate the initial weights of runs that go together, and make their first step.

    Stages of pre-training come first, once for runs whose stages are alike. Nothing is written.
    Raises whatever training would raise there.
    """
    with matmul_precision(jobs[0].config.train.matmul_precision):
        learned: dict[str, dict[str, Tensor]] = {}
        for job in jobs:
            if job.stages and (alike := repr(job.stages)) not in learned:
                learned[alike] = _first_steps(job)
        _started([j.begun_from(learned[repr(j.stages)]) if j.stages else j for j in jobs])


def _first_steps(job: Job) -> dict[str, Tensor]:
    """Return what a step of each stage has made of its layers."""
    learned: dict[str, Tensor] = {}
    for stage in job.stages:
        trainer = _started([StageRun(job, stage, stage.words, dict(learned))])
        learned |= networks.learned(stage.design, trainer.cohort.network.run_state(0))
    return learned


def _started(jobs: Sequence[Trainable]) -> Trainer:
    """Return the trainer of runs or stages after their first step, if they make any."""
    store = _Kept()
    with contextlib.suppress(Stopped):
        Session(jobs, store, stop=lambda: store.trainer.step > 0).train()
    return store.trainer


class _Kept(Store):
    """Keeps the trainer; nothing is written."""

    trainer: Trainer

    def begin(self, trainer: Trainer) -> int | None:
        """Keep the trainer."""
        self.trainer = trainer
        return None

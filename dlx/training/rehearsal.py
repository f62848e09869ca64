"""The start of a run's training in memory: what would fail there fails before anything is written.

Each stage of pre-training and then the run itself goes through the session that trains it, up to
the evaluation before its first step and that step. The layers of a stage start from what one step
of the stages before has made of theirs.
"""

import contextlib
from collections.abc import Mapping, Sequence

from torch import Tensor

from dlx.models import stages as networks
from dlx.training.job import Job
from dlx.training.pretraining import StageRun
from dlx.training.process import matmul_precision
from dlx.training.session import Session, Stopped
from dlx.training.store import Ended, Store
from dlx.training.trainer import Trainable, Trainer


def rehearse(jobs: Sequence[Job]) -> dict[str, str]:
    """Evaluate the initial weights of runs that go together, and make their first step.

    Stages of pre-training come first, once for runs whose stages are alike. Nothing is written.
    Returns why runs diverge before that step, by name; raises whatever training would raise there.
    """
    with matmul_precision(jobs[0].config.train.matmul_precision):
        learned: dict[str, tuple[dict[str, Tensor], str]] = {}
        reasons: dict[str, str] = {}
        begun = []
        for job in jobs:
            if job.stages:
                alike = repr(job.stages)
                learned[alike] = learned.get(alike) or _first_steps(job)
                tensors, reason = learned[alike]
                job = job.begun_from(tensors)
                reasons |= {job.member.name: reason} if reason else {}
            begun.append(job)
        return _started(begun).reasons | reasons


def _first_steps(job: Job) -> tuple[dict[str, Tensor], str]:
    """Return what a step of each stage has made of its layers, and why one diverged, or ""."""
    learned: dict[str, Tensor] = {}
    failure = ""
    for stage in job.stages:
        kept = _started([StageRun(job, stage, stage.words, dict(learned))])
        learned |= networks.learned(stage.design, kept.trainer.cohort.network.run_state(0))
        for reason in kept.reasons.values():
            failure = failure or f"pre-training, {stage.words}: {reason}"
    return learned, failure


def _started(jobs: Sequence[Trainable]) -> "_Kept":
    """Return what is kept of runs or stages after their first step, if they make any."""
    store = _Kept()
    with contextlib.suppress(Stopped):
        Session(jobs, store, stop=lambda: store.trainer.step > 0).train()
    return store


class _Kept(Store):
    """Keeps the trainer, and why runs diverged; nothing is written."""

    trainer: Trainer

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}

    def ended(self, trainer: Trainer, runs: Mapping[str, Ended]) -> None:
        """Keep the reasons."""
        diverged = {name: run for name, run in runs.items() if run.outcome.status == "diverged"}
        self.reasons |= {name: run.outcome.reason for name, run in diverged.items()}

    def begin(self, trainer: Trainer) -> int | None:
        """Keep the trainer."""
        self.trainer = trainer
        return None

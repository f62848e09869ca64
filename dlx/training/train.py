"""From jobs that go together to trained runs: pre-training, then their session."""

from collections.abc import Collection, Sequence
from pathlib import Path

from dlx.training.job import Job
from dlx.training.pretraining import FOLDER, pretrain
from dlx.training.process import matmul_precision
from dlx.training.records import Show, Stop
from dlx.training.session import Observer, Session
from dlx.training.store import CohortStore, RunStore


def train(
    jobs: Sequence[Job],
    store: RunStore | CohortStore,
    observers: Sequence[Observer] = (),
    *,
    cache: Path,
    show: Show = lambda progress: None,
    stop: Stop = lambda: False,
    began: float | None = None,
    inexact: Collection[str] = (),
) -> list[str]:
    """Train runs that go together, from their newest checkpoint or from the start.

    Arguments, remarks and errors are those of `Session`; `cache` is the folder of what can be made
    again, the stages of pre-training.
    """
    remarks: list[str] = []
    with matmul_precision(jobs[0].config.train.matmul_precision):
        if any(job.stages for job in jobs) and store.load() is None:
            pretrained = pretrain(jobs, cache / FOLDER, show, stop)
            remarks += pretrained.warnings
            jobs = pretrained.jobs
            store.pretrained(
                {
                    job.member.name: [stage.result for stage in stages]
                    for job, stages in zip(jobs, pretrained.stages, strict=True)
                }
            )
        session = Session(
            jobs, store, observers, show=show, stop=stop, began=began, inexact=inexact
        )
        return remarks + session.train()

"""How many runs a cohort may hold: a static rule of shapes and sizes.

# K runs, B batch, P parameters of one run (padded)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from dlx.cohort import Cohort
from dlx.optimizers.rule import Search
from dlx.training.evaluation import CHUNK
from dlx.training.job import Job

# Bytes that a cohort's step may work on. On a CPU, beyond what its caches hold a run-step becomes
# dearer again; a GPU wants large products.
_STEP_BYTES = {"cpu": 48 * 2**20, "cuda": 2 * 2**30}
_LEAST = 8  # runs: fewer gain nothing from caches, since one alone is larger than they are
_EVALUATION_BYTES = 2 * 2**30
_WORTH_PROCESSES = 10**10  # bytes: some seconds of work
_COPIES = 3  # of a layer's outputs that a step keeps or makes: z, a and a gradient


@dataclass(frozen=True)
class Size:
    """Bytes that one run of a cohort takes.

    Attributes:
        parameters: with gradients and the optimizer's state
        step: inputs and outputs of all layers for one batch
        evaluation: likewise for the rows that are evaluated at a time
    """

    parameters: int
    step: int
    evaluation: int

    @property
    def total(self) -> int:
        """What a training step works on."""
        return self.parameters + self.step


def size_of(job: Job) -> Size:
    """Return the size of a run, worked out from its shapes."""
    cohort = Cohort([job.member], 1)
    numbers = cohort.network.buffer.values.shape[1]
    itemsize = cohort.dtype.itemsize
    update = job.member.optimizer()
    states = update.vectors if isinstance(update, Search) else len(update.state)
    widths = [job.splits.task.num_inputs, *(part.outputs for part in job.design.parts)]
    rows = max((len(part.inputs) for part in job.splits.parts.values()), default=0)
    per_row = itemsize * sum(widths)
    return Size(
        parameters=itemsize * numbers * (2 + states),
        step=_COPIES * per_row * job.batch_size,
        evaluation=2 * per_row * min(CHUNK, rows),
    )


def largest_cohort(size: Size, device: torch.device) -> int:
    """Return how many runs of a size may train as one cohort."""
    by_step = _STEP_BYTES.get(device.type, _STEP_BYTES["cpu"]) // max(size.total, 1)
    by_evaluation = _EVALUATION_BYTES // max(size.evaluation, 1)
    return max(min(max(by_step, _LEAST), by_evaluation), 1)


def processes(work: int, device: torch.device) -> int:
    """Return how many processes should train cohorts at a time.

    On a CPU, one for each thread that torch may use where there is enough to do that starting them
    pays: a cohort of small networks gains little from a second thread, and all from a second
    process. On CUDA, one for each GPU.

    Args:
        work: bytes that the steps of all runs work on
        device: of the runs
    """
    if device.type == "cuda":
        return max(torch.cuda.device_count(), 1) if device.index is None else 1
    return torch.get_num_threads() if work >= _WORTH_PROCESSES else 1


def parts(counts: Sequence[int], limits: Sequence[int], jobs: int = 1) -> list[int]:
    """Return into how many cohorts each group of runs is cut.

    Args:
        counts: runs of each group
        limits: the most that one cohort may hold, of each group
        jobs: processes: each gets as many cohorts as the others, as far as there are runs
    """
    cut = [-(-count // limit) for count, limit in zip(counts, limits, strict=True)]
    while sum(cut) % jobs and sum(cut) < sum(counts):
        # The group whose cohorts are largest is cut once more.
        sizes = [count / pieces for count, pieces in zip(counts, cut, strict=True)]
        cut[sizes.index(max(sizes))] += 1
    return cut

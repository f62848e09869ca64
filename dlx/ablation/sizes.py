"""How many runs a cohort may have: a rule that depends on shapes and sizes alone.

# K runs, B batch, P parameters of one run (padded)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from dlx.cohort import Cohort
from dlx.optimizers.rule import Search
from dlx.training.evaluation import CHUNK
from dlx.training.job import Job

# Bytes that a cohort's step may work on. On a CPU a step of a run takes longer again when these
# exceed the caches; a GPU is the faster, the more runs share its operations.
_STEP_BYTES = {"cpu": 48 * 2**20, "cuda": 4 * 2**30}
_EVALUATION_BYTES = {"cpu": 2 * 2**30, "cuda": 8 * 2**30}
_LEAST = 8  # runs: where one run exceeds the caches, fewer runs gain nothing
_WORTH_PROCESSES = 10**10  # bytes: some seconds of work
_COPIES = 3  # arrays of a layer's outputs in a step: z, a and a gradient


@dataclass(frozen=True)
class Size:
    """The bytes of one run of a cohort."""

    parameters: int  # with gradients and the optimizer's state
    step: int  # inputs and outputs of all layers for one batch
    evaluation: int  # likewise for the rows that are evaluated together

    @property
    def total(self) -> int:
        """Bytes that a training step works on."""
        return self.parameters + self.step


def size_of(job: Job) -> Size:
    """Return the size of a run, from its shapes."""
    cohort = Cohort([job.member], 1)
    numbers = cohort.network.buffer.values.shape[1]
    itemsize = cohort.dtype.itemsize
    update = job.member.optimizer()
    states = update.vectors if isinstance(update, Search) else len(update.state)
    widths = [job.splits.task.num_inputs, *(part.outputs for part in job.design.parts)]
    rows = max((len(part) for part in job.splits.parts.values()), default=0)
    per_row = itemsize * sum(widths)
    return Size(
        parameters=itemsize * numbers * (2 + states),
        step=_COPIES * per_row * job.batch_size,
        evaluation=2 * per_row * min(CHUNK, rows),
    )


def largest_cohort(size: Size, device: torch.device) -> int:
    """Return how many runs of this size may train as one cohort."""
    by_step = _STEP_BYTES[device.type] // max(size.total, 1)
    by_evaluation = _EVALUATION_BYTES[device.type] // max(size.evaluation, 1)
    return max(min(max(by_step, _LEAST), by_evaluation), 1)


def processes(work: int, device: torch.device) -> int:
    """Return how many processes should train cohorts at the same time, `work` bytes in all steps.

    On a CPU one for each thread that torch may use, if there is enough work to be worth starting
    them: a cohort of small networks gains little from a second thread, but runs fully in parallel
    in a second process. On CUDA one for each GPU.
    """
    if device.type == "cuda":
        return max(torch.cuda.device_count(), 1) if device.index is None else 1
    return torch.get_num_threads() if work >= _WORTH_PROCESSES else 1


def parts(counts: Sequence[int], limits: Sequence[int], jobs: int = 1) -> list[int]:
    """Return the number of cohorts that each group of runs is split into.

    All processes (`jobs`) get the same number of cohorts, if there are enough runs.
    """
    numbers = [-(-count // limit) for count, limit in zip(counts, limits, strict=True)]
    while sum(numbers) % jobs and sum(numbers) < sum(counts):
        # The group with the largest cohorts is split once more.
        sizes = [count / number for count, number in zip(counts, numbers, strict=True)]
        numbers[sizes.index(max(sizes))] += 1
    return numbers

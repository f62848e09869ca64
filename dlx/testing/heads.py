"""Heads of every kind of task, and batches for them.

# K runs, B batch, C outputs
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from dlx.cohort import Cohort
from dlx.config.types import choice
from dlx.data.dataset import Task
from dlx.errors import ConfigError
from dlx.nn.head import Head
from dlx.testing.runs import Variant, numbers

_TASKS = (
    Task("multiclass", 5, 3, ("a", "b", "c"), (5,)),
    Task("binary", 5, 1, ("a", "b"), (5,)),
    Task("multilabel", 5, 3, ("a", "b", "c"), (5,)),
    Task("regression", 5, 2, None, (5,)),
    Task("reconstruction", 5, 5, None, (5,), in_unit_interval=True),
)


def heads(loss: Any = "auto") -> Iterator[tuple[Task, Head, Head]]:
    """Yield the tasks that a loss fits, each with its head in float32 and float64."""
    model = choice("model", "mlp", hidden=[], loss=loss)
    for task in _TASKS:
        try:
            design = model(task)
        except ConfigError:
            continue
        member = Variant(lambda task, made=design: made, choice("optimizer", "sgd"))
        run = member.member("run", task)
        yield task, Cohort([run], 4).head, Cohort([run], 4, torch.float64).head


def targets_of(task: Task, rows: int) -> Tensor:
    """Return targets as the data have them: (N,) class numbers, (N, T) labels or numbers."""
    if task.in_unit_interval:
        return numbers(rows, task.num_outputs, seed=1, dtype=torch.float64).sigmoid()
    if task.classes is None:
        return numbers(rows, task.num_outputs, seed=1, dtype=torch.float64)
    number = torch.arange(rows)
    if task.kind == "multilabel":
        return (number.unsqueeze(1) % torch.tensor([2, 3, 4]) == 0).long()
    return number % len(task.classes)


def batch_of(
    head: Head, task: Task, runs: int, batch: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Return z (K, B, C), and each run's own targets as the head encodes them, (K, B, …)."""
    z = 3 * numbers(runs, batch, head.num_outputs, dtype=dtype)
    targets = head.encode(targets_of(task, runs * batch), dtype)
    return z, targets.view(runs, batch, *targets.shape[1:])

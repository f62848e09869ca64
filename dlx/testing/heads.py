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
    """Yield the tasks that a loss is for, with the head of each in float32 and in float64."""
    variant = Variant(choice("model", "mlp", hidden=[], loss=loss), choice("optimizer", "sgd"))
    for task in _TASKS:
        try:
            run = variant.member("run", task)
        except ConfigError:
            continue
        yield task, Cohort([run], 4).head, Cohort([run], 4, torch.float64).head


def targets_of(task: Task, rows: int) -> Tensor:
    """Return targets of a data set: class numbers (N,), labels (N, T) or numbers (N, T)."""
    if task.classes is None:
        values = numbers(rows, task.num_outputs, seed=1, dtype=torch.float64)
        return values.sigmoid() if task.in_unit_interval else values
    number = torch.arange(rows)
    if task.kind == "multilabel":
        return (number.unsqueeze(1) % torch.tensor([2, 3, 4]) == 0).long()
    return number % len(task.classes)


def batch_of(
    head: Head, task: Task, runs: int, batch: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Return z (K, B, C), and targets of each run as the head encodes them, (K, B, …)."""
    z = 3 * numbers(runs, batch, head.num_outputs, dtype=dtype)
    targets = head.encode(targets_of(task, runs * batch), dtype)
    return z, targets.view(runs, batch, *targets.shape[1:])

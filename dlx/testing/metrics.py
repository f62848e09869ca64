"""Checks of a metric.

# K runs, N rows, C outputs
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dlx.config.types import Choice
from dlx.data.dataset import Task
from dlx.nn.head import Head
from dlx.nn.metrics import Measurement, check_metrics, tag
from dlx.testing.bits import assert_near, assert_same_bits, exactly
from dlx.testing.heads import heads, targets_of
from dlx.testing.runs import chosen, numbers

_RUNS, _ROWS = 3, 50
_CHUNKS = (_ROWS, 7, 1)


def check_metric(metric: str | Callable[..., Tensor], **options: Any) -> None:
    """Check that a metric measures each run by its own outputs alone.

    For each kind of task that it is for, it returns one value per run, (K,) float64, with the same
    bits alone and beside other runs, even if one of these has diverged. Chunks of any size and rows
    in any order give the same value. Perfect outputs have a better value than random ones, as
    `rising` says. With a `scale` all values lie between 0 and 1. Rows of a single class raise no
    error.
    """
    named = chosen("metric", metric, options)
    kinds = named.traits.kinds
    measured = 0
    with exactly():
        for task, head, _ in heads():
            if task.kind in kinds:
                check_metrics([named], head)
                _check(f"metric {named.name}, {task.kind} targets", named, task, head)
                measured += 1
    assert measured, f"metric {named.name}: {kinds} are no kinds of tasks"


def _check(what: str, named: Choice, task: Task, head: Head) -> None:
    truth = targets_of(task, _ROWS)
    z = numbers(_RUNS, _ROWS, head.num_outputs)
    values = _measure(what, named, head, z, truth)
    _check_runs(what, named, head, z, truth, values)
    for size in _CHUNKS:
        cut = _measure(what, named, head, z, truth, size)
        assert_near(cut, values, f"{what}: in chunks of {size} rows against all at once", 1e-9)
    backwards = _measure(what, named, head, z.flip(1), truth.flip(0))
    assert_near(backwards, values, f"{what}: its rows backwards against forwards", 1e-9)
    perfect = _measure(what, named, head, _perfect(task, head, truth), truth)[0].item()
    rising = named.traits.rising
    best = values.max().item() if rising else -values.min().item()
    assert (perfect if rising else -perfect) > best, (
        f"{what}: perfect answers have the value {perfect:g}, answers at random "
        f"{', '.join(f'{value:g}' for value in values.tolist())}; rising={rising} says that the "
        f"{'larger' if rising else 'smaller'} one is the better"
    )
    if named.traits.scale:
        # Each run's outputs turned round are as wrong as the others are right.
        wrong = _measure(what, named, head, -_perfect(task, head, truth), truth)
        for value in (*values.tolist(), perfect, wrong[0].item()):
            assert not value < 0 and not value > 1, (
                f"{what}: it has the value {value:g}, but its scale {named.traits.scale!r} says "
                "that it lies between 0 and 1; leave scale out"
            )
    if task.classes is not None:
        _measure(what, named, head, z, torch.zeros_like(truth))


def _check_runs(
    what: str, named: Choice, head: Head, z: Tensor, truth: Tensor, values: Tensor
) -> None:
    cure = "compute each run's value from its own row of z, in integers or along contiguous rows"
    for run in range(_RUNS):
        alone = _measure(what, named, head, z[run : run + 1].clone(), truth)
        where = f"{what}, run {run + 1} of {_RUNS} against alone"
        assert_same_bits({"the value": values[run]}, {"the value": alone[0]}, where, cure)
    own = _measure(what, named, head, z, truth, num_sets=_RUNS)
    own_where = f"{what}, with targets (K, N, ...) of each run against (1, N, ...), which all share"
    let = "let targets broadcast against z"
    assert_same_bits({"the values": own}, {"the values": values}, own_where, let)
    diverged = z.clone()
    diverged[-1] = torch.nan
    beside = _measure(what, named, head, diverged, truth)
    where = f"{what}, beside a run whose z is not finite against beside one whose is"
    assert_same_bits({"the values": beside[:-1]}, {"the values": values[:-1]}, where, cure)


def _measure(
    what: str,
    named: Choice,
    head: Head,
    z: Tensor,
    truth: Tensor,
    size: int = _ROWS,
    num_sets: int = 1,
) -> Tensor:
    """Return the metric of each run (K,), whose targets are shared, or own with K sets of them."""
    targets = head.encode(truth, torch.float32)
    measurement = Measurement(head, [named])
    before = {"z": z.clone(), "targets": targets.clone()}
    for z_chunk, target_chunk in zip(z.split(size, 1), targets.split(size), strict=True):
        measurement.add(z_chunk, target_chunk.expand(num_sets, *target_chunk.shape))
    of_all = targets.expand(num_sets, *targets.shape)
    value = measurement.results(len(targets), lambda: of_all)[tag(named)]
    cure = "do not write over arguments"
    assert_same_bits({"z": z, "targets": targets}, before, f"{what}: after it was measured", cure)
    assert value.shape == z.shape[:1] and value.dtype == torch.float64, (
        f"{what}: it returns {tuple(value.shape)}, {value.dtype}; return a value per run, "
        f"({len(z)},) in torch.float64"
    )
    return value


def _perfect(task: Task, head: Head, truth: Tensor) -> Tensor:
    """Return the z of a run whose outputs are all correct: (1, N, C)."""
    if task.classes is None:
        z = truth.logit() if head.output_name == "sigmoid" else truth
        return z.float().unsqueeze(0)
    if task.kind == "multiclass":
        truth = torch.nn.functional.one_hot(truth, head.num_outputs)
    return (20.0 * truth.view(1, len(truth), head.num_outputs) - 10).float()

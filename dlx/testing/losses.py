"""Checks of a loss.

# K runs, B batch, C outputs
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dlx.data.dataset import Task
from dlx.nn.head import Head
from dlx.testing.bits import assert_near, assert_same_bits, exactly
from dlx.testing.heads import batch_of, heads
from dlx.testing.runs import chosen, numbers

_RUNS = 3
_STEP = 1e-6  # of finite differences


def check_loss(loss: str | Callable[..., Tensor], **options: Any) -> None:
    """Check that a loss gives every run the mean cost of its own batch, and its gradient.

    For each kind of task that it is for, it returns one cost per run, (K,), with the same bits
    alone and beside other runs. The cost is a mean over the rows: a batch that is repeated costs
    the same. The gradient is the derivative (by central differences in float64). If it `weighs`
    outputs, weights of 1 change no bit, and the cost is the weighted sum of the outputs' costs.
    """
    named = chosen("loss", loss, options)
    taken = 0
    with exactly():
        for task, head32, head64 in heads(named):
            what = f"loss {named.name}, {task.kind} targets"
            for batch in (1, 4, 7, 50):
                _check_alone(what, head32, task, batch)
            _check_mean(what, head64, task)
            _check_gradient(what, head64, task)
            if named.traits.weighs:
                _check_weights(what, head32, head64, task)
            taken += 1
    assert taken, f"loss {named.name}: no task of classes or numbers takes it"


def _check_alone(what: str, head: Head, task: Task, batch: int) -> None:
    z, targets = batch_of(head, task, _RUNS, batch, torch.float32)
    costs, gradient = head.cost_and_gradient(z, targets)
    assert costs.shape == (_RUNS,), (
        f"{what}: for z of shape {tuple(z.shape)} its costs have shape {tuple(costs.shape)}; "
        f"return one number per run, ({_RUNS},)"
    )
    for run in range(_RUNS):
        own = z[run : run + 1].clone()
        cost, slope = head.cost_and_gradient(own, targets[run : run + 1].clone())
        assert_same_bits(
            {"the cost": costs[run], "dZ": gradient[run]},
            {"the cost": cost[0], "dZ": slope[0]},
            f"{what}, batch {batch}, run {run + 1} of {_RUNS} against alone",
            "take each run's mean over its own rows, and no sum over the runs",
        )


def _check_mean(what: str, head: Head, task: Task) -> None:
    z, targets = batch_of(head, task, _RUNS, 5, torch.float64)
    once = head.cost(z, targets)
    twice = head.cost(torch.cat([z, z], 1), torch.cat([targets, targets], 1))
    assert_near(twice, once, f"{what}: a batch twice over must cost the same, the mean", 1e-12)


def _check_gradient(what: str, head: Head, task: Task) -> None:
    z, targets = batch_of(head, task, _RUNS, 4, torch.float64)
    costs, gradient = head.cost_and_gradient(z.clone(), targets)
    assert_near(costs, head.cost(z, targets), f"{what}: its cost with and without gradient", 1e-12)
    expected = torch.empty_like(z)
    for row in range(z.shape[1]):
        for column in range(z.shape[2]):
            up, down = z.clone(), z.clone()
            up[:, row, column] += _STEP
            down[:, row, column] -= _STEP
            slope = (head.cost(up, targets) - head.cost(down, targets)) / (2 * _STEP)
            expected[:, row, column] = slope
    assert_near(gradient, expected, f"{what}: its gradient dZ, against finite differences", 1e-7)


def _check_weights(what: str, head32: Head, head64: Head, task: Task) -> None:
    for batch in (1, 7, 50):
        z, targets = batch_of(head32, task, _RUNS, batch, torch.float32)
        plain = head32.cost_and_gradient(z.clone(), targets)
        ones = head32.cost_and_gradient(z.clone(), targets, torch.ones_like(z))
        assert_same_bits(
            dict(zip(("the costs", "dZ"), ones, strict=True)),
            dict(zip(("the costs", "dZ"), plain, strict=True)),
            f"{what}, batch {batch}, weights of 1 against none",
            "multiply each output's cost and gradient by its weight, and divide by their number",
        )
    z, targets = batch_of(head64, task, _RUNS, 4, torch.float64)
    weights = 3 * numbers(*z.shape, seed=2, dtype=torch.float64).sigmoid()
    costs, gradient = head64.cost_and_gradient(z.clone(), targets, weights)
    parts, slopes = torch.zeros_like(costs), torch.zeros_like(gradient)
    for column in range(z.shape[2]):
        for row in range(z.shape[1]):
            alone = torch.zeros_like(z)
            alone[:, row, column] = 1
            cost, slope = head64.cost_and_gradient(z.clone(), targets, alone)
            parts += weights[:, row, column] * cost
            slopes += weights[:, row, column, None, None] * slope
    assert_near(costs, parts, f"{what}: its cost by weights, against the outputs' own", 1e-12)
    assert_near(gradient, slopes, f"{what}: its gradient by weights, likewise", 1e-12)

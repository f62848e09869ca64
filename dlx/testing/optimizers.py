"""Checks of an optimizer.

# K runs, P parameters of one run (padded)
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from dlx.cohort import Cohort, group
from dlx.config.types import choice
from dlx.testing.bits import assert_same_bits, exactly
from dlx.testing.runs import (
    Variant,
    assert_alone_or_together,
    chosen,
    numbers,
    plain_variant,
    regression,
)

_BATCH = 7


def check_optimizer(optimizer: str | Callable[..., Any], **options: Any) -> None:
    """Check that an optimizer updates each run from its own row alone, wherever that is.

    A run trains to the same bits alone and beside runs of the same optimizer and of another one,
    also after one of these has left. Weights change and stay finite. The padding of rows stays
    zero.
    """
    named = chosen("optimizer", optimizer, options)
    what = f"optimizer {named.name}"
    run = replace(plain_variant(5), optimizer=named)
    same = replace(run, seed=1)
    other = replace(plain_variant(5), seed=2, optimizer=choice("optimizer", "adam"))
    with exactly():
        assert_alone_or_together(what, run, (same, other))
        _check_leaving(what, run, same)


def _check_leaving(what: str, run: Variant, same: Variant) -> None:
    """Check that a run is trained, to the same bits if its neighbour leaves after two steps."""
    task = regression(5)
    members = [same.member("neighbour", task), run.member("run", task)]
    alone = Cohort(members[1:], _BATCH)
    alone.initialize()
    start = alone.network.buffer.values.clone()
    _take_steps(alone, 0, 4)
    after = alone.network.buffer.values
    assert bool(after.isfinite().all()), f"{what}: weights are not finite after 4 small steps"
    assert not torch.equal(after, start), f"{what}: 4 steps leave every weight as it was"
    owned = torch.zeros_like(start, dtype=torch.bool)
    for parameter in alone.network.buffer.parameters:
        owned[:, parameter.columns] = True
    assert not bool(after[~owned].any()), (
        f"{what}: it moves the padding of a row, whose weights and gradients are zero"
    )
    if len(group(members)) > 1:
        return
    cohort = Cohort(members, _BATCH)
    cohort.initialize()
    _take_steps(cohort, 0, 2)
    cohort = cohort.keep([1])
    _take_steps(cohort, 2, 4)
    assert_same_bits(
        cohort.network.run_state(0),
        alone.network.run_state(0),
        f"{what}, after its neighbour left against alone",
        "keep what goes on from step to step in the rule's state and counters",
    )


def _take_steps(cohort: Cohort, first: int, end: int) -> None:
    num_runs = len(cohort.members)
    x = numbers(_BATCH, 5).expand(num_runs, -1, -1)
    targets = numbers(_BATCH, 2, seed=1).expand(num_runs, -1, -1)
    for step in range(first, end):
        cohort.forward_backward(x, targets, step)
        cohort.update(x, targets, step)

"""Sparsity penalties that are no penalty of each run's own code fail the check."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import dlx
from dlx.testing import check_sparsity

pytestmark = pytest.mark.usefixtures("forgotten")

PENALTIES: dict[str, Callable[[Tensor], object]] = {
    r"for codes of shape \(3, 1, 5\) it returns \(\); return one number per run, \(3,\)": (
        lambda code: code.abs().mean()
    ),
    r"it returns \(3, 5\); return one number per run": lambda code: code.mean(1),
    r"it returns float; return one": lambda code: 1.0,
    r"no gradient passes through what it returns": lambda code: code.detach().mean((1, 2)),
    r"batch 1, run 1 of 3 against alone: the value .* no sum over the runs": lambda code: (
        code.mean((1, 2)) + code.mean()
    ),
    r"against itself: .*; draw nothing at random": lambda code: (
        code.mean((1, 2)) * torch.rand(len(code))
    ),
    r"a batch twice over must be as far from sparse": lambda code: code.sum((1, 2)),
    r"its gradient is 0, so that no code changes": lambda code: (
        (code > 0.5).sum((1, 2)) / (code.shape[1]) + 0 * code.sum((1, 2))
    ),
    r"its gradient where all units are 0 is not finite": lambda code: code.sqrt().mean((1, 2)),
    r"its value where all units are 0 is not finite": lambda code: -code.log().mean((1, 2)),
}


@pytest.mark.parametrize("message", PENALTIES)
def test_a_penalty_that_is_not_of_each_runs_own_code(message: str) -> None:
    @dlx.register("sparsity")
    def mine(code: Tensor) -> object:
        """Mine."""
        return PENALTIES[message](code)

    with pytest.raises(AssertionError, match=message):
        check_sparsity(mine)


def test_a_penalty_of_ones_own() -> None:
    @dlx.register("sparsity")
    def student(code: Tensor, *, scale: float = 1.0) -> Tensor:
        """The logarithm of a Student t distribution's density, of the mean row."""
        return torch.log1p((code / scale).square()).flatten(1).sum(1) / code.shape[1]

    check_sparsity("student", scale=0.5)

"""Checks of a sparsity penalty.

# K runs, B batch, C units of the code
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from dlx.config.types import Choice, choice
from dlx.data.dataset import Task
from dlx.models.design import Design
from dlx.nn.layers.code import CodeSpec
from dlx.testing.bits import assert_near, assert_same_bits, exactly
from dlx.testing.runs import Variant, assert_alone_or_together, chosen, numbers, plain_variant

_RUNS = 3
_UNITS = 5
_CURE = "take each run's number from its own codes, and no sum over the runs"


def check_sparsity(sparsity: str | Callable[..., Tensor], **options: Any) -> None:
    """Check that a sparsity penalty gives every run a number for its own code, and a gradient.

    Of units in (0, 1), as after a sigmoid, it returns one number per run, (K,), with the same bits
    every time, alone and beside other runs. The number does not grow with the batch: a batch that
    is repeated has the same. The gradient is not 0 everywhere. Number and gradient are finite, also
    if all units are 0. A run trains to the same bits alone and beside others.
    """
    named = chosen("sparsity", sparsity, options)
    what = f"sparsity {named.name}"
    with exactly():
        for batch in (1, 4, 7, 50):
            _check_alone(what, named, batch)
        _check_batch(what, named)
        _check_gradient(what, named)
        run = _variant(named)
        other = replace(_variant(None), seed=1)
        same = replace(run, seed=2, optimizer=choice("optimizer", "adam"))
        assert_alone_or_together(what, run, (other, same))


def _check_alone(what: str, named: Choice, batch: int) -> None:
    code = _codes(_RUNS, batch, torch.float32)
    values, gradient = _penalty(what, named, code)
    again, slope = _penalty(what, named, code)
    assert_same_bits(
        {"the value": values, "the gradient": gradient},
        {"the value": again, "the gradient": slope},
        f"{what}, batch {batch}, against itself",
        "draw nothing at random",
    )
    for run in range(_RUNS):
        value, slope = _penalty(what, named, code[run : run + 1].clone())
        assert_same_bits(
            {"the value": values[run], "the gradient": gradient[run]},
            {"the value": value[0], "the gradient": slope[0]},
            f"{what}, batch {batch}, run {run + 1} of {_RUNS} against alone",
            _CURE,
        )


def _check_batch(what: str, named: Choice) -> None:
    code = _codes(_RUNS, 6, torch.float64)
    once, _ = _penalty(what, named, code)
    twice, _ = _penalty(what, named, torch.cat([code, code], 1))
    assert_near(twice, once, f"{what}: a batch twice over must be as far from sparse", 1e-12)


def _check_gradient(what: str, named: Choice) -> None:
    _, gradient = _penalty(what, named, _codes(_RUNS, 6, torch.float64))
    assert bool((gradient != 0).any()), f"{what}: its gradient is 0, so that no code changes by it"
    for place, code in (
        ("of units in (0, 1)", _codes(_RUNS, 6, torch.float32)),
        ("where all units are 0", torch.zeros(_RUNS, 6, _UNITS)),
    ):
        results = _penalty(what, named, code)
        for name, result in zip(("value", "gradient"), results, strict=True):
            assert bool(result.isfinite().all()), (
                f"{what}: its {name} {place} is not finite; keep logarithms, roots and quotients "
                "away from 0"
            )


def _penalty(what: str, named: Choice, code: Tensor) -> tuple[Tensor, Tensor]:
    """Return the penalty of each run (K,), and its gradient by the codes (K, B, C)."""
    own = code.clone().requires_grad_()
    values = named(own)
    expected = (len(code),)
    assert isinstance(values, Tensor) and values.shape == expected, (
        f"{what}: for codes of shape {tuple(code.shape)} it returns "
        f"{tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__}; return "
        f"one number per run, {expected}"
    )
    assert values.requires_grad, (
        f"{what}: no gradient passes through what it returns; compute it by torch, without detach"
    )
    [gradient] = torch.autograd.grad(values.sum(), own)
    return values.detach(), gradient


def _codes(runs: int, batch: int, dtype: torch.dtype) -> Tensor:
    """Return codes (K, B, C) in (0, 1)."""
    return numbers(runs, batch, _UNITS, dtype=dtype).sigmoid()


def _variant(sparsity: Choice | None) -> Variant:
    """Return a network whose hidden layer is a sparse code."""
    plain = plain_variant(_UNITS, activation=choice("activation", "sigmoid"))

    def design(task: Task) -> Design:
        network = plain.design(task)
        code = CodeSpec("code", _UNITS, sparsity=sparsity)
        layers = (network.layers[0], code, *network.layers[1:])
        return replace(network, layers=layers, code="code")

    return replace(plain, design=design)

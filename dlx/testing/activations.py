"""Checks of an activation.

# K runs, B batch, O outputs
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dlx.config.types import Choice
from dlx.nn.activate import Activation
from dlx.nn.parameters import ParameterBuffer
from dlx.testing.bits import assert_near, assert_same_bits, exactly
from dlx.testing.runs import assert_alone_or_together, chosen, neighbours, numbers, plain_variant

_TAIL = (
    "torch computes the end of a buffer by other instructions than its middle for some functions; "
    "compose it of exp, expm1, log1p, tanh, erf and reciprocal"
)
_STEP = 1e-6  # of finite differences


def check_activation(activation: str | Callable[..., Tensor], **options: Any) -> None:
    """Check that an activation keeps the laws of the run axis.

    It is elementwise, and its bits do not depend on the place in the buffer. Its gradient, also
    that of learned numbers, is the derivative (by central differences in float64). Its torch module
    computes the same. A run trains to the same bits alone and beside others.
    """
    choice = chosen("activation", activation, options)
    what = f"activation {choice.name}"
    with exactly():
        _check_shape(what, choice)
        _check_places(what, choice)
        _check_module(what, choice)
        if choice.traits.trainable:
            _check_gradient(what, choice)
            run = plain_variant(5, activation=choice)
            assert_alone_or_together(what, run, neighbours(run, 5))


def _check_shape(what: str, choice: Choice) -> None:
    for dtype in (torch.float32, torch.float64):
        z = numbers(2, 3, 5, dtype=dtype)
        before = z.clone()
        a = _layer(choice, 2, dtype).forward(z)
        assert torch.equal(z, before), f"{what}: it writes over its input z"
        assert (a.shape, a.dtype) == (z.shape, dtype), (
            f"{what}: for z of shape {tuple(z.shape)}, {dtype}, it returns {tuple(a.shape)}, "
            f"{a.dtype}; it must be elementwise and keep the type"
        )


def _check_places(what: str, choice: Choice) -> None:
    layer = _layer(choice, 1, torch.float32)
    trainable = choice.traits.trainable
    for length in (1, 3, 16, 33, 70):
        for before, after in ((0, 1), (1, 0), (5, 2), (16, 7)):
            whole = 4 * numbers(1, 1, before + length + after, seed=length)
            part = whole[..., before : before + length].clone()
            long, short = layer.forward(whole), layer.forward(part)
            inner = slice(before, before + length)
            among, alone = {"g(z)": long[..., inner]}, {"g(z)": short}
            if trainable:
                among["g'(z)"] = layer.backward(torch.ones_like(whole), whole, long)[..., inner]
                alone["g'(z)"] = layer.backward(torch.ones_like(part), part, short)
            where = f"{what}, {length} numbers after {before} others against alone"
            assert_same_bits(among, alone, where, _TAIL)


def _check_gradient(what: str, choice: Choice) -> None:
    layer = _layer(choice, 2, torch.float64)
    z = 3 * numbers(2, 8, 9, dtype=torch.float64)
    upstream = numbers(2, 8, 9, seed=1, dtype=torch.float64)
    a = layer.forward(z)
    kept = z.clone(), a.clone()
    gradient = layer.backward(upstream.clone(), z, a)
    assert torch.equal(z, kept[0]) and torch.equal(a, kept[1]), (
        f"{what}: its backward formula writes over z or a; it may write over `upstream` alone"
    )
    slope = (layer.forward(z + _STEP) - layer.forward(z - _STEP)) / (2 * _STEP)
    _check_near(
        f"{what}: its gradient dA g'(z), against finite differences", gradient, upstream * slope
    )
    for parameter in layer.parameters:
        start = parameter.value.clone()
        sums = []
        for change in (_STEP, -_STEP):
            parameter.value.copy_(start + change)
            sums.append((layer.forward(z) * upstream).flatten(1).sum(1, keepdim=True))
        parameter.value.copy_(start)
        name = parameter.name.rpartition(".")[2]
        expected = (sums[0] - sums[1]) / (2 * _STEP)
        where = f"{what}: the gradient of {name}, by finite differences"
        _check_near(where, parameter.gradient, expected)


def _check_module(what: str, choice: Choice) -> None:
    module = choice.traits.module
    if module is not None:
        z = torch.linspace(-6, 6, 241, dtype=torch.float64).view(1, 1, -1)
        expected = module(**choice.arguments()).double()(z).detach()
        a = _layer(choice, 1, torch.float64).forward(z)
        _check_near(f"{what}: g(z) on [-6, 6], against its torch module", a, expected)


def _check_near(what: str, actual: Tensor, expected: Tensor) -> None:
    assert_near(actual, expected, what, 1e-7)


def _layer(choice: Choice, num_runs: int, dtype: torch.dtype) -> Activation:
    """Return the activation of a layer, with the initial values of learned numbers."""
    layer = Activation("1", [choice] * num_runs)
    if layer.parameters:
        ParameterBuffer(layer.parameters, num_runs, dtype).initialize()
    return layer

"""Checks of an initializer.

# I inputs (fan-in), O outputs (fan-out)
"""

from collections.abc import Callable
from typing import Any

import torch

from dlx.config.types import Choice
from dlx.streams import generator
from dlx.testing.bits import assert_same_bits, exactly
from dlx.testing.runs import assert_alone_or_together, chosen, neighbours, plain_variant

_SHAPES = ((1, 1), (1, 7), (7, 1), (5, 3), (30, 20))


def check_initializer(initializer: str | Callable[..., None], **options: Any) -> None:
    """Check that an initializer fills every weight, and draws only from the given generator.

    The same seed and layer give the same bits every time, and torch's global generator is neither
    used nor changed. A run with such weights trains to the same bits alone and beside others.
    """
    choice = chosen("initializer", initializer, options)
    what = f"initializer {choice.name}"
    with exactly():
        for num_outputs, num_inputs in _SHAPES:
            _check_draw(what, choice, num_outputs, num_inputs)
        run = plain_variant(5, init=choice)
        assert_alone_or_together(what, run, neighbours(run, 5))


def _check_draw(what: str, choice: Choice, num_outputs: int, num_inputs: int) -> None:
    where = f"{what}, weight of shape {(num_outputs, num_inputs)} (O, I)"
    before = torch.get_rng_state()
    first = _draw(choice, num_outputs, num_inputs)
    assert torch.equal(torch.get_rng_state(), before), (
        f"{where}: it draws from torch's global generator; draw from the one that is given"
    )
    missing = int((~first.isfinite()).sum())
    assert not missing, (
        f"{where}: {missing} of {first.numel()} weights are not filled, or not finite"
    )
    try:
        torch.manual_seed(int(before[0]) + 1)
        again = _draw(choice, num_outputs, num_inputs)
    finally:
        torch.set_rng_state(before)
    assert_same_bits(
        {"the weight": again},
        {"the weight": first},
        f"{where}, drawn twice for the same seed and layer",
        "draw from the generator that is given, and from nothing else",
    )


def _draw(choice: Choice, num_outputs: int, num_inputs: int) -> torch.Tensor:
    weight = torch.full((num_outputs, num_inputs), torch.nan)
    choice(weight, generator(0, "init", "1", "weight"))
    return weight

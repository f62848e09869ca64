"""Kinds of corruption that cannot be drawn by fail the check."""

import itertools
from typing import Any

import pytest

import dlx
from dlx.nn.corruption import CorruptionRule
from dlx.testing import check_corruption

pytestmark = pytest.mark.usefixtures("forgotten")

NUMBERS = itertools.count(1)
CORRUPTIONS: dict[str, Any] = {
    r"it returns a float; return a dlx.nn.corruption.CorruptionRule": lambda rate: rate,
    r"it returns another rule when it is asked again": lambda rate: CorruptionRule(
        std=next(NUMBERS)
    ),
    r"its lowest is -0.25; it must be a finite number, and not": lambda rate: CorruptionRule(
        lowest=-rate
    ),
    r"its std is inf; it must be": lambda rate: CorruptionRule(std=float("inf")),
    r"it replaces inputs with probability 1; leave some of": lambda rate: CorruptionRule(
        zero=2 * rate, highest=2 * rate
    ),
    r"its rule changes nothing; give it a default that does": lambda rate: CorruptionRule(),
}


@pytest.mark.parametrize("message", CORRUPTIONS)
def test_a_corruption_that_cannot_be_drawn_by(message: str) -> None:
    @dlx.register("corruption")
    def mine(*, rate: float = 0.25) -> Any:
        """Mine."""
        return CORRUPTIONS[message](rate)

    with pytest.raises(AssertionError, match=message):
        check_corruption(mine)


def test_a_corruption_of_ones_own() -> None:
    @dlx.register("corruption")
    def salt(*, rate: float = 0.1) -> CorruptionRule:
        """Inputs take their highest value with probability rate."""
        return CorruptionRule(highest=rate)

    check_corruption("salt", rate=0.5)

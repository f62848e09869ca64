"""Kinds of dropout that evaluation cannot rely on fail the check."""

import itertools
import math
from typing import Any

import pytest

import dlx
from dlx.nn.dropout import DropoutRule
from dlx.testing import check_dropout

pytestmark = pytest.mark.usefixtures("forgotten")


def dropout(rule: Any) -> str:
    @dlx.register("dropout")
    def mine(rate: float) -> Any:
        """Mine."""
        return rule(rate)

    return "mine"


NUMBERS = itertools.count(1.0)
DROPOUTS = {
    r"multiplied by 0.99998.* and a variance of 1 becomes 0.99998.*; one of": lambda rate: (
        DropoutRule()
    ),
    r"the mean of numbers of mean 0 becomes -1.5.*e-05; .* makes up": lambda rate: DropoutRule(
        1 / (1 - rate), dropped=-1.0
    ),
    r"rate 1.5.*e-05: it changes numbers by more than 1 %": lambda rate: DropoutRule(std=0.5),
    r"rate 0.9: its std is -0.5, which is negative": lambda rate: DropoutRule(
        std=0.0 if rate < 0.6 else -0.5
    ),
    r"rate 0.999.*: its scale is inf, not a finite": lambda rate: DropoutRule(
        1 / (1 - rate) if rate < 0.95 else math.inf
    ),
    r"it returns a float; return a dlx.nn.dropout.DropoutRule": lambda rate: 1 - rate,
    r"it is on units or weights, by the rate": lambda rate: DropoutRule(
        1 / (1 - rate), on="units" if rate < 0.5 else "weights"
    ),
    r"it returns another rule when it is asked again": lambda rate: DropoutRule(
        next(NUMBERS) / (1 - rate)
    ),
}


@pytest.mark.parametrize("message", DROPOUTS)
def test_a_dropout_that_evaluation_cannot_rely_on(message: str) -> None:
    name = dropout(DROPOUTS[message])
    with pytest.raises(AssertionError, match=message):
        check_dropout(name)


def test_a_dropout_with_an_option() -> None:
    @dlx.register("dropout")
    def mine(rate: float, *, width: int = 3) -> DropoutRule:
        """Mine."""
        return DropoutRule(1 / (1 - rate))

    with pytest.raises(AssertionError, match="has the options width; a kind is a function of the"):
        check_dropout("mine")

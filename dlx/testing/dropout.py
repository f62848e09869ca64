"""Checks of a kind of dropout.

# p the rate, q = 1 - p
"""

import math
from collections.abc import Callable
from typing import Any

from dlx.config.types import choice
from dlx.nn.dropout import DropoutRule
from dlx.testing.bits import exactly
from dlx.testing.runs import assert_alone_or_together, chosen, neighbours, plain_variant

_SMALL = 1 / 65536  # the smallest rate that a mask has
_RATES = (_SMALL, 0.1, 0.5, 0.9, 1 - _SMALL)


def check_dropout(dropout: str | Callable[[float], DropoutRule]) -> None:
    """Check that a kind of dropout preserves moments, since evaluations drop nothing.

    At rates close to 0 up to rates close to 1, its rule (y = scale x + kept with probability q,
    else y = dropped; or y = x (1 + std n)) is finite and the same every time. It preserves a mean
    of 0, and either all means or a variance of 1. At a rate close to 0 it changes almost nothing. A
    run trains to the same bits alone and beside others.
    """
    named = chosen("dropout", dropout, {})
    what = f"dropout {named.name}"
    own = named.entry.options
    assert not own, (
        f"{what}: it has the options {', '.join(own)}; a kind is a function of the rate alone"
    )
    rules = [_rule(f"{what} at rate {rate:g}", named, rate) for rate in _RATES]
    assert len({rule.on for rule in rules}) == 1, (
        f"{what}: it is on {' or '.join(sorted({rule.on for rule in rules}))}, by the rate; a kind "
        "is on the units or on the weights"
    )
    _check_small(f"{what} at rate {_SMALL:g}", rules[0])
    for rate, rule in zip(_RATES, rules, strict=True):
        _check_moments(f"{what} at rate {rate:g}", rule, rate)
    with exactly():
        rates = {"hidden": 0.5} if rules[0].on == "weights" else {"input": 0.2, "hidden": 0.5}
        run = plain_variant(5, dropout=choice("dropout", named.name, **rates))
        assert_alone_or_together(what, run, neighbours(run, 5))


def _rule(what: str, function: Callable[[float], Any], rate: float) -> DropoutRule:
    rule = function(rate)
    assert isinstance(rule, DropoutRule), (
        f"{what}: it returns a {type(rule).__name__}; return a dlx.nn.dropout.DropoutRule"
    )
    assert function(rate) == rule, f"{what}: it returns another rule when it is asked again"
    std = rule.std or 0
    values = {"scale": rule.scale, "kept": rule.kept, "dropped": rule.dropped, "std": std}
    for name, number in values.items():
        assert math.isfinite(number), f"{what}: its {name} is {number}, not a finite number"
    assert std >= 0, f"{what}: its std is {rule.std}, which is negative"
    assert rule.on in ("units", "weights"), f"{what}: on is {rule.on!r}, not 'units' or 'weights'"
    return rule


def _check_small(what: str, rule: DropoutRule) -> None:
    assert max(abs(rule.scale - 1), abs(rule.kept), rule.std or 0) < 0.01, (
        f"{what}: it changes numbers by more than 1 % ({rule}); as the rate goes to 0 it must "
        "leave them as they are"
    )


def _check_moments(what: str, rule: DropoutRule, rate: float) -> None:
    if rule.std is not None:
        return  # x (1 + std n) keeps every mean
    mean = (1 - rate) * rule.kept + rate * rule.dropped
    size = abs(rule.kept) + abs(rule.dropped)
    assert abs(mean) <= 1e-9 * (1 + size), (
        f"{what}: the mean of numbers of mean 0 becomes {mean:g}; evaluations drop nothing, so "
        "choose `kept` so that it makes up for `dropped`"
    )
    factor = (1 - rate) * rule.scale
    variance = (1 - rate) * (rule.scale**2 + rule.kept**2) + rate * rule.dropped**2
    assert abs(factor - 1) <= 1e-9 or abs(variance - 1) <= 1e-9 * (1 + rule.dropped**2), (
        f"{what}: a mean is multiplied by {factor:g} and a variance of 1 becomes {variance:g}; one "
        "of both must be preserved, since evaluations drop nothing: divide by 1 - rate what is kept"
    )

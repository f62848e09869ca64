"""Checks of a kind of corruption."""

import math
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from dlx.data.dataset import Task
from dlx.models.design import Design
from dlx.nn.corruption import CorruptionRule, InputCorruption
from dlx.testing.bits import exactly
from dlx.testing.runs import assert_alone_or_together, chosen, neighbours, plain_variant


def check_corruption(corruption: str | Callable[..., CorruptionRule], **options: Any) -> None:
    """Check the rule of a kind of corruption.

    It is the same every time. Its probabilities are not negative and add up to less than 1; its
    standard deviation is finite and not negative. It changes inputs. A run trains to the same bits
    alone and beside others.
    """
    named = chosen("corruption", corruption, options)
    what = f"corruption {named.name}"
    rule = named()
    assert isinstance(rule, CorruptionRule), (
        f"{what}: it returns a {type(rule).__name__}; return a dlx.nn.corruption.CorruptionRule"
    )
    assert named() == rule, f"{what}: it returns another rule when it is asked again"
    for field in fields(rule):
        number = getattr(rule, field.name)
        assert math.isfinite(number) and number >= 0, (
            f"{what}: its {field.name} is {number}; it must be a finite number, and not negative"
        )
    replaced = rule.zero + rule.lowest + rule.highest
    assert replaced < 1, (
        f"{what}: it replaces inputs with probability {replaced:g}; leave some of them, or there "
        "is nothing to reconstruct from"
    )
    assert replaced or rule.std, f"{what}: its rule changes nothing; give it a default that does"
    plain = plain_variant(5)

    def design(task: Task) -> Design:
        network = plain.design(task)
        inputs = replace(network.inputs, corruption=InputCorruption(rule))
        return replace(network, inputs=inputs)

    with exactly():
        run = replace(plain, design=design)
        assert_alone_or_together(what, run, neighbours(run, 5))

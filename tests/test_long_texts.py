"""Long texts that keep a pattern busy: each takes time in proportion to its length."""

import functools
import re
import time
from itertools import permutations
from typing import Any, get_args

import pytest

from dlx.ablation import vary
from dlx.config import dump, nodes, schema
from dlx.config.types import Text
from dlx.data.tables import cells, recognition
from dlx.errors import ConfigError
from dlx.search import plan, space
from dlx.training import finding

LENGTH = 10_000  # at which a pattern that takes time by its square needs half a second
SECONDS = 0.2


def of_schema(annotation: Any) -> re.Pattern[str]:
    [marker] = [part for part in get_args(annotation) if isinstance(part, Text)]
    return re.compile(marker.pattern)


PATTERNS = {
    "schema.Range": of_schema(schema.Range),
    "schema.Interval": of_schema(schema.Interval),
    "schema.Constraint": of_schema(schema.Constraint),
    "space.range": space._RANGE,
    "plan.bound": plan._BOUND,
    "vary.range": vary._RANGE,
    "rates": re.compile(rf"\s*({schema.NUMBER})\.\.({schema.NUMBER})\s*"),
    "nodes.sum": nodes._SUM,
    "dump.plain": re.compile(dump._pattern),
    "finding.numbered": finding._NUMBERED,
    "finding.old": finding._OLD_NAME,
    "cells.number": cells._NUMBER,
    "cells.code": cells._CODE,
    "cells.thousands": cells.Format(thousands=",")._pattern,
    "recognition.cell": recognition._CELL,
}
BEGINNINGS = ("", "1", "a", "+", "a.a <", "0..", "0..1 log ", "$ ", "1e", "[")
SIGNS = "1a .<-+,e["


@functools.cache
def texts() -> list[str]:
    long = [sign * LENGTH for sign in SIGNS]
    long += [one + two for one, two in permutations(SIGNS, 2)]
    long = [(text * LENGTH)[:LENGTH] for text in long]
    return [beginning + text + "!" for beginning in BEGINNINGS for text in long]


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_takes_time_in_proportion_to_a_text(name: str) -> None:
    for text in texts():
        began = time.process_time()
        PATTERNS[name].fullmatch(text)
        assert time.process_time() - began < SECONDS, text[:20]


def test_a_cell_with_parentheses_without_end() -> None:
    form = cells.Format(parentheses=True, thousands=",")
    assert form.number("(1,234.5)") == -1234.5
    assert form.number("USD (1,234.5)") is None
    assert form.number("(") is None and form.number(")1(") is None
    began = time.process_time()
    assert form.number("(" * LENGTH + "1)" * LENGTH) is None
    assert time.process_time() - began < SECONDS


@pytest.mark.parametrize("bound", ["dev.re call < 1", "dev.a<b>c < 1", "dev.a <= < 1", "dev.a"])
def test_a_bound_whose_name_has_signs_is_refused(bound: str) -> None:
    from dlx.config.load import load

    asked = {"data": "iris", "search": {"space": {"optimizer.lr": [1, 2]}, "constraints": [bound]}}
    with pytest.raises(ConfigError, match=r"search\.constraints\[0\]: .*a bound"):
        load(asked)

"""The values of a varied key: lists and ranges, in YAML or in one word of a command line."""

import json
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from dlx.config.nodes import read_value
from dlx.config.schema import ENDS, NUMBER
from dlx.errors import ConfigError

_RANGE = re.compile(rf"{ENDS}(?: (log|linear) ([1-9][0-9]*))?")
_MOST = 1_000_000  # values of a range
_END = rf"(?:{NUMBER}|[-+]?\.?(?:inf|nan))"
_LIKE_A_RANGE = re.compile(rf"{_END} ?\.\.[^/]*|\.\. ?{_END}.*", re.IGNORECASE)


def expand(key: str, values: Sequence[Any] | str) -> list[Any]:
    """Return the values of a list or of a range.

    `1..9` is every integer from 1 to 9, `0.001..1 log 7` seven numbers at equal ratios and
    `0..1 linear 5` five at equal distances; both ends are included. The key is for messages.
    """
    if isinstance(values, str):
        return _numbers(key, values)
    seen: set[str] = set()
    for value in values:
        if isinstance(value, str) and _LIKE_A_RANGE.fullmatch(value):
            raise ConfigError(
                f"{key}: received {value!r}, which is no range: after LOW..HIGH there may be log "
                "or linear, and then how many values, as in '1e-4..1e-1 log 5'; a range stands "
                "alone, not in a list"
            )
        text = json.dumps(value)  # tells 1, 1.0 and true apart
        if text in seen:
            raise ConfigError(f"{key}: the list has {value!r} twice; remove one")
        seen.add(text)
    return list(values)


def read(text: str) -> tuple[str, list[Any] | str]:
    """Return the key and the values of `KEY=a,b,c`: a range, or a list whose items are YAML."""
    cure = (
        "write KEY=a,b,c, for example model.activation=relu,tanh, or a range: "
        "'optimizer.lr=0.001..1 log 7'"
    )
    return read_option(text, "--vary", _RANGE, cure)


def read_option(
    text: str, option: str, ranges: re.Pattern[str], cure: str
) -> tuple[str, list[Any] | str]:
    """Return the key and the values of a word of an option: a range, or a list of YAML.

    Args:
        text: `KEY=VALUES`
        option: for messages
        ranges: fits values that are a range, which stay a text
        cure: what to write where the text has no key or no values
    """
    key, equals, values = text.partition("=")
    where = f"{option} {text!r}"
    if not (key and equals and values.strip()):
        raise ConfigError(f"{where}: {cure}")
    if ranges.fullmatch(text := " ".join(values.split())):
        return key, text
    problems: list[str] = []
    node = read_value(f"[{values}]", where, problems)
    if problems:
        raise ConfigError("\n".join(problems))
    return key, node.plain()


def by_key(pairs: Iterable[tuple[str, Any]], option: str) -> dict[str, Any]:
    """Return the values of each key; ConfigError where an option of the command names one twice."""
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise ConfigError(
                f"{option}: {key} is given twice, and a later one would replace the earlier; write "
                "all of its values in one"
            )
        values[key] = value
    return values


def _numbers(key: str, text: str) -> list[Any]:
    match = _RANGE.fullmatch(text)
    assert match is not None, text
    first, last, spacing, count = match.groups()
    low, high = float(first), float(last)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ConfigError(f"{key}: {text!r} has an end that is not finite; name two numbers")
    if spacing is None:
        if not (low.is_integer() and high.is_integer()):
            raise ConfigError(
                f"{key}: {text!r} does not say how many values; write 'log N' or 'linear N' "
                f"after it, as in '{text} linear 5'"
            )
        step = 1 if low <= high else -1
        if abs(high - low) >= _MOST:
            raise ConfigError(f"{key}: {text!r} has {abs(high - low) + 1:,.0f} values; take fewer")
        return list(range(int(low), int(high) + step, step))
    if spacing == "log" and low * high <= 0:
        raise ConfigError(
            f"{key}: {text!r}: for equal ratios both ends have to have the same sign and not be 0; "
            "name others, or write linear in place of log"
        )
    number = int(count)
    if number > _MOST:
        raise ConfigError(f"{key}: {text!r} has {number:,} values; take fewer")
    points = (np.geomspace if spacing == "log" else np.linspace)(low, high, number)
    # Twelve digits: 0.1, not 0.10000000000000002.
    return [float(f"{point:.12g}") for point in points]

"""The values among which a search looks."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlx.errors import ConfigError
from dlx.search.space import dimensions, grid_values, num_points, read


@pytest.mark.parametrize(
    ("text", "low", "high", "is_log", "is_integer"),
    [
        ("1e-4..1e-1 log", 1e-4, 1e-1, True, False),
        ("16..256", 16, 256, False, True),
        ("16..256 log", 16, 256, True, True),
        ("0.0..0.5", 0, 0.5, False, False),
        ("0..0.5 linear", 0, 0.5, False, False),
        ("1..9007199254740993", 1, 2**53 + 1, False, True),  # a float would be even
    ],
)
def test_ranges(text: str, low: float, high: float, is_log: bool, is_integer: bool) -> None:
    [own] = dimensions({"optimizer.lr": text})
    assert (own.low, own.high, own.is_log, own.is_integer) == (low, high, is_log, is_integer)
    assert own.values is None


def test_lists_and_counted_ranges_are_choices() -> None:
    own = dimensions({"a": [[64], [128, 128]], "b": "0..1 linear 3", "c": ["../a.csv", None]})
    assert [list(one.values or ()) for one in own] == [
        [[64], [128, 128]], [0.0, 0.5, 1.0], ["../a.csv", None],
    ]  # fmt: skip
    assert own[0].value(own[0].parameter([64])) == [64]
    assert num_points(own) == 12
    assert [len(grid_values(one)) for one in own] == [2, 3, 2]


@given(st.floats(1e-4, 1e-1))
def test_a_value_is_readable_and_within_the_range(parameter: float) -> None:
    [own] = dimensions({"optimizer.lr": "1e-4..1e-1 log"})
    value = own.value(parameter)
    assert own.low <= value <= own.high
    assert value == pytest.approx(parameter, rel=1e-5)
    assert len(f"{value!r}".replace("0", "").replace(".", "").replace("e-", "")) <= 8


@pytest.mark.parametrize(
    ("text", "key", "values"),
    [
        ("model.hidden=[64],[128,128]", "model.hidden", [[64], [128, 128]]),
        ("model.activation=relu,tanh", "model.activation", ["relu", "tanh"]),
        ("optimizer.lr= 1e-4..1e-1  log ", "optimizer.lr", "1e-4..1e-1 log"),
    ],
)
def test_the_command_line(text: str, key: str, values: Any) -> None:
    assert read(text) == (key, values)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({}, "search.space: nothing to look for; name a key"),
        ({"seed": [1, 2]}, "search.space.seed: a seed is luck"),
        ({"optimizer.lr": "1..0.1"}, "search.space.optimizer.lr: received '1..0.1'; the lower end"),
        ({"optimizer.lr": "0..1 log"}, "search.space.optimizer.lr: .*ends above 0"),
        ({"optimizer.lr": [1, 1]}, "search.space.optimizer.lr: the list has 1 twice"),
        ({"optimizer.lr": "0..1e999"}, "both are finite"),
        ({"optimizer.lr": ["0.1..1", "log"]}, "a range stands alone, not in a list"),
    ],
)
def test_bad_spaces(space: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        dimensions(space)


@pytest.mark.parametrize(
    "text", ["1e-4..1 lin", "1e-4..1 Log", "1..2 log 0", "1..", "..1", "1 .. 2", "1..inf", "1...9"]
)
def test_what_is_no_range(text: str) -> None:
    words = "which is no range: after LOW..HIGH there may be log or linear, and then how many"
    with pytest.raises(ConfigError, match=rf"received '{re.escape(text)}', {words}"):
        dimensions(dict([read(f"optimizer.lr={text}")]))


def test_a_grid_needs_counted_values_and_not_a_billion() -> None:
    with pytest.raises(ConfigError, match=r"values of optimizer.lr counted: add how many, as in"):
        num_points(dimensions({"optimizer.lr": "1e-4..1e-1 log"}))
    keys = {f"k{place}": "1..1000" for place in range(3)}
    with pytest.raises(ConfigError, match="has 1,000,000,000 points, more than 100,000"):
        num_points(dimensions(keys))


@pytest.mark.parametrize("text", ["optimizer.lr", "=1,2", "optimizer.lr=", "a=[1"])
def test_bad_words(text: str) -> None:
    with pytest.raises(ConfigError, match="--space"):
        read(text)

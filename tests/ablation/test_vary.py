"""Lists and ranges of values."""

import pytest

from dlx.ablation.vary import expand, read
from dlx.errors import ConfigError


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, "a", None], [1, "a", None]),
        ([1, 1.5, True], [1, 1.5, True]),
        ("1..4", [1, 2, 3, 4]),
        ("3..1", [3, 2, 1]),
        ("-1..1", [-1, 0, 1]),
        ("0.001..1 log 4", [0.001, 0.01, 0.1, 1.0]),
        ("0..1 linear 5", [0.0, 0.25, 0.5, 0.75, 1.0]),
        ("1e-4..1e-3 log 2", [1e-4, 1e-3]),
    ],
)
def test_values_of_lists_and_ranges(values, expected):
    expanded = expand("key", values)
    assert expanded == expected
    assert [type(value) for value in expanded] == [type(value) for value in expected]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, 2, 1], r"key: the list has 1 twice; remove one"),
        ([[10], [10]], r"key: the list has \[10\] twice"),
        ("0.1..0.9", r"write 'log N' or 'linear N' after it, as in '0\.1\.\.0\.9 linear 5'"),
        ("0..1 log 3", r"for equal ratios both ends have to have the same sign and not be 0"),
        ("-1..1 log 3", r"for equal ratios both ends have to have the same sign"),
        ("0..1 linear 9999999", r"has 9,999,999 values; take fewer"),
        ("0..99999999", r"has 100,000,000 values; take fewer"),
        ("1e999..2 linear 3", r"has an end that is not finite; name two numbers"),
    ],
)
def test_what_has_no_values_is_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        expand("key", values)


def test_a_word_of_the_command_line_is_a_list_in_yaml():
    assert read("model.activation=relu,tanh") == ("model.activation", ["relu", "tanh"])
    assert read("model.hidden=[10],[10,10]") == ("model.hidden", [[10], [10, 10]])
    assert read("optimizer={name: sgd, lr: 0.1},adam") == (
        "optimizer",
        [{"name": "sgd", "lr": 0.1}, "adam"],
    )
    assert read("optimizer.lr=0.001..1 log 7") == ("optimizer.lr", "0.001..1 log 7")
    assert read("train.clip_norm=null,1.0") == ("train.clip_norm", [None, 1.0])


@pytest.mark.parametrize("text", ["model.activation", "=relu", "model.activation=", "k= "])
def test_a_word_without_key_or_values_is_refused(text):
    with pytest.raises(ConfigError, match=r"write KEY=a,b,c, for example model\.activation=relu"):
        read(text)


def test_a_word_that_is_not_yaml_is_refused():
    with pytest.raises(ConfigError, match=r"--vary 'model\.hidden=\[10'"):
        read("model.hidden=[10")

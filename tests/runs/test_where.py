"""Conditions on runs."""

from typing import Any

import pytest

from dlx.errors import ConfigError
from dlx.runs.where import Condition

RUN: dict[str, Any] = {
    "optimizer": "adam",
    "optimizer.lr": 0.1,
    "dev.accuracy": 0.95,
    "test.accuracy": None,
    "status": "completed",
    "seed": 1,
    "model.hidden": [10, 10],
    "model.batch_norm": True,
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("optimizer.lr>0.01 and dev.accuracy>0.9", True),
        ("0.01 < optimizer.lr < 0.1", False),
        ("seed == 0 or not (seed == 2)", True),
        ("optimizer in ('adam', 'sgd')", True),
        ("'dam' in optimizer and 10 in model.hidden", True),
        ("status not in ['failed']", True),
        ("model.hidden == [10, 10]", True),
        ("model.batch_norm and not false", True),
        ("seed == true or model.batch_norm == 1", False),
        ("test.accuracy == null", True),
        ("test.accuracy > 0 or test.accuracy <= 0", False),
        ("status > 3", False),
        ("seed > -1e-3", True),
        (" seed\n== 1 ", True),
    ],
)
def test_a_condition_holds_or_not(text: str, holds: bool) -> None:
    assert Condition(text, RUN)(RUN.get) is holds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"character 1: invalid syntax; write comparisons"),
        ("seed = 1", r"character 6: .*write == "),
        ("seed == 1 && seed == 2", r"write and"),
        ("seed == 1 || seed == 2", r"write or"),
        ("seed > 0 AND seed < 4", r"write and"),
        ("!model.batch_norm", r"character 1: .*write not"),
        ("dev.accuracy > 90%", r"shares are numbers from 0 to 1"),
        ("optimizer.lrr > 1", r"character 1: no run here has 'optimizer.lrr'; did you mean 'optim"),
        ("seed == 1 and lr > 1", r"character 15: .*'lr'; did you mean 'optimizer.lr'\?"),
        ("'é' == optimizer or optimizer == adam", r"character 34: .*in quotes: 'adam'"),
        ("optimizer == 'adam' or 'sgd'", r"character 24: 'sgd' is no condition"),
        ("dev.accuracy > 0,9", r"is no condition"),
        ("seed + 1 > 2", r"character 1: seed \+ 1 is no value"),
        ("-seed > 1", r"-seed is no value"),
        ("seed is 3", r"seed is 3 is no condition"),
        ("__import__('os').system('true')", r"is no condition"),
        ("seed == open('x').read()", r"character 9: open\('x'\).read\(\) is no value"),
        ("().__class__ == 1", r"\(\).__class__ is no value"),
        ("(lambda: 1)()", r"is no condition"),
        ("[x for x in seed] == 1", r"is no value"),
        ("(seed := 3)", r"is no condition"),
        ("f'{seed}' == 3", r"is no value"),
        ("seed[0] == 1", r"is no value"),
        ("b'x' == seed", r"is no value"),
        ("seed ==", r"character 8: invalid syntax"),
        ("((seed", r"character 2: '\(' was never closed"),
        ("optimizer == 'adam", r"character 14: unterminated string"),
        ("a\0b", r"null bytes|cannot be read"),
        ("\ud800 > 1", r"cannot be read"),
        ("(" * 300 + "seed" + ")" * 300, r"too many nested parentheses"),
        ("not " * 300 + "seed", r"longer than 1,000 characters"),
    ],
)
def test_what_is_no_condition_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Condition(text, RUN)

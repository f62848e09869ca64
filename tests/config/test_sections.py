"""Strict checks of plain annotations, one error per value, and their words."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Gt, Interval, Len, Lt, MinLen
from pydantic import BaseModel, TypeAdapter, ValidationError

from dlx import registry
from dlx.config.sections import checked, checked_model
from dlx.config.types import Activation, Schedule
from dlx.config.words import describe, suggestions

Rate = Annotated[float, Ge(0), Lt(1)]


class Rates(BaseModel):
    input: Rate = 0.0
    hidden: Rate = 0.0


def read(annotation, value):
    return TypeAdapter(checked(annotation)).validate_python(value)


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (int, 3, 3),
        (int, 10.0, 10),
        (float, 1, 1.0),
        (bool, True, True),
        (str, "a", "a"),
        (Path, "a/b", Path("a/b")),
        (Any, {"a": [None]}, {"a": [None]}),
        (int | Literal["all"], 5.0, 5),
        (int | Literal["all"], "all", "all"),
        (int | float, 1, 1),
        (int | float, 1.0, 1.0),
        (float | None, None, None),
        (int | list[int], (1, 2.0), [1, 2]),
        (tuple[float, float], [1, 2], (1.0, 2.0)),
        (tuple[int, ...], [1, 2.0], (1, 2)),
        (dict[str, int], {"a": 2.0}, {"a": 2}),
        (Rate | Rates, 0.5, 0.5),
        (list, (1, "a"), [1, "a"]),
        (Any | None, 3, 3),
        (Annotated[int | float, Gt(0)], 1, 1),
    ],
)
def test_reads(annotation, value, expected):
    result = read(annotation, value)
    assert result == expected or result.model_dump() == expected.model_dump()
    assert type(result) is type(expected) or isinstance(result, type(expected))


@pytest.mark.parametrize(
    ("annotation", "value", "allowed"),
    [
        (int, True, "an integer"),
        (int, "3", "an integer"),
        (int, 2.5, "an integer"),
        (Annotated[int, Gt(0)], -1, "an integer > 0"),
        (float, True, "a number"),
        (float, "1", "a number"),
        (float, float("nan"), "a number"),
        (float, float("inf"), "a number"),
        (float, 10**400, "a number"),
        (Annotated[float, Interval(gt=0, le=1)], 2.0, "a number > 0 and <= 1"),
        (bool, 1, "true or false"),
        (bool, "yes", "true or false"),
        (str, 3, "a string"),
        (Literal["a", "b", "c"], "d", "a, b or c"),
        (Annotated[int, Gt(0)] | Literal["all"], 0, "an integer > 0 or all"),
        (Annotated[int, Gt(0)] | Literal["all"], "al", "an integer > 0 or all"),
        (int | None, "x", "an integer or null"),
        (int | float, "x", "an integer or a number"),
        (list[Annotated[int, Gt(0)]], 3, "a list of integers > 0"),
        (list[Literal["a", "b"]], "a", "a list of a or b"),
        (list[Any], 3, "a list"),
        (Annotated[list[int], MinLen(1)], [], "a non-empty list of integers"),
        (Annotated[list[Rate], Len(2, 2)], [0.5], "a list of 2 numbers >= 0 and < 1"),
        (tuple[int, int], [1, 2, 3], "a list of 2 integers"),
        (dict[str, int], 3, "a mapping"),
        (Rates, 3, "a mapping (input, hidden)"),
        (Rate | Rates, 2, "a number >= 0 and < 1 or a mapping (input, hidden)"),
        (Annotated[int | float, Gt(0)], 0, "an integer > 0 or a number > 0"),
        (Schedule | list[Schedule], 3, "constant, step, exponential"),
        (Activation | Literal["none"], "rleu", "identity, sigmoid"),
    ],
)
def test_refuses_with_one_error(annotation, value, allowed):
    with pytest.raises(ValidationError) as caught:
        read(annotation, value)
    (error,) = caught.value.errors()
    assert error["loc"] == ()
    told = error.get("ctx", {})["allowed"]
    assert told == allowed or (told.startswith(allowed) and ", " in allowed)


@pytest.mark.parametrize(
    ("annotation", "value", "place"),
    [
        (list[int], [1, "x"], 1),
        (int | list[int], [1, True], 1),
        (Rate | Rates, {"input": 2}, "input"),
        (dict[str, int], {"a": "b"}, "a"),
        (tuple[int, ...], [0, None], 1),
    ],
)
def test_an_error_inside_is_told_at_its_place(annotation, value, place):
    with pytest.raises(ValidationError) as caught:
        read(annotation, value)
    (error,) = caught.value.errors()
    assert error["loc"][-1] == place


def test_words():
    *_, before, last = registry.names("activation")
    words = describe(Activation | list[Activation])
    assert words.endswith(f"{before}, {last} or a list of activations")
    assert describe(list[bool]) == "a list of booleans"
    assert describe(Any) == "any value"
    assert suggestions(int | Literal["all", 3]) == ["all"]


def test_a_model_is_checked_once_per_class():
    assert checked_model(Rates) is checked_model(Rates)
    assert checked_model(checked_model(Rates)) is checked_model(Rates)
    with pytest.raises(ValidationError):
        checked_model(Rates).model_validate({"input": "0.5"})

"""What an annotation allows, in the words of a message."""

import json
import math
from pathlib import Path
from typing import Any, Literal

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen

from dlx.config.annotations import Branch, branches, literals

_NOUNS = {
    int: ("an integer", "integers"),
    float: ("a number", "numbers"),
    str: ("a string", "strings"),
    Path: ("a path", "paths"),
    list: ("a list", "lists"),
    tuple: ("a list", "lists"),
    Any: ("any value", "any values"),
}
_LONGEST_BITS = 128  # of an integer that is written out
_BOUNDS = ((Gt, "gt", ">"), (Ge, "ge", ">="), (Lt, "lt", "<"), (Le, "le", "<="))


def shown(value: Any) -> str:
    """Return a value as messages show it: strings in quotes, long texts cut, long numbers told."""
    if isinstance(value, int) and value.bit_length() > _LONGEST_BITS:
        return f"an integer of about {1 + int(value.bit_length() * math.log10(2))} digits"
    text = repr(value) if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def describe(annotation: Any, many: bool = False) -> str:
    """Return what an annotation allows: "an integer > 0" or, if `many`, "integers > 0"."""
    *words, last = (word for branch in branches(annotation) for word in _words(branch, many))
    return f"{', '.join(words)} or {last}" if words else last


def suggestions(annotation: Any) -> list[str]:
    """Return the strings that a misspelt value may stand for."""
    named = literals(annotation)
    for branch in branches(annotation):
        if branch.marker:
            named += branch.marker.suggestions()
    return [value for value in named if isinstance(value, str)]


def _words(branch: Branch, many: bool) -> list[str]:
    if branch.marker:
        return branch.marker.words(many)
    if branch.kind is Literal:
        return [str(value) for value in branch.arguments]
    if branch.is_null:
        return ["null"]
    if branch.base is bool:
        return ["booleans"] if many else ["true", "false"]
    return [_noun(branch, many)]


def _noun(branch: Branch, many: bool) -> str:
    constraints, arguments = branch.constraints, branch.arguments
    one, several = _NOUNS.get(branch.kind, ("a mapping", "mappings"))
    least = next((limit.min_length for limit in constraints if isinstance(limit, MinLen)), 0)
    exactly = any(limit.max_length == least for limit in constraints if isinstance(limit, MaxLen))
    if branch.kind is tuple and arguments[-1] is not ...:
        least, exactly = len(arguments), True
    if least and not exactly:
        one, several = one.replace("a ", "a non-empty "), f"non-empty {several}"
    words = several if many else one
    if branch.kind in (list, tuple) and arguments[0] is not Any:
        number = f"{least} " if exactly else ""
        words += f" of {number}{describe(arguments[0], many=True)}"
    elif branch.is_model:
        words += f" ({', '.join(branch.base.model_fields)})"
    bounds = " and ".join(
        f"{sign} {getattr(limit, attribute)}"
        for limit in constraints
        for kind, attribute, sign in _BOUNDS
        if isinstance(limit, kind)
    )
    return f"{words} {bounds}" if bounds else words

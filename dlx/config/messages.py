"""What is wrong with a config, one line per value, in the words of the person who wrote it."""

import json
import re
from typing import Any

from pydantic import ValidationError

from dlx.config.annotations import child, descend, keys
from dlx.config.checks import TAG
from dlx.config.nodes import Node, dotted
from dlx.config.words import describe
from dlx.errors import did_you_mean


def problems_of(error: ValidationError, root: Node, annotation: Any) -> list[str]:
    """Return a line per error: position, dotted key, what was received, what is allowed.

    Args:
        error: what pydantic found
        root: the values it was given
        annotation: of the root
    """
    lines = []
    for each in error.errors(include_url=False):
        path: tuple[str | int, ...] = tuple(
            part for part in each["loc"] if not str(part).startswith(TAG)
        )
        lines.append(_line(each, path, root, annotation))
    return list(dict.fromkeys(lines))


def in_order(lines: list[str]) -> list[str]:
    """Return the lines sorted by file and line; those of overrides come last."""

    def position(text: str) -> tuple[bool, str, int]:
        found = re.match(r"(.+?):(\d+): ", text)
        return (not found, found[1] if found else "", int(found[2]) if found else 0)

    return sorted(lines, key=position)


def show(value: Any) -> str:
    """Return a value as a message shows it: as in YAML, strings in quotes, long ones cut."""
    text = repr(value) if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _line(error: Any, path: tuple[str | int, ...], root: Node, annotation: Any) -> str:
    kind, context = error["type"], error.get("ctx", {})
    is_key = kind == "extra_forbidden"
    if not is_key and path[-1:] == ("[key]",):  # what pydantic adds for the key of a dict
        is_key, path = True, path[:-1]
    node, known = root.at(path)
    if kind == "missing":
        allowed = describe(descend(annotation, path, root.plain()))
        text = f"required, but not given (allowed: {allowed})"
    elif is_key:
        text = _unknown_key(path, root, annotation)
    elif kind == "not_allowed":
        path = known  # the person wrote the short form: `dropout: 2` for {hidden: 2}
        near = _near(str(error["input"]), context["suggestions"])
        text = f"received {show(error['input'])}{near} (allowed: {context['allowed']})"
    elif kind == "rule":
        text = context["text"]
    else:
        path = known
        text = f"received {show(error['input'])}; {error['msg'][:1].lower()}{error['msg'][1:]}"
    return ": ".join(part for part in (node.where, dotted(path), text) if part)


def _unknown_key(path: tuple[str | int, ...], root: Node, annotation: Any) -> str:
    *above, key = path
    value = root.at(tuple(above))[0].plain()
    within = descend(annotation, above, root.plain())
    prefix = ""
    if "." in str(key):  # a key of `vary` is itself a dotted key
        within, value = annotation, None
        for part in str(key).split("."):
            if (below := child(within, part)) is None:
                break
            within, prefix = below, f"{prefix}{part}."
    allowed = keys(within, value)
    near = _near(str(key), [prefix + each for each in allowed])
    return f"unknown key{near} (allowed: {', '.join(allowed) or 'none'})"


def _near(received: str, choices: list[str]) -> str:
    """Say which choice is nearest, whatever the case: relu for ReLU, lr for lrate."""
    received = received.lower()
    starts = [each for each in choices if received.startswith(each) or each.startswith(received)]
    return did_you_mean(received, choices) or did_you_mean("".join(starts[:1]), starts)

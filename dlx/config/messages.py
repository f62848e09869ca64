"""Messages about what is wrong with a config: a line per value, with its position."""

import re
import shlex
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dlx.config.annotations import branches, child, descend, keys
from dlx.config.nodes import Node, dotted
from dlx.config.sections import TAG
from dlx.config.words import describe, shown
from dlx.errors import did_you_mean

_MOST = 50  # problems that are told


def problems_of(error: ValidationError, root: Node, annotation: Any) -> list[str]:
    """Return a line per error: position, dotted key, what was received, what is allowed.

    Of many there is one more than `in_order` tells.
    """
    lines = []
    for problem in error.errors(include_url=False)[: _MOST + 1]:
        path = tuple(part for part in problem["loc"] if not str(part).startswith(TAG))
        lines.append(_line(problem, path, root, annotation))
    return list(dict.fromkeys(lines))


def in_order(lines: list[str]) -> list[str]:
    """Return the first messages by file and line; those about overrides come last."""

    def position(text: str) -> tuple[bool, str, int]:
        match = re.match(r"(.+?):(\d+): ", text)
        return (False, match[1], int(match[2])) if match else (True, "", 0)

    ordered = sorted(lines, key=position)
    return ordered if len(lines) <= _MOST else [*ordered[:_MOST], "and more; correct these first"]


def _line(error: Any, path: tuple[str | int, ...], root: Node, annotation: Any) -> str:
    kind, context = error["type"], error.get("ctx", {})
    is_key = kind == "extra_forbidden"
    if not is_key and path[-1:] == ("[key]",):  # what pydantic adds for the key of a dict
        is_key, path = True, path[:-1]
    node, written = root.at(path)
    if kind == "missing":
        allowed = describe(descend(annotation, path, root.plain()))
        text = f"required, but not given (allowed: {allowed})"
    elif is_key and kind != "rule":
        text = _unknown_key(path, root, annotation)
    elif kind == "not_allowed":
        path = written  # perhaps a short form, such as `activation: relu` for {name: relu}
        received = error["input"]
        several = _several(node)
        is_name = isinstance(received, str) and not several
        near = _near(received, context["suggestions"]) if is_name else ""
        text = f"received {shown(received)}{near} (allowed: {context['allowed']}){several}"
        if _may_be_text(received, path, descend(annotation, path, root.plain())):
            text += _in_quotes(node, path)
    elif kind == "rule":
        text = context["text"]
    else:
        path = written
        text = f"received {shown(error['input'])}; {error['msg'][:1].lower()}{error['msg'][1:]}"
    return ": ".join(part for part in (node.where, dotted(path), text) if part)


def _may_be_text(received: Any, path: tuple[str | int, ...], annotation: Any) -> bool:
    """Say whether YAML took for a number, a boolean or null what was meant as a text."""
    kinds = {branch.kind for branch in branches(annotation)}
    is_scalar = isinstance(received, bool | int | float) and not kinds & {int, float}
    is_null = received is None and isinstance(path[-1], int)  # elsewhere nothing was written
    return (is_scalar or is_null) and bool(kinds & {str, Path})


def _in_quotes(node: Node, path: tuple[str | int, ...]) -> str:
    """Return what makes a text of a value; the shell takes away the outer quotes of an override."""
    override = re.fullmatch("override '[^=]+=(.*)'", node.where)
    if override is None:
        return "; if it is a text, put it in quotes"
    value = '["…"]' if isinstance(path[-1], int) else f'"{override[1]}"'
    key = dotted(tuple(part for part in path if isinstance(part, str)))
    return f"; if it is a text, write '{key}={value}', with both kinds of quotes"


def _several(node: Node) -> str:
    """Return where an override belongs that lists values without brackets, or a range of them."""
    override = re.fullmatch(
        r"override '((?!seed=)[^=]+=[^\[\]{}]+(?:,|\.\..* )[^\[\]{}]+)'", node.where
    )
    vary = f"--vary {shlex.quote(override[1])}" if override else ""
    return f"; `dlx ablate` compares several values: {vary}" if vary else ""


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
    near = _near(str(key), [prefix + name for name in allowed])
    if not above and (dotted_key := key_in_a_section(annotation, str(key))):
        near = f"; did you mean {dotted_key!r}?"
    return f"unknown key{near} (allowed: {', '.join(allowed) or 'none'})"


def key_in_a_section(annotation: Any, key: str) -> str | None:
    """Return the dotted key of a section's key: optimizer.lr for lr.

    Of several sections it is the last one, and before `search` any other.
    """
    sections = [name for name in keys(annotation) if key in keys(child(annotation, name))]
    sections.sort(key=lambda name: name != "search")
    return f"{sections[-1]}.{key}" if sections else None


def _near(received: str, choices: list[str]) -> str:
    """Return ", did you mean …?" with the nearest choice: relu for ReLU, lr for lrate."""
    received = received.lower()
    same_start = [c for c in choices if received.startswith(c) or c.startswith(received)]
    return did_you_mean(received, choices) or did_you_mean("".join(same_start[:1]), same_start)

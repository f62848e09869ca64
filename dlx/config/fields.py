"""Which keys may stand where: walks the schema along a dotted key."""

import typing
from collections.abc import Sequence
from typing import Any, Union

from dlx.config.checks import annotation_of, branches, is_model, literals, marker_of, unwrap


def child(annotation: Any, key: str | int, value: Any = None) -> Any:
    """Return the annotation of what stands at a key, or None if the key cannot stand there.

    Args:
        annotation: of the mapping or list
        key: a key of the mapping or a position in the list
        value: the mapping, if known: it tells which entry's options count
    """
    found = []
    for branch in branches(annotation):
        base, _ = unwrap(branch)
        items = typing.get_args(base)
        if isinstance(key, int):
            found += items[:1] if typing.get_origin(base) in (list, tuple) else []
        elif typing.get_origin(base) is dict:
            found += items[1:] if key in (literals(items[0]) or [key]) else []
        else:
            models = _models(branch, value)
            found += [annotation_of(m.model_fields[key]) for m in models if key in m.model_fields]
    return Union[tuple(found)] if found else None  # noqa: UP007


def keys(annotation: Any, value: Any = None) -> list[str]:
    """Return the keys that may stand in a mapping (see `child`); none if any may."""
    found: dict[str, None] = {}
    for branch in branches(annotation):
        base, _ = unwrap(branch)
        if typing.get_origin(base) is dict:
            found |= dict.fromkeys(literals(typing.get_args(base)[0]))
        for model in _models(branch, value):
            found |= dict.fromkeys(model.model_fields)
    return list(found)


def descend(annotation: Any, path: Sequence[Any], value: Any = None) -> Any:
    """Return the annotation at a path, or None if the path cannot be."""
    for key in path:
        annotation = child(annotation, key, value)
        try:
            value = value[key]
        except (LookupError, TypeError):
            value = None
    return annotation


def reads_name(annotation: Any, value: Any) -> bool:
    """Say whether a value is the short form of a choice: `relu` for {name: relu}."""
    if not isinstance(value, str) or value in literals(annotation):
        return False
    return any(marker.models() for each in branches(annotation) if (marker := marker_of(each)))


def _models(branch: Any, value: Any) -> list[Any]:
    if marker := marker_of(branch):
        return marker.models(value)
    base, _ = unwrap(branch)
    return [base] if is_model(base) else []

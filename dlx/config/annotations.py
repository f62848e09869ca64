"""What the type annotations of sections and options allow.

An annotation is a union of one or more *branches*: plain types, `Literal`, lists, tuples, dicts,
sections and types with a `Marker`, together with their constraints. Checks, messages, paths and
merging all take annotations apart by the functions of this module.
"""

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from annotated_types import GroupedMetadata
from pydantic import BaseModel
from pydantic.fields import FieldInfo


class Marker:
    """Metadata of an `Annotated` type that knows which values it allows and how to name them."""

    def fits(self, value: Any) -> bool:
        """Say whether a value has the shape that the marked type reads."""
        raise NotImplementedError

    def words(self, many: bool = False) -> list[str]:
        """Return what is allowed: the values by name or, if `many`, a word for all of them."""
        raise NotImplementedError

    def suggestions(self) -> list[str]:
        """Return the strings that a misspelt value may stand for."""
        raise NotImplementedError

    def with_default(self, default: Any) -> "Marker":
        """Return the marker for an option with this default."""
        return self

    def models(self, value: Any = None) -> list[type[BaseModel]]:
        """Return the sections that may read a value; all of them if the value does not tell."""
        return []


class KeyMarker:
    """Metadata of the keys of a dict: a key names a value that stands elsewhere in the config."""

    def meaning(self, key: str) -> Any:
        """Return the annotation of the value that a key names, or None if it names none."""
        raise NotImplementedError


@dataclass(frozen=True)
class Branch:
    """One of the types that an annotation allows."""

    base: Any  # the type without its metadata
    metadata: tuple[Any, ...] = ()  # of `Annotated[base, *metadata]`

    @property
    def kind(self) -> Any:
        """list, tuple, dict or Literal; of any other type, the type itself."""
        return typing.get_origin(self.base) or self.base

    @property
    def arguments(self) -> tuple[Any, ...]:
        """The types of its items, those of its keys and values, or the values of a Literal."""
        bare = {list: (Any,), tuple: (Any, ...), dict: (Any, Any)}
        return typing.get_args(self.base) or bare.get(self.base, ())

    @property
    def is_null(self) -> bool:
        """Whether it allows nothing but null."""
        return self.base in (None, type(None))

    @property
    def is_model(self) -> bool:
        """Whether it is a section."""
        return isinstance(self.base, type) and issubclass(self.base, BaseModel)

    @property
    def marker(self) -> Marker | None:
        """Its marker, if it has one."""
        return next((item for item in self.metadata if isinstance(item, Marker)), None)

    @property
    def constraints(self) -> list[Any]:
        """The metadata, with groups such as Interval and Len taken apart."""
        groups = [item if isinstance(item, GroupedMetadata) else [item] for item in self.metadata]
        return [item for group in groups for item in group]

    @property
    def annotation(self) -> Any:
        """The branch as an annotation."""
        return wrap(self.base, self.metadata)

    def models(self, value: Any = None) -> list[type[BaseModel]]:
        """Return the sections that may read a value; all of them if the value does not tell."""
        if self.marker:
            return self.marker.models(value)
        return [self.base] if self.is_model else []

    def fits(self, value: Any) -> bool:
        """Say whether a value has the shape that this branch reads."""
        if self.marker:
            return self.marker.fits(value)
        if self.kind is Literal:
            return any(value == one and type(value) is type(one) for one in self.arguments)
        if self.is_null:
            return value is None
        if self.base is Any:
            return True
        if self.base in (int, float):
            return isinstance(value, int | self.base) and not isinstance(value, bool)
        if self.is_model:
            return isinstance(value, Mapping | self.base)
        shapes = {list: list | tuple, tuple: list | tuple, dict: Mapping, Path: str | Path}
        return isinstance(value, shapes.get(self.kind, self.base))


def wrap(base: Any, metadata: Sequence[Any]) -> Any:
    """Return `Annotated[base, *metadata]`."""
    return Annotated[(base, *metadata)] if metadata else base


def annotation_of(field: FieldInfo) -> Any:
    """Return the annotation that a field of a section was declared with."""
    return wrap(field.annotation, field.metadata)


def branches(annotation: Any) -> list[Branch]:
    """Return the branches of an annotation; metadata of a whole union belongs to all of them."""
    base, metadata = annotation, []
    if typing.get_origin(annotation) is Annotated:
        base, *metadata = typing.get_args(annotation)
    if typing.get_origin(base) not in (Union, types.UnionType):
        return [Branch(base, tuple(metadata))]
    members = [branch for member in typing.get_args(base) for branch in branches(member)]
    return [Branch(member.base, (*member.metadata, *metadata)) for member in members]


def is_yaml(annotation: Any) -> bool:
    """Say whether a config can give and keep all that an annotation allows."""
    return all(map(_is_yaml, branches(annotation)))


def _is_yaml(branch: Branch) -> bool:
    if branch.marker or branch.is_model or branch.is_null or branch.base is Any:
        return True
    if branch.kind is Literal:
        return all(isinstance(value, str | int | None) for value in branch.arguments)
    if branch.kind is dict:
        names, values = branch.arguments
        return names in (str, Any) and is_yaml(values)
    if branch.kind in (list, tuple):
        return all(item is ... or is_yaml(item) for item in branch.arguments)
    return branch.base in (bool, int, float, str, Path)


def literals(annotation: Any) -> list[Any]:
    """Return the values that an annotation names one by one."""
    named = [branch.arguments for branch in branches(annotation) if branch.kind is Literal]
    return [value for values in named for value in values]


def child(annotation: Any, key: str | int, value: Any = None) -> Any:
    """Return the annotation of the value at a key or position, or None if the key is not allowed.

    At a key that names a value elsewhere (`KeyMarker`) stands such a value, or a list of them.
    The mapping `value`, if it is known, tells by its name which options it has.
    """
    below = []
    for branch in branches(annotation):
        if isinstance(key, int):
            below += branch.arguments[:1] if branch.kind in (list, tuple) else []
        elif branch.kind is dict:
            names, values = branch.arguments
            below += [values] if key in (literals(names) or [key]) else []
            markers = [m for m in branches(names)[0].metadata if isinstance(m, KeyMarker)]
            meanings = [meaning for m in markers if (meaning := m.meaning(key)) is not None]
            below += [meaning | list[meaning] for meaning in meanings]
        else:
            fields = [model.model_fields.get(key) for model in branch.models(value)]
            below += [annotation_of(field) for field in fields if field]
    return Union[tuple(below)] if below else None  # noqa: UP007


def keys(annotation: Any, value: Any = None) -> list[str]:
    """Return the keys that a mapping may have (arguments as for `child`); [] if it may have any."""
    allowed: dict[str, None] = {}
    for branch in branches(annotation):
        if branch.kind is dict:
            allowed |= dict.fromkeys(literals(branch.arguments[0]))
        for model in branch.models(value):
            allowed |= dict.fromkeys(model.model_fields)
    return list(allowed)


def descend(annotation: Any, path: Sequence[Any], value: Any = None) -> Any:
    """Return the annotation at the end of a path of keys, or None if there is no such path."""
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
    return any(branch.marker and branch.marker.models() for branch in branches(annotation))

"""Sections of the config: their base class, what their fields are declared with, strict checks.

`checked(int | Literal["all"])` reads YAML the way a person means it: 10.0 is an integer, true and
"10" are not, and a number is finite. Of a union, only the branch that has the value's shape reads
the value. So there is one error per value, in the words of `describe`.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar, Union

from annotated_types import Le, Lt
from pydantic import (
    AfterValidator,
    AllowInfNan,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Strict,
    ValidationError,
    create_model,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from dlx.config.annotations import Marker, annotation_of, branches, literals, wrap
from dlx.config.words import describe, shown, suggestions

ModelType = TypeVar("ModelType", bound=BaseModel)

# Of a number of things without a bound of its own; beyond it, arithmetic elsewhere overflows.
MOST = 10**12
# Of a number without a bound of its own: single precision, in which networks compute, has no more.
MOST_FLOAT = 3e38

# What the names of branches begin with that pydantic puts into the path of an error; no key does.
TAG = "\0branch "


class Section(BaseModel):
    """A mapping of the config; its fields are the keys that it may have."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, protected_namespaces=()
    )

    # Keys that exclude each other: a key in a later file or override replaces the other one.
    alternatives: ClassVar[Mapping[str, str]] = {}

    def __hash__(self) -> int:
        return hash(tuple(map(_hashable, self.__dict__.values())))


def _hashable(value: Any) -> Any:
    """Return a value of a section with tuples for lists and sets of pairs for mappings."""
    if isinstance(value, list | tuple):
        return tuple(map(_hashable, value))
    if isinstance(value, dict):
        return frozenset((key, _hashable(inner)) for key, inner in value.items())
    return value


def option(default: Any, description: str) -> Any:
    """Return a field of a section; the default `...` makes its key required."""
    return Field(default, description=description)


def rule(text: str) -> PydanticCustomError:
    """Return the error for values that break a rule between several fields."""
    return PydanticCustomError("rule", "{text}", {"text": text})


def not_allowed(allowed: str, near: list[str]) -> PydanticCustomError:
    """Return the error for a value, given what is allowed and strings that it may stand for."""
    return PydanticCustomError(
        "not_allowed", "allowed: {allowed}", {"allowed": allowed, "suggestions": near}
    )


@dataclass(frozen=True)
class Most:
    """The bound of a number's size that is told of only where one exceeds it."""

    size: int | float

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "maximum": self.size}

    def _check(self, value: float) -> float:
        if abs(value) > self.size:
            size = f"{self.size:,}" if isinstance(self.size, int) else f"{self.size:g}"
            raise rule(f"received {shown(value)}; at most {size} can be used here")
        return value


def checked(annotation: Any, default: Any = None) -> Any:
    """Return an annotation with strict checks; a choice without a name takes the default's name."""
    first, *others = branches(annotation)
    if others:
        own = None if default in literals(annotation) else default
        members = tuple(checked(branch.annotation, own) for branch in (first, *others))
        return wrap(Union[members], [_OneOf(), _Explained(annotation)])  # noqa: UP007
    base, kind, metadata = first.base, first.kind, list(first.metadata)
    if first.marker:
        metadata = [
            item.with_default(default) if isinstance(item, Marker) else item for item in metadata
        ]
    elif kind in (int, float, str, bool):
        metadata = [Strict(), *[AllowInfNan(False)] * (kind is float), *metadata]
        bounded = any(isinstance(item, Le | Lt | Most) for item in first.constraints)
        if kind is int:
            metadata += [BeforeValidator(_integral), *[Most(MOST)] * (not bounded)]
        elif kind is float:
            metadata += [AfterValidator(_unsigned_zero), *[Most(MOST_FLOAT)] * (not bounded)]
    elif kind in (list, tuple, dict):
        generic: Any = kind
        base = generic[tuple(item if item is ... else checked(item) for item in first.arguments)]
        metadata += [BeforeValidator(_without_tuples)] * (kind is list)
    elif first.is_model:
        base = checked_model(base)
    return wrap(base, [*metadata, _Explained(annotation)])


def checked_model(model: type[ModelType]) -> type[ModelType]:
    """Return a subclass of a section whose fields are checked strictly; also a decorator."""
    return model if _Checked in model.__bases__ else _checked_model(model)


class _Checked(BaseModel):
    """Base of the sections that `checked_model` made."""


@functools.cache
def _checked_model(model: Any) -> Any:
    fields: dict[str, Any] = {
        name: (
            checked(annotation_of(field), field.default),
            Field(default=field.default, description=field.description),
        )
        for name, field in model.model_fields.items()
    }
    return create_model(
        model.__name__,
        __base__=(model, _Checked),
        __module__=model.__module__,
        __doc__=model.__doc__,
        **fields,
    )


def _integral(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _unsigned_zero(value: float) -> float:
    return value + 0.0  # -0.0 is a deviation below 0 to NumPy


def _without_tuples(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


class _OneOf:
    """Reads a value of a union by the one branch that has the value's shape."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        # Literals come first: 'auto' is not the misspelt name of a loss.
        members = sorted(branches(source), key=lambda branch: branch.kind is not Literal)

        def pick(value: Any) -> str | None:
            fitting = (number for number, branch in enumerate(members) if branch.fits(value))
            number = next(fitting, None)
            if number is None and (whole := _integral(value)) is not value:
                return pick(whole)
            return None if number is None else f"{TAG}{number}"

        schemas = {
            f"{TAG}{number}": handler.generate_schema(branch.annotation)
            for number, branch in enumerate(members)
        }
        return core_schema.tagged_union_schema(schemas, discriminator=pick)


@dataclass(frozen=True)
class _Explained:
    """Replaces pydantic's error about a value as a whole by one in the words of its annotation."""

    annotation: Any

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(self._explain, handler(source))

    def _explain(self, value: Any, read: core_schema.ValidatorFunctionWrapHandler) -> Any:
        try:
            return read(value)
        except ValidationError as error:
            for problem in error.errors(include_url=False):
                inside = any(not str(part).startswith(TAG) for part in problem["loc"])
                if inside or problem["type"] == "rule":
                    raise
            raise not_allowed(describe(self.annotation), suggestions(self.annotation)) from None

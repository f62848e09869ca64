"""From a plain annotation to one that is checked strictly, with one readable error per value.

`checked(int | Literal["all"])` reads YAML the way a person means it: 10.0 is an integer, true and
"10" are not, and a number is finite. A value of a union is read by the branch of its shape alone,
and what is wrong with a value is said once, in the words of `describe`.
"""

import functools
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union

from annotated_types import Ge, GroupedMetadata, Gt, Le, Lt, MaxLen, MinLen
from pydantic import (
    AllowInfNan,
    BaseModel,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    Strict,
    ValidationError,
    create_model,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError, PydanticUndefined, core_schema

ModelType = TypeVar("ModelType", bound=BaseModel)

# Starts the tags that pydantic puts into the path of an error; nobody's key starts so.
TAG = "\0branch "


class Marker:
    """Metadata of an `Annotated` type that knows the values it allows and how to name them."""

    def fits(self, value: Any) -> bool:
        """Say whether a value has the shape that the marked type reads."""
        raise NotImplementedError

    def words(self, many: bool = False) -> list[str]:
        """Return what is allowed: the values by name or, if many, their plural."""
        raise NotImplementedError

    def suggestions(self) -> list[str]:
        """Return the strings that a misspelt one may have meant."""
        raise NotImplementedError

    def with_default(self, default: Any) -> "Marker":
        """Return the marker of an option whose default is known."""
        return self

    def models(self, value: Any = None) -> list[type[BaseModel]]:
        """Return the models that may read a value; all of them if the value does not tell."""
        return []


def not_allowed(allowed: str, suggestions: list[str]) -> PydanticCustomError:
    """Return the error of a value that is not what the words of `allowed` say."""
    return PydanticCustomError(
        "not_allowed", "allowed: {allowed}", {"allowed": allowed, "suggestions": suggestions}
    )


def unwrap(annotation: Any) -> tuple[Any, list[Any]]:
    """Return X and the metadata of `Annotated[X, *metadata]`."""
    if typing.get_origin(annotation) is Annotated:
        base, *metadata = typing.get_args(annotation)
        return base, metadata
    return annotation, []


def wrap(base: Any, metadata: list[Any]) -> Any:
    """Return `Annotated[base, *metadata]`."""
    return Annotated[(base, *metadata)] if metadata else base


def annotation_of(field: FieldInfo) -> Any:
    """Return the annotation that a field of a model was declared with."""
    return wrap(field.annotation, field.metadata)


def is_model(base: Any) -> bool:
    """Say whether a type is a pydantic model."""
    return isinstance(base, type) and issubclass(base, BaseModel)


def marker_of(annotation: Any) -> Marker | None:
    """Return the marker of an annotation, if it has one."""
    return next((each for each in unwrap(annotation)[1] if isinstance(each, Marker)), None)


def branches(annotation: Any) -> list[Any]:
    """Return the members of a union; a list of the annotation itself if it is none."""
    base, _ = unwrap(annotation)
    if typing.get_origin(base) in (Union, types.UnionType):
        return [inner for member in typing.get_args(base) for inner in branches(member)]
    return [annotation]


def checked(annotation: Any, default: Any = None) -> Any:
    """Return the annotation with strict checks, recursively.

    Args:
        annotation: a type, plain or with constraints from `annotated_types`
        default: the value a missing key stands for; its name is also that of a choice whose
            options are given without a name
    """
    base, metadata = unwrap(annotation)
    inner: list[Any] = []
    outer: list[Any] = []
    if marker_of(annotation):
        metadata = [
            each.with_default(default) if isinstance(each, Marker) else each for each in metadata
        ]
    elif len(members := branches(annotation)) > 1:
        own = None if default in literals(annotation) else default
        base = Union[tuple(checked(member, own) for member in members)]  # noqa: UP007
        inner = [_OneOf()]
    elif base in (int, float, str, bool):
        inner = [Strict(), *[AllowInfNan(False)] * (base is float)]
        outer = [BeforeValidator(_integral)] * (base is int)
    elif (container := typing.get_origin(base)) in (list, tuple, dict):
        items = [item if item is ... else checked(item) for item in typing.get_args(base)]
        generic: Any = container
        base = generic[tuple(items)]
        outer = [BeforeValidator(_without_tuples)] * (container is list)
    elif is_model(base):
        base = checked_model(base)
    return wrap(base, [*inner, *metadata, *outer, _Explained(annotation)])


def checked_model(model: type[ModelType]) -> type[ModelType]:
    """Return a subclass of a model whose fields are checked strictly; also a decorator."""
    return model if _Checked in model.__bases__ else _checked_model(model)


class _Checked(BaseModel):
    """Marks the models that `checked_model` made."""


@functools.cache
def _checked_model(model: Any) -> Any:
    fields: dict[str, Any] = {
        name: (
            checked(annotation_of(field), field.default),
            Field(default_factory=field.default_factory, description=field.description)
            if field.default_factory
            else Field(default=field.default, description=field.description),
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


def literals(annotation: Any) -> list[Any]:
    """Return the values that an annotation names one by one."""
    bases = [unwrap(branch)[0] for branch in branches(annotation)]
    found = [typing.get_args(base) for base in bases if typing.get_origin(base) is Literal]
    return [value for values in found for value in values]


def describe(annotation: Any, many: bool = False) -> str:
    """Return what an annotation allows, in words: "an integer > 0" or, if many, "integers > 0"."""
    *words, last = _words(annotation, many)
    return f"{', '.join(words)} or {last}" if words else last


def suggestions(annotation: Any) -> list[str]:
    """Return the strings that a misspelt value of an annotation may have meant."""
    found = literals(annotation)
    for branch in branches(annotation):
        if marker := marker_of(branch):
            found += marker.suggestions()
    return [value for value in found if isinstance(value, str)]


_NOUNS = {
    int: ("an integer", "integers"),
    float: ("a number", "numbers"),
    str: ("a string", "strings"),
    Path: ("a path", "paths"),
    list: ("a list", "lists"),
    tuple: ("a list", "lists"),
    Any: ("any value", "any values"),
}


def _words(annotation: Any, many: bool) -> list[str]:
    members = branches(annotation)
    if len(members) > 1:
        return [word for member in members for word in _words(member, many)]
    if (written := _written(annotation)) is not None:
        return _words(written, many)
    if marker := marker_of(annotation):
        return marker.words(many)
    base, metadata = unwrap(annotation)
    if typing.get_origin(base) is Literal:
        return [str(value) for value in typing.get_args(base)]
    if base in (None, type(None)):
        return ["null"]
    if base is bool:
        return ["booleans"] if many else ["true", "false"]
    return [_noun(base, _flat(metadata), many)]


def _noun(base: Any, metadata: list[Any], many: bool) -> str:
    origin, arguments = typing.get_origin(base), typing.get_args(base)
    one, several = _NOUNS.get(origin or base, ("a mapping", "mappings"))
    least = next((each.min_length for each in metadata if isinstance(each, MinLen)), 0)
    exactly = any(each.max_length == least for each in metadata if isinstance(each, MaxLen))
    if origin is tuple and arguments[-1] is not ...:
        least, exactly = len(arguments), True
    if least and not exactly:
        one, several = one.replace("a ", "a non-empty "), f"non-empty {several}"
    words = several if many else one
    if origin in (list, tuple) and arguments[0] is not Any:
        number = f"{least} " if exactly else ""
        words += f" of {number}{describe(arguments[0], many=True)}"
    elif is_model(base):
        words += f" ({', '.join(base.model_fields)})"
    bounds = " and ".join(
        f"{sign} {getattr(each, attribute)}"
        for each in metadata
        for kind, attribute, sign in _BOUNDS
        if isinstance(each, kind)
    )
    return f"{words} {bounds}" if bounds else words


_BOUNDS = ((Gt, "gt", ">"), (Ge, "ge", ">="), (Lt, "lt", "<"), (Le, "le", "<="))


def _flat(metadata: list[Any]) -> list[Any]:
    """Return the metadata with groups such as Interval and Len taken apart."""
    parts = [each if isinstance(each, GroupedMetadata) else [each] for each in metadata]
    return [each for part in parts for each in part]


def _written(annotation: Any) -> Any:
    """Return the type a person writes where a validator turns it into another one first."""
    types_written = (
        getattr(each, "json_schema_input_type", None) for each in unwrap(annotation)[1]
    )
    return next((each for each in types_written if each not in (None, PydanticUndefined)), None)


def _integral(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _without_tuples(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _fits(annotation: Any, value: Any) -> bool:
    """Say whether a value has the shape that one branch of a union reads."""
    base, _ = unwrap(annotation)
    if marker := marker_of(annotation):
        return marker.fits(value)
    origin = typing.get_origin(base)
    if origin is Literal:
        return any(value == each and type(value) is type(each) for each in typing.get_args(base))
    if base in (None, type(None)):
        return value is None
    if base in (int, float):
        return isinstance(value, int | base) and not isinstance(value, bool)
    if base is Path:
        return isinstance(value, str | Path)
    if origin in (list, tuple, dict):
        return isinstance(value, Mapping if origin is dict else list | tuple)
    if is_model(base):
        return isinstance(value, Mapping | base)
    return isinstance(base, type) and isinstance(value, base)


class _OneOf:
    """Reads a value of a union by the one branch that its shape picks."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        members = sorted(  # literals first: 'auto' is not the misspelt name of a loss
            branches(source), key=lambda each: typing.get_origin(unwrap(each)[0]) is not Literal
        )

        def pick(value: Any) -> str | None:
            fitting = (i for i, each in enumerate(members) if _fits(each, value))
            index = next(fitting, None)
            if index is None and (whole := _integral(value)) is not value:
                return pick(whole)
            return None if index is None else f"{TAG}{index}"

        return core_schema.tagged_union_schema(
            {f"{TAG}{i}": handler.generate_schema(each) for i, each in enumerate(members)},
            discriminator=pick,
        )


@dataclass(frozen=True)
class _Explained:
    """Says what is wrong with a value as a whole in the words of its annotation."""

    annotation: Any

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_wrap_validator_function(self._explain, handler(source))

    def _explain(self, value: Any, read: core_schema.ValidatorFunctionWrapHandler) -> Any:
        try:
            return read(value)
        except ValidationError as error:
            for each in error.errors(include_url=False):
                inside = any(not str(part).startswith(TAG) for part in each["loc"])
                if inside or each["type"] == "rule":
                    raise
            raise not_allowed(describe(self.annotation), suggestions(self.annotation)) from None

"""The base class of the config's sections, and what their fields are declared with."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError


class Section(BaseModel):
    """A mapping of the config; its fields are the keys that it may have."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, protected_namespaces=()
    )

    # Keys that exclude each other: a key in a later file or override replaces the other one.
    alternatives: ClassVar[Mapping[str, str]] = {}


def option(default: Any, description: str) -> Any:
    """Return a field of a section; the default `...` makes its key required."""
    return Field(default, description=description)


def rule(text: str) -> PydanticCustomError:
    """Return the error for values that break a rule between several fields."""
    return PydanticCustomError("rule", "{text}", {"text": text})

"""What a mapping of the config is declared with: its fields, and rules between them."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError


class Section(BaseModel):
    """A mapping of the config: its fields are the keys that may stand in it."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        protected_namespaces=(),
    )

    # A key given by a later file or override takes the place of the other one of its pair.
    alternatives: ClassVar[Mapping[str, str]] = {}


def option(default: Any, description: str) -> Any:
    """Return the field of a section; `...` as the default makes its key required."""
    return Field(default, description=description)


def rule(text: str) -> PydanticCustomError:
    """Return the error of a value that breaks a rule between several fields."""
    return PydanticCustomError("rule", "{text}", {"text": text})

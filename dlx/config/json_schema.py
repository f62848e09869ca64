"""The JSON Schema of a config file, for editors that complete and check YAML."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from dlx import registry
from dlx.config.schema import RunConfig
from dlx.config.types import entry_model

_REF = "#/$defs/{model}"


class _Generator(GenerateJsonSchema):
    """Writes unions as anyOf: an integer is also a number, which oneOf would refuse."""

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> dict[str, Any]:
        """Return anyOf the members."""
        return {"anyOf": [self.generate_inner(each) for each in schema["choices"].values()]}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a config file, with every name of every kind."""
    definitions: dict[str, Any] = {}
    schema = _generate(RunConfig, definitions)
    schema["properties"]["extends"] = {
        "type": "string",
        "description": "A file, relative to this one, that this one changes.",
    }
    schema["anyOf"] = [{"required": schema.pop("required")}, {"required": ["extends"]}]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "$defs": dict(sorted(definitions.items())),
    }


def _generate(model: type[BaseModel], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a model; what it refers to goes into the definitions."""
    schema = model.model_json_schema(ref_template=_REF, schema_generator=_Generator)
    for name, each in schema.pop("$defs", {}).items():
        resolved = _resolve(each, definitions)
        assert definitions.setdefault(name, resolved) == resolved, f"two models named {name}"
    return _resolve(schema, definitions)


def _resolve(schema: Any, definitions: dict[str, Any]) -> Any:
    """Put a reference in the place of every `Named` marker, and define its kind."""
    if isinstance(schema, list):
        return [_resolve(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    resolved = {key: _resolve(each, definitions) for key, each in schema.items()}
    kind = resolved.pop("x-kind", None)
    default = resolved.pop("x-default", None)
    common = resolved.pop("x-common", True)
    if kind is None:
        return resolved
    title = kind if common else f"bare_{kind}"
    _define(kind, title, common, definitions)
    named = {"$ref": f"#/$defs/{title}"}
    if default is None:
        return {**named, **resolved}
    return {"anyOf": [named, {"$ref": f"#/$defs/{title}_{default}"}], **resolved}


def _define(kind: str, title: str, common: bool, definitions: dict[str, Any]) -> None:
    if title in definitions:
        return
    names = registry.names(kind)
    entries = [{"$ref": f"#/$defs/{title}_{name}", "required": ["name"]} for name in names]
    definitions[title] = {"anyOf": [{"enum": names}, *entries]}
    for name in names:
        entry = _generate(entry_model(kind, name, common=common), definitions)
        entry["required"] = [each for each in entry["required"] if each != "name"]
        definitions[f"{title}_{name}"] = entry

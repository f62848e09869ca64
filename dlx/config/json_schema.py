"""The JSON Schema of a config file, for editors that complete and check YAML."""

import json
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from dlx import registry
from dlx.config.schema import RunConfig
from dlx.config.types import REFERENCE, entry_model


class _Generator(GenerateJsonSchema):
    """Writes unions as anyOf: an integer is also a number, which oneOf would refuse."""

    # A default of a plug-in's own class, which has no place in a schema.
    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> dict[str, Any]:
        """Return anyOf the members."""
        return {"anyOf": [self.generate_inner(member) for member in schema["choices"].values()]}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a config file, with every name of every kind."""
    definitions: dict[str, Any] = {}
    schema = _generate(RunConfig, definitions)
    for kind in registry.MODULES:
        _define(kind, kind, definitions)
    _define("data", "bare_data", definitions, common=False)
    schema["properties"]["extends"] = {
        "type": "string",
        "description": "A file, relative to this one, that this one changes.",
    }
    schema["anyOf"] = [{"required": schema.pop("required")}, {"required": ["extends"]}]
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "$defs": dict(sorted(definitions.items())),
    }
    return json.loads(json.dumps(whole).replace(f'"{REFERENCE}"', '"$ref"'))


def _define(kind: str, title: str, definitions: dict[str, Any], *, common: bool = True) -> None:
    """Define a kind and each of its names; `Named` refers to them by their titles."""
    names = registry.names(kind)
    entries = [{"$ref": f"#/$defs/{title}_{name}", "required": ["name"]} for name in names]
    definitions[title] = {"anyOf": [{"enum": names}, *entries]}
    for name in names:
        entry = _generate(entry_model(kind, name, common=common), definitions)
        entry["required"] = [key for key in entry["required"] if key != "name"]
        definitions[f"{title}_{name}"] = entry


def _generate(model: type[BaseModel], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a model; the sections that it refers to go into the definitions."""
    schema = model.model_json_schema(schema_generator=_Generator)
    for name, section in schema.pop("$defs", {}).items():
        assert definitions.setdefault(name, section) == section, f"two models named {name}"
    return schema

"""The JSON Schema accepts what `load` accepts, refuses typos, and describes every option."""

import json
import re
from typing import Any

import pytest

from dlx import registry
from dlx.config.dump import to_plain
from dlx.config.load import json_schema, load

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


@pytest.fixture(scope="module")
def schema():
    return json_schema()


def has_type(value: Any, name: str) -> bool:
    if name in ("integer", "number"):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and (name == "number" or value == int(value))
    return isinstance(value, TYPES[name])


def accepts(value: Any, schema: Any, root: Any) -> bool:
    """Say whether a value fits, for the keywords of draft 2020-12 that the schema uses."""
    if isinstance(schema, bool):
        return schema
    keywords = {"$ref", "anyOf", "enum", "const", "type", "required", "properties", "items"}
    keywords |= {"additionalProperties", "minimum", "maximum", "exclusiveMinimum", "pattern"}
    keywords |= {"exclusiveMaximum", "minItems", "maxItems", "format", "$schema", "$defs"}
    keywords |= {"patternProperties", "minProperties"}
    keywords |= {"title", "description", "default"}
    assert schema.keys() <= keywords, schema.keys() - keywords

    def fits(item: Any, inner: Any) -> bool:
        return accepts(item, inner, root)

    checks = {
        "$ref": lambda ref: fits(value, root["$defs"][ref.removeprefix("#/$defs/")]),
        "anyOf": lambda members: any(fits(value, member) for member in members),
        "enum": lambda values: value in values,
        "const": lambda other: value == other,
        "type": lambda name: has_type(value, name),
    }
    if isinstance(value, dict):
        known_keys = schema.get("properties", {})
        others = [item for key, item in value.items() if key not in known_keys]
        checks |= {
            "required": lambda keys: all(key in value for key in keys),
            "properties": lambda inner: all(fits(value[k], inner[k]) for k in inner if k in value),
            "patternProperties": lambda inner: all(
                fits(item, one)
                for pattern, one in inner.items()
                for key, item in value.items()
                if re.search(pattern, key)
            ),
            "minProperties": lambda least: len(value) >= least,
            "additionalProperties": lambda inner: all(fits(item, inner) for item in others),
        }
    elif isinstance(value, list):
        checks |= {
            "items": lambda inner: all(fits(item, inner) for item in value),
            "minItems": lambda least: len(value) >= least,
            "maxItems": lambda most: len(value) <= most,
        }
    elif isinstance(value, str):
        checks |= {"pattern": lambda pattern: re.search(pattern, value) is not None}
    elif isinstance(value, int | float) and not isinstance(value, bool):
        checks |= {
            "minimum": lambda bound: value >= bound,
            "maximum": lambda bound: value <= bound,
            "exclusiveMinimum": lambda bound: value > bound,
            "exclusiveMaximum": lambda bound: value < bound,
        }
    return all(check(schema[key]) for key, check in checks.items() if key in schema)


def test_it_is_json_with_all_references_defined(schema):
    text = json.dumps(schema)
    references = set(re.findall(r'"#/\$defs/([^"]+)"', text))
    assert references <= set(schema["$defs"])
    assert "x-kind" not in text
    assert schema["$schema"].endswith("2020-12/schema")


@pytest.mark.parametrize(
    "values",
    [
        {"data": "digits"},
        {"extends": "base.yaml", "seed": 3},
        {"data": {"name": "digits", "split": {"dev": 0.2, "test": 5}, "standardize": True}},
        {"data": "digits", "model": {"hidden": [], "activation": ["relu", {"name": "elu"}]}},
        {"data": "digits", "optimizer": {"lr": 3, "schedule": {"warmup": 3}}},
        {"data": "digits", "optimizer": {"name": "momentum", "momentum": 0.5}},
        {"data": "digits", "train": {"batch_size": "all", "device": "cuda:1", "steps": 3}},
        {"data": "digits", "ablation": {"vary": {"seed": [1]}, "seeds": [1, 2]}},
    ],
)
def test_it_accepts(schema, values):
    assert accepts(values, schema, schema)
    if "extends" not in values:
        assert accepts(to_plain(load(values)), schema, schema)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"data": "digts"},
        {"data": {"standardize": True}},
        {"data": "digits", "sed": 1},
        {"data": "digits", "seed": -1},
        {"data": "digits", "seed": True},
        {"data": "digits", "name": "a/b"},
        {"data": "digits", "name": "a..b"},
        {"data": "digits", "model": {"activation": "reluu"}},
        {"data": "digits", "model": {"activation": {"name": "elu", "alhpa": 1}}},
        {"data": "digits", "model": {"hidden": [0]}},
        {"data": "digits", "optimizer": {"momentum": 0.5}},
        {"data": "digits", "train": {"batch_size": "al"}},
        {"data": "digits", "ablation": {"vary": {"seed": []}}},
    ],
)
def test_it_refuses(schema, values):
    assert not accepts(values, schema, schema)


def test_every_option_is_described(schema):
    objects = {"": schema, **schema["$defs"]}
    for name, definition in objects.items():
        for key, option in definition.get("properties", {}).items():
            assert option.get("description"), f"{name}.{key}"


@pytest.mark.parametrize("kind", ["activation", "initializer", "optimizer", "schedule", "data"])
def test_every_name_can_be_completed(schema, kind):
    names = registry.names(kind)
    assert schema["$defs"][kind]["anyOf"][0] == {"enum": names}
    assert {f"{kind}_{name}" for name in names} <= set(schema["$defs"])

"""Configs as readable YAML."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from dlx.config.nodes import CoreLoader


def to_plain(value: Any) -> Any:
    """Return a config as dicts, lists and scalars, with keys in the order of the schema."""
    if isinstance(value, BaseModel):
        return {key: to_plain(inner) for key, inner in value}
    if isinstance(value, dict):
        return {key: to_plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value


def flat(plain: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one of dotted keys; a choice's name stands at its own key.

    {"optimizer": {"name": "adam", "lr": 0.1}} gives {"optimizer": "adam", "optimizer.lr": 0.1}.
    """
    leaves: dict[str, Any] = {}
    for key, value in plain.items():
        path = f"{prefix}{key}"
        if not isinstance(value, Mapping):
            leaves[path] = value
            continue
        if "name" in value:
            leaves[path] = value["name"]
        leaves |= flat({k: v for k, v in value.items() if k != "name"}, f"{path}.")
    return leaves


def to_yaml(plain: dict[str, Any]) -> str:
    """Return YAML that means the same under YAML 1.1 and 1.2.

    Sections are written as blocks; inside them a mapping of scalars is written on one line.
    """
    sections = {
        key: {inner: _Inline.of(item) for inner, item in value.items()}
        if isinstance(value, dict)
        else value
        for key, value in plain.items()
    }
    return yaml.dump(sections, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def inline(value: Any) -> str:
    """Return a scalar or a list of scalars as YAML on one line."""
    text = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=True, allow_unicode=True, width=10**6
    )
    return text.removesuffix("\n").removesuffix("\n...")


class _Inline(dict):
    """A mapping to write as {key: value, …}."""

    @classmethod
    def of(cls, value: Any) -> Any:
        """Return a value in which every mapping of scalars is inline."""
        if isinstance(value, list):
            return [cls.of(item) for item in value]
        if not isinstance(value, dict):
            return value
        entries = {key: cls.of(item) for key, item in value.items()}
        flat = not any(isinstance(item, dict | list) and item for item in entries.values())
        return cls(entries) if flat else entries


class _Dumper(yaml.SafeDumper):
    """A SafeDumper that also quotes the strings that YAML 1.2 would not read as strings."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write a value out wherever it occurs."""
        return True


def _represent_string(dumper: yaml.SafeDumper, data: str) -> yaml.Node:
    # PyYAML writes these line breaks as they are, and reads them back as spaces.
    style = '"' if any(mark in data for mark in "\x85\u2028\u2029") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)


def _represent_list(dumper: yaml.SafeDumper, data: list) -> yaml.Node:
    flow = not any(isinstance(item, dict | list) for item in data)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=flow)


def _represent_inline(dumper: yaml.SafeDumper, data: _Inline) -> yaml.Node:
    return dumper.represent_mapping("tag:yaml.org,2002:map", data, flow_style=True)


_Dumper.add_representer(str, _represent_string)
_Dumper.add_representer(list, _represent_list)
_Dumper.add_representer(_Inline, _represent_inline)
for _first, _resolvers in CoreLoader.yaml_implicit_resolvers.items():
    for _tag, _pattern in _resolvers:
        _Dumper.add_implicit_resolver(_tag, _pattern, [_first])

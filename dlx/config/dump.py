"""A config as readable YAML, every default filled in."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from dlx.config.nodes import CoreLoader


def to_plain(value: Any) -> Any:
    """Return a config as dicts, lists and scalars, keys in the order of the schema."""
    if isinstance(value, BaseModel):
        return {key: to_plain(inner) for key, inner in value}
    if isinstance(value, dict):
        return {key: to_plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value


def to_yaml(plain: dict[str, Any]) -> str:
    """Return YAML that reads the same under YAML 1.1 and 1.2.

    Sections stand in blocks; below them, what holds scalars alone stands on one line.
    """
    sections = {
        key: {inner: _Inline.of(each) for inner, each in value.items()}
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
        """Return the value with the mappings in it that hold scalars alone made inline."""
        if isinstance(value, list):
            return [cls.of(each) for each in value]
        if not isinstance(value, dict):
            return value
        inner = {key: cls.of(each) for key, each in value.items()}
        flat = not any(isinstance(each, dict | list) and each for each in inner.values())
        return cls(inner) if flat else inner


class _Dumper(yaml.SafeDumper):
    """A SafeDumper that also quotes the strings that YAML 1.2 would read as something else."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write equal values out."""
        return True


def _represent_string(dumper: yaml.SafeDumper, data: str) -> yaml.Node:
    # PyYAML writes these line breaks as they are, and reads them back as spaces
    style = '"' if any(each in data for each in "\x85\u2028\u2029") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)


def _represent_list(dumper: yaml.SafeDumper, data: list) -> yaml.Node:
    flow = not any(isinstance(each, dict | list) for each in data)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=flow)


def _represent_inline(dumper: yaml.SafeDumper, data: _Inline) -> yaml.Node:
    return dumper.represent_mapping("tag:yaml.org,2002:map", data, flow_style=True)


_Dumper.add_representer(str, _represent_string)
_Dumper.add_representer(list, _represent_list)
_Dumper.add_representer(_Inline, _represent_inline)
for _first, _resolvers in CoreLoader.yaml_implicit_resolvers.items():
    for _tag, _pattern in _resolvers:
        _Dumper.add_implicit_resolver(_tag, _pattern, [_first])

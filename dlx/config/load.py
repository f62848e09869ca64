"""From a YAML file or a mapping to a checked `RunConfig`, and back to YAML."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dlx.config import merge
from dlx.config.dump import to_plain, to_yaml
from dlx.config.json_schema import json_schema
from dlx.config.messages import in_order, problems_of
from dlx.config.nodes import Node, from_plain
from dlx.config.schema import RunConfig
from dlx.config.types import Choice, choice
from dlx.errors import ConfigError
from dlx.texts import name_problem

__all__ = [
    "RunConfig",
    "assign",
    "data_choice",
    "dump",
    "json_schema",
    "load",
    "load_resolved",
    "of_plain",
    "override",
]

# What a resolved config lacks that was written before seeds drew their own rows, and what it meant.
_ONE_SPLIT = {"test_seed": None}
_NO_STOP_ROWS = {"stop": 0}


def load(source: str | Path | Mapping[str, Any], overrides: Sequence[str] = ()) -> RunConfig:
    """Return the config of a file or of a mapping, with every default filled in.

    Args:
        source: path of a YAML file, or its content as a mapping; `extends` and options that are
            paths are relative to the file or, for a mapping and what the shell has opened
            (/dev/stdin), to the working directory
        overrides: KEY=VALUE texts; KEY is a dotted key, VALUE is read as YAML

    Raises:
        ConfigError: has a line for everything that is wrong: position, dotted key, what was
            received, what is allowed and the nearest valid spelling
    """
    problems: list[str] = []
    if isinstance(source, Mapping):
        try:
            node = from_plain(source)
        except RecursionError:
            raise ConfigError("the config is nested too deeply; write it flatter") from None
        root = merge.extend(node, Path(), problems)
    else:
        path = Path(source)
        root = merge.read_extended(path, problems)
        if not merge.is_open(path):
            root = replace(root, value={"name": Node(path.stem, root.where), **root.value})
    config = _check(merge.override(root, overrides, problems), problems)
    if problem := name_problem(config.name):
        raise ConfigError(
            f"name: {config.name!r} {problem}; choose a plain name such as 'mnist-relu'"
        )
    return config


def load_resolved(path: Path) -> RunConfig:
    """Return the config that a folder of runs holds, in which nothing is left out.

    In those of older versions `data.split_seed` drew the test rows too, dev rows were watched, and
    torch trained them.
    """
    problems: list[str] = []
    root = merge.read_extended(path, problems)
    data = root.value.get("data")
    if data is not None and isinstance(data.value, dict) and "test_seed" not in data.value:
        split = data.value.get("split")
        parts = split.plain() if split is not None else "auto"
        own = {} if parts == "auto" else parts
        older = from_plain(_ONE_SPLIT | {"split": own | _NO_STOP_ROWS})
        data = replace(data, value=data.value | older.value)
        root = replace(root, value=root.value | {"data": data})
    train = root.value.get("train")
    if train is not None and isinstance(train.value, dict) and "engine" not in train.value:
        train = replace(train, value=train.value | from_plain({"engine": "torch"}).value)
        root = replace(root, value=root.value | {"train": train})
    return _check(root, problems)


def override(
    config: RunConfig, overrides: Sequence[str], options: Mapping[str, str] | None = None
) -> RunConfig:
    """Return a config changed by KEY=VALUE texts, which are read as by `load`.

    Of texts that come from a command-line option, `options` has the option as it was written.
    """
    problems: list[str] = []
    root = from_plain(to_plain(config))
    return _check(merge.override(root, overrides, problems, options), problems)


def assign(config: RunConfig, settings: Mapping[str, Any]) -> RunConfig:
    """Return a config in which the values of dotted keys are replaced, one after another."""
    root = from_plain(to_plain(config))
    values = {key: from_plain(value) for key, value in settings.items()}
    return _check(merge.assign_all(root, values), [])


def of_plain(plain: Mapping[str, Any]) -> RunConfig:
    """Return the config of which `dlx.config.dump.to_plain` made a mapping."""
    return _check(from_plain(plain), [])


def data_choice(name: str, overrides: Sequence[str] = ()) -> Choice:
    """Return the choice of a data source, given its name and its options as KEY=VALUE texts."""
    problems: list[str] = []
    root = from_plain({"data": {"name": name}})
    root = merge.override(root, [f"data.{text}" for text in overrides], problems)
    if problems:
        raise ConfigError("\n".join(problems))
    return choice("data", **root.plain()["data"])


def dump(config: RunConfig) -> str:
    """Return a config as YAML with every default filled in; it loads to an equal config."""
    return to_yaml(to_plain(config))


def _check(root: Node, problems: list[str]) -> RunConfig:
    try:
        config = RunConfig.model_validate(root.plain())
    except ValidationError as error:
        problems = [*problems, *problems_of(error, root, RunConfig)]
    else:
        if not problems:
            return config
    raise ConfigError("\n".join(in_order(problems)))

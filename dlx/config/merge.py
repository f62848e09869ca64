"""One config from several: `extends` and the overrides KEY=VALUE of a command line."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dlx.config.annotations import branches, child, reads_name
from dlx.config.nodes import Node, read_file, read_value
from dlx.config.paths import resolve_paths
from dlx.config.schema import RunConfig
from dlx.errors import ConfigError


def merge(base: Node, over: Node, annotation: Any = RunConfig) -> Node:
    """Return the base with the values of `over`: mappings merge, all else is replaced.

    A choice under a new name starts from that name's defaults; of two keys of which only one can
    count (`epochs`, `steps`) the one in `over` does.
    """
    if over.replaces or not isinstance(over.value, dict):
        return over
    entries = base.value
    if reads_name(annotation, entries):
        entries = {"name": base}
    if not isinstance(entries, dict) or _renamed(annotation, entries, over.value):
        return over
    entries = dict(entries)
    for key, node in over.value.items():
        other = _alternative(annotation, key)
        if other and other not in over.value and node.value is not None:
            entries.pop(other, None)
        if key in entries:
            entries[key] = merge(entries[key], node, child(annotation, key))
        else:
            entries[key] = node
    return Node(entries, over.where)


def read_extended(path: Path, problems: list[str], chain: Sequence[Path] = ()) -> Node:
    """Read a config file and, below it, the files it extends.

    Raises:
        ConfigError: a file cannot be read, or the files extend each other in a circle.
    """
    return extend(read_file(path, problems), path.parent, problems, (*chain, path))


def extend(root: Node, folder: Path, problems: list[str], chain: Sequence[Path] = ()) -> Node:
    """Return a config merged over the file that its `extends` names; its paths are absolute.

    The file and the paths are relative to `folder`.

    Raises:
        ConfigError: a file cannot be read, or the files extend each other in a circle.
    """
    entries = dict(root.value)
    extends = entries.pop("extends", None)
    root = replace(root, value=entries)
    if extends is None:
        return resolve_paths(root, folder)
    if not isinstance(extends.value, str):
        problems.append(f"{extends.where}: extends: received {extends.plain()!r}; name one file")
        return resolve_paths(root, folder)
    path = folder / extends.value
    if path.resolve() in [each.resolve() for each in chain]:
        circle = " -> ".join(str(each) for each in (*chain, path))
        raise ConfigError(f"{extends.where}: extends: a circle ({circle}); remove one of them")
    try:
        base = read_extended(path, problems, chain)
    except ConfigError as error:
        raise ConfigError(f"{extends.where}: extends: {error}") from None
    # Once merged: which options are paths depends on names that the base may give.
    return replace(resolve_paths(merge(base, root), folder), where=root.where)


def override(
    root: Node,
    overrides: Sequence[str],
    problems: list[str],
    options: Mapping[str, str] | None = None,
) -> Node:
    """Return a config with the values of KEY=VALUE texts; a later one wins.

    Paths in them are relative to the working directory.

    Args:
        root: the config
        overrides: the texts
        problems: receives a line for each that cannot be read
        options: of texts that an option of the command line stands for, how it was written
    """
    for text in overrides:
        where = (options or {}).get(text, f"override {text!r}")
        key, equals, value = text.partition("=")
        path = key.split(".")
        if not equals or not all(path):
            problems.append(f"{where}: write KEY=VALUE, for example optimizer.lr=0.01")
            continue
        try:
            node = read_value(value, where, problems)
        except ConfigError as error:
            problems.append(str(error))
            continue
        root = assign(root, key, replace(node, where=where))
    return root


def assign(root: Node, key: str, node: Node) -> Node:
    """Return a config with the value of a dotted key replaced.

    Paths in the value are relative to the working directory.
    """
    value = replace(node, replaces=True)
    for part in reversed(key.split(".")):
        value = Node({part: value}, node.where)
    return replace(resolve_paths(merge(root, value), Path()), where=root.where)


def _renamed(annotation: Any, entries: dict[str, Node], over: dict[str, Node]) -> bool:
    if "name" not in entries or "name" not in over:
        return False
    is_choice = any(branch.marker for branch in branches(annotation))
    return is_choice and entries["name"].value != over["name"].value


def _alternative(annotation: Any, key: str) -> str | None:
    others = [getattr(each.base, "alternatives", {}).get(key) for each in branches(annotation)]
    return next(filter(None, others), None)

"""One config from several: files that extend each other, and KEY=VALUE overrides.

Paths in a config are relative to the file that they are written in.
"""

import errno
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dlx.config.annotations import branches, child, literals, reads_name
from dlx.config.nodes import Node, read_file, read_value
from dlx.config.schema import RunConfig
from dlx.config.words import shown
from dlx.errors import ConfigError
from dlx.texts import expanded

_LONGEST_CHAIN = 20  # of files that extend each other
_LONGEST_PLACE = 80  # signs of an option in a message


def merge(base: Node, over: Node, annotation: Any = RunConfig) -> Node:
    """Return the base with the values of `over`. Mappings are merged; other values are replaced.

    A choice with a new name starts from the defaults of that name. Of two keys that exclude each
    other (`epochs` and `steps`), the one in `over` is kept.
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
    """Return the config of a file, merged over those that it extends; arguments as for `extend`."""
    folder = Path() if is_open(path) else path.parent
    return extend(read_file(path, problems), folder, problems, (*chain, path))


def is_open(path: Path) -> bool:
    """Say whether a path names what the shell has opened: /dev/stdin, <(command)."""
    return path.parts[:2] in (("/", "dev"), ("/", "proc"))


def extend(root: Node, folder: Path, problems: list[str], chain: Sequence[Path] = ()) -> Node:
    """Return a config merged over the file that its `extends` names, with absolute paths.

    `folder` is what `extends` and the config's own paths are relative to; `chain` are the files
    that extend this one, the config's own last; `problems` receives what is wrong but can be read.
    """
    entries = dict(root.value)
    extends = entries.pop("extends", None)
    root = replace(root, value=entries)
    if extends is None:
        return resolve_paths(root, folder)
    if not isinstance(extends.value, str):
        problems.append(f"{extends.where}: extends: received {extends.plain()!r}; name one file")
        return resolve_paths(root, folder)
    path = folder / expanded(extends.value)
    try:
        path.stat()
    except OSError as error:  # of all but a circle of links the reading tells
        if error.errno == errno.ELOOP:
            raise ConfigError(
                f"{extends.where}: extends: the links of {path} lead in a circle; name a YAML file"
            ) from None
    is_circle = path.resolve() in [file.resolve() for file in chain]
    if len(chain) >= _LONGEST_CHAIN:
        raise ConfigError(
            f"{extends.where}: extends: more than {_LONGEST_CHAIN} files extend each other; write "
            "them as one"
        )
    if is_circle:
        circle = " -> ".join(str(file) for file in (*chain, path))
        raise ConfigError(f"{extends.where}: extends: a circle ({circle}); remove one of them")
    try:
        base = read_extended(path, problems, chain)
    except ConfigError as error:
        # The innermost place says it all: the files above it were read.
        inside = " extends: " in str(error)
        raise ConfigError(str(error) if inside else f"{extends.where}: extends: {error}") from None
    # Paths are resolved after the merge: which options are paths depends on names in the base.
    return replace(resolve_paths(merge(base, root), folder), where=root.where)


def override(
    root: Node,
    overrides: Sequence[str],
    problems: list[str],
    options: Mapping[str, str] | None = None,
) -> Node:
    """Return a config with the values of KEY=VALUE texts; the last text for a key wins.

    Paths in the values are relative to the working directory. `options` names the command-line
    option of a text that comes from one.
    """
    for text in overrides:
        where = (options or {}).get(text, f"override {shown(text)}")
        where = where if len(where) <= _LONGEST_PLACE else f"{where[:_LONGEST_PLACE]}..."
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
    """Return a config in which the value of a dotted key is replaced.

    Paths in the value are relative to the working directory.
    """
    return assign_all(root, {key: node})


def assign_all(root: Node, nodes: Mapping[str, Node]) -> Node:
    """Return a config in which the values of dotted keys are replaced, one after another."""
    where = root.where
    for key, node in nodes.items():
        value = replace(node, replaces=True)
        for part in reversed(key.split(".")):
            value = Node({part: value}, node.where)
        root = _resolve_at(merge(root, value), key.split("."), RunConfig)
    return replace(root, where=where)


def _resolve_at(node: Node, path: Sequence[str], annotation: Any) -> Node:
    """Return a config whose `Path` options below a place are absolute, see `resolve_paths`."""
    if not path or not isinstance(node.value, dict) or path[0] not in node.value:
        return resolve_paths(node, Path(), annotation)
    below = child(annotation, path[0], node.plain())
    own = _resolve_at(node.value[path[0]], path[1:], below)
    return replace(node, value={**node.value, path[0]: own})


def resolve_paths(node: Node, folder: Path, annotation: Any = RunConfig) -> Node:
    """Return a config whose `Path` options are absolute; relative ones start from a folder."""
    if annotation is None:
        return node
    if isinstance(node.value, dict):
        plain = node.plain()
        entries = {
            key: resolve_paths(inner, folder, child(annotation, key, plain))
            for key, inner in node.value.items()
        }
        return replace(node, value=entries)
    if isinstance(node.value, list):
        below = child(annotation, 0)
        return replace(node, value=[resolve_paths(inner, folder, below) for inner in node.value])
    is_path = any(branch.base is Path for branch in branches(annotation))
    if is_path and isinstance(node.value, str) and node.value not in literals(annotation):
        return replace(node, value=str((folder / expanded(node.value)).absolute()))
    return node


def _renamed(annotation: Any, entries: dict[str, Node], over: dict[str, Node]) -> bool:
    if "name" not in entries or "name" not in over:
        return False
    is_choice = any(branch.marker for branch in branches(annotation))
    return is_choice and entries["name"].value != over["name"].value


def _alternative(annotation: Any, key: str) -> str | None:
    pairs = [getattr(branch.base, "alternatives", {}) for branch in branches(annotation)]
    return next((pair[key] for pair in pairs if key in pair), None)

"""Paths in a config: relative to the file that names them, wherever dlx is started."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from dlx.config.annotations import branches, child, literals
from dlx.config.nodes import Node
from dlx.config.schema import RunConfig


def resolve_paths(node: Node, folder: Path, annotation: Any = RunConfig) -> Node:
    """Return a config in which every value of an option of type `Path` is an absolute path.

    Args:
        node: what a file, a mapping or an override says
        folder: what its relative paths start from; `~` is the home folder
        annotation: of the node
    """
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
        return replace(node, value=str((folder / Path(node.value).expanduser()).absolute()))
    return node

"""Paths in a config, which are relative to the file that they are written in."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from dlx.config.annotations import branches, child, literals
from dlx.config.nodes import Node
from dlx.config.schema import RunConfig


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
        return replace(node, value=str((folder / Path(node.value).expanduser()).absolute()))
    return node

"""Paths in a config: relative to the file that names them, wherever dlx is started."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from dlx.config.checks import branches, literals, unwrap
from dlx.config.fields import child, descend
from dlx.config.nodes import Node
from dlx.config.schema import AblationConfig, RunConfig


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
            key: _resolve_settings(each, folder)
            if annotation is RunConfig and key == "ablation"
            else resolve_paths(each, folder, child(annotation, key, plain))
            for key, each in node.value.items()
        }
        return replace(node, value=entries)
    if isinstance(node.value, list):
        inner = child(annotation, 0)
        return replace(node, value=[resolve_paths(each, folder, inner) for each in node.value])
    is_path = any(unwrap(branch)[0] is Path for branch in branches(annotation))
    if is_path and isinstance(node.value, str) and node.value not in literals(annotation):
        return replace(node, value=str((folder / Path(node.value).expanduser()).absolute()))
    return node


def _resolve_settings(node: Node, folder: Path) -> Node:
    """Resolve what stands at dotted keys, wherever they are in an `ablation` section."""
    if isinstance(node.value, list):
        return replace(node, value=[_resolve_settings(each, folder) for each in node.value])
    if not isinstance(node.value, dict):
        return node
    entries = {}
    for key, each in node.value.items():
        annotation = descend(RunConfig, key.split("."))
        if key == "only" and isinstance(each.value, dict):  # by dotted key conditions, not values
            conditions = {k: _resolve_settings(v, folder) for k, v in each.value.items()}
            entries[key] = replace(each, value=conditions)
        elif annotation is None or key in AblationConfig.model_fields:
            entries[key] = _resolve_settings(each, folder)
        elif isinstance(each.value, list):  # of values
            found = [resolve_paths(value, folder, annotation) for value in each.value]
            entries[key] = replace(each, value=found)
        else:
            entries[key] = resolve_paths(each, folder, annotation)
    return replace(node, value=entries)

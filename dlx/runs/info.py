"""What run.json may hold, and what it says of the process that made the run."""

import datetime
import shlex
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import UnionType
from typing import Any

from dlx.runs.documents import misfit

KINDS = ("run", "ablation", "search")
MOST = 2**64 - 1  # that an integer may be, or its opposite
STATUSES = ("running", "completed", "stopped_early", "interrupted", "diverged", "failed")

_TYPES: dict[str, type | UnionType] = {
    "kind": str,
    "status": str,
    "created": str | None,
    "sequence": int | None,
    "ordinal": int | None,
    "seed": int | None,
    "started": str | None,
    "seconds": float | int | None,
    "steps": int | None,
    "epochs": float | int | None,
    "examples": float | int | None,
    "pretraining_steps": float | int | None,
    "pretraining_examples": float | int | None,
    "reason": str | None,
    "ended": str | None,
    "threads": int | None,
    "parameters": int | None,
    "weights": str | None,
    "data_fingerprint": str | None,
    "data_digest": str | None,
    "rows": dict | None,
    "task": dict | None,
    "features": list | None,
    "table": bool | None,
    "plugins": list | None,
    "digests": dict | None,
    "registered": dict | None,
    "metrics": dict | None,
    "baseline": dict | None,
    "resumed": list | None,
    "inexact": list | None,
    "engine": str | None,
    "differs_elsewhere": list | None,
    "generator": str | None,
    "arithmetic": int | None,
}


# The fields of run.json in their order; others follow.
_ORDER = (
    *(
        "schema",
        "kind",
        "sequence",
        "ordinal",
        "status",
        "weights",
        "seed",
        "steps",
        "epochs",
        "examples",
    ),
    *("pretraining_steps", "pretraining_examples", "pretraining", "resumed", "inexact"),
    "parameters",
    *("metrics", "baseline", "reason", "data_fingerprint", "data_digest", "rows", "task"),
    *("features", "table"),
    *(
        "device",
        "host",
        "threads",
        "engine",
        "differs_elsewhere",
        "generator",
        "arithmetic",
        "created",
        "started",
        "ended",
        "seconds",
        "command",
        "git_commit",
        "versions",
        "plugins",
    ),
)
# What says when, where and by which command a run was trained, not what came out.
CIRCUMSTANCES = (
    *(
        "sequence",
        "ordinal",
        "device",
        "host",
        "threads",
        "created",
        "started",
        "ended",
        "seconds",
        "command",
    ),
    *("git_commit", "versions", "plugins"),
)


def blank() -> dict[str, Any]:
    """Return the fields of a new run that training fills in later."""
    empty = (
        "sequence",
        "ordinal",
        "seed",
        "started",
        "ended",
        "seconds",
        "data_fingerprint",
        "parameters",
    )
    return {"kind": "run", "status": "running", **dict.fromkeys((*empty, "device", "threads"))}


def in_order(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of run.json in their order."""
    return {name: info[name] for name in _ORDER if name in info} | dict(info)


def describe() -> dict[str, Any]:
    """Return the `command`, `versions` and `git_commit` fields of run.json; imports no torch."""
    return {
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "git_commit": _git_commit(),
        "versions": {
            "python": sys.version.split()[0],
            **{package: _version(package) for package in ("dlx", "torch", "numpy")},
        },
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """Return the commit checked out in the current directory; None outside git."""
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "--verify", "HEAD"], capture_output=True, text=True, timeout=5
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def damage(info: object) -> str | None:
    """Return what is wrong with the document in run.json, or None; a field may be missing."""
    if not isinstance(info, Mapping) or not {"kind", "status"} <= info.keys():
        return "it has no kind or status"
    for field, types in _TYPES.items():
        if not isinstance(info.get(field), types):
            return f"its {field} is {info[field]!r}"
    for field, allowed in (("kind", KINDS), ("status", STATUSES)):
        if info[field] not in allowed:
            return f"its {field} is {info[field]!r}, none of {', '.join(allowed)}"
    for field in info:
        if _is_huge(info[field]):
            return f"its {field} holds a number that nothing counts up to"
    if not all(isinstance(entry, Mapping) for entry in info.get("resumed") or []):
        return f"its resumed is {info['resumed']!r}"
    if not _is_time(info.get("created")):
        return f"its created is {info['created']!r}"
    if not all(map(_is_plugin, info.get("plugins") or [])):
        return f"its plugins are {info['plugins']!r}"
    if not all(map(_are_digests, (info.get("digests") or {}).values())):
        return f"its digests are {info['digests']!r}"
    kept = info.get("registered")
    if kept and misfit(kept, {"plan": dict, "time": str, "sha256": str}):
        return f"its registered is {kept!r}"
    counts = (info.get("task") or {}).get("class_counts") or []
    if misfit(counts, [int]):
        return f"its task has the class counts {counts!r}"
    if misfit(info.get("rows") or {}, {str: {"n": int, "digest": str}}):
        return f"its rows are {info['rows']!r}"
    for field in ("metrics", "baseline"):
        if not all(map(_are_numbers, (info.get(field) or {}).values())):
            return f"its {field} are {info[field]!r}"
    return None


def _is_huge(value: Any) -> bool:
    """Say whether an integer beyond `MOST` stands in a value."""
    if isinstance(value, Mapping):
        return any(map(_is_huge, value.values()))
    if isinstance(value, list):
        return any(map(_is_huge, value))
    return isinstance(value, int) and abs(value) > MOST


def _is_time(text: str | None) -> bool:
    try:
        return text is None or datetime.datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _is_plugin(entry: Any) -> bool:
    fields = ("path", "sha256")
    return isinstance(entry, Mapping) and all(isinstance(entry.get(field), str) for field in fields)


def _are_digests(entry: Any) -> bool:
    """Say whether an entry is a digest or, while a file is replaced, several."""
    digests = entry if isinstance(entry, list) else [entry]
    return all(isinstance(digest, str) for digest in digests)


def _are_numbers(values: Any) -> bool:
    return isinstance(values, Mapping) and all(
        isinstance(value, float | int | None) for value in values.values()
    )

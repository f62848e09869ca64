"""What run.json may hold, and what it says of the process that made the run."""

import datetime
import shlex
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from dlx.runs.documents import METRICS, MOST, NUMBER, count, misfit

KINDS = ("run", "ablation", "search")
STATUSES = ("running", "completed", "stopped_early", "interrupted", "diverged", "failed")


def _is_time(value: Any) -> bool:
    try:
        return datetime.datetime.fromisoformat(value).tzinfo is not None
    except (ValueError, TypeError):
        return False


TASK = {
    "kind": str,
    "num_inputs": count,
    "num_outputs": count,
    "classes?": [str],
    "input_shape": [count],
    "num_train?": count,
    "class_counts?": [count],
    "target_shift?": [NUMBER],
    "target_scale?": [NUMBER],
    "in_unit_interval?": bool,
    "lowest?": [NUMBER],
    "highest?": [NUMBER],
    "white?": count,
}
HOST = {"name": str, "processor": str}  # of a cluster
_PLAN = {  # see `dlx.ablation.registration`
    "question": str | None,
    **dict.fromkeys(("metric", "comparisons", "baseline"), str),
    "also": [str],
    "margin": NUMBER | str | None,
    "seeds": object,
    "variants": [str],
    "rules": count,
}
_SHAPE = {
    "kind": set(KINDS),
    "status": set(STATUSES),
    "created?": _is_time,
    **dict.fromkeys(("sequence?", "ordinal?", "seed?", "threads?", "parameters?"), count),
    **dict.fromkeys(("steps?", "arithmetic?"), count),
    **dict.fromkeys(("seconds?", "epochs?", "examples?"), NUMBER),
    **dict.fromkeys(("pretraining_steps?", "pretraining_examples?"), NUMBER),
    **dict.fromkeys(("started?", "ended?", "reason?", "weights?", "engine?", "generator?"), str),
    **dict.fromkeys(("data_fingerprint?", "data_digest?", "device?", "command?"), str),
    "host?": (str, HOST),
    "rows?": {str: {"n": count, "digest": str}},
    "task?": TASK,
    "features?": [str],
    "table?": bool,
    "plugins?": [{"path": str, "sha256": str}],
    "digests?": {str: (str, [str])},  # several while a file is replaced
    "registered?": {"plan": _PLAN, "time": str, "sha256": str},
    "metrics?": METRICS,
    "baseline?": METRICS,
    "resumed?": [dict],
    "inexact?": list,
    "differs_elsewhere?": [str],
    "versions?": {str: str | None},
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
    for field in info:
        if _is_huge(info[field]):
            return f"its {field} holds a number that nothing counts up to"
    return misfit(info, _SHAPE, "")


def _is_huge(value: Any) -> bool:
    """Say whether an integer beyond `MOST` stands in a value."""
    if isinstance(value, Mapping):
        return any(map(_is_huge, value.values()))
    if isinstance(value, list):
        return any(map(_is_huge, value))
    return isinstance(value, int) and abs(value) > MOST

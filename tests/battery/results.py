"""What came out of runs, clocks and names aside, to be compared bit for bit."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from dlx import api
from dlx.runs.ablations import infos, read_index
from dlx.search.directory import Progress
from dlx.tracking.metrics import read

CONFIG: dict[str, Any] = {
    "name": "short",
    "data": {"name": "iris"},
    "model": {"hidden": [4], "dropout": 0.1},
    "train": {"steps": 12, "batch_size": 30, "checkpoint_seconds": 0},
    "log": {"every": 3, "level": "minimal"},
}
ABLATION: dict[str, Any] = CONFIG | {
    "name": "many",
    "ablation": {"vary": {"model.hidden": [[4], [3]]}, "seeds": 2},
}
SEARCH: dict[str, Any] = CONFIG | {
    "name": "wide",
    "search": {
        "space": {"optimizer.lr": "1e-3..1e-1 log", "model.hidden": [[4], [3]]},
        "trials": 4,
        "batch": 2,
        "seeds": 2,
        "judge_seeds": 2,
    },
}
_CLOCKS = ("seconds", "time")


def of_run(folder: Path) -> Any:
    """Return weights and lines of a run."""
    lines = read(folder / "metrics.jsonl")
    plain = [{k: v for k, v in line.items() if k not in _CLOCKS} for line in lines]
    return (folder / "weights.safetensors").read_bytes(), json.dumps(plain)


def of_ablation(folder: Path) -> Any:
    """Return weights, lines and final metrics of the runs of an ablation."""
    index = read_index(folder)
    ends = {
        name: (info["status"], info["metrics"])
        for name, info in infos(folder, index.values()).items()
    }
    lines = {}
    for path in sorted(folder.glob("cohorts/*/metrics.jsonl")):
        plain = [{k: v for k, v in line.items() if k not in _CLOCKS} for line in read(path)]
        lines[path.parent.name] = sorted(map(json.dumps, plain))
    weights = [p.read_bytes() for p in sorted(folder.glob("cohorts/*/weights.safetensors"))]
    return weights, lines, ends


def of_search(folder: Path) -> Any:
    """Return what came out of the runs of a search, its trials and its best config."""
    trials = [trial.document() for trial in Progress.read(folder).trials]
    for trial in trials:
        trial["measured"].pop("seconds_per_step", None)
    return of_ablation(folder), trials, (folder / "best.yaml").read_bytes()


# By the name of runs, what came out of one, and what goes on with it.
KINDS: dict[str, tuple[Callable[[Path], Any], Callable[[Path], Any]]] = {
    "short": (of_run, api.resume),
    "many": (of_ablation, partial(api.resume_ablation, jobs=1)),
    "wide": (of_search, partial(api.resume_search, jobs=1)),
}

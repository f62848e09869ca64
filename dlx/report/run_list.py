"""The list of runs, with their status and metrics. Imports no torch."""

from pathlib import Path
from typing import Any

from dlx.runs import RunDirectory, list_runs
from dlx.runs.tags import tags_of

_FIELDS = ("kind", "seed", "steps", "epochs", "seconds", "parameters", "created")


def summaries(runs_dir: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Return a summary of every run, newest first, and a warning for every damaged one.

    A summary has run (the path), name, id, status, kind, seed, steps, epochs, seconds, parameters,
    created, tags (of an ablation, those of its runs) and metrics: the final ones or, if there are
    none yet, those of the last evaluation.
    """
    runs, warnings = list_runs(runs_dir)
    return [_summary(run, tags_of(run.path, runs_dir)) for run in runs], warnings


def _summary(run: RunDirectory, tags: list[str]) -> dict[str, Any]:
    info = run.read_info()
    summary = {
        "run": str(run.path),
        "name": run.path.parent.name,
        "id": run.path.name,
        "status": run.status(),
        **{field: info.get(field) for field in _FIELDS},
        "tags": tags,
        "metrics": info.get("metrics"),
    }
    last = _last_record(run) if summary["metrics"] is None else {}
    if last:
        summary["steps"], summary["epochs"] = last["step"], last["epoch"]
        summary["seconds"] = last["seconds"]
        summary["metrics"] = {
            split: {name: value for name, value in last[split].items() if "/" not in name}
            for split in ("train", "dev", "test")
            if split in last
        }
    return summary


def _last_record(run: RunDirectory) -> dict[str, Any]:
    if not run.metrics_path.exists():
        return {}
    from dlx.tracking import metrics  # takes a quarter of a second to import

    return next(reversed(metrics.read(run.metrics_path)), {})

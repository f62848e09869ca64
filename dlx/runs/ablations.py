"""What an ablation's folder holds of its runs, without torch.

<ablation>/index.json               its runs that have ended: number, status, final metrics
<ablation>/cohorts/<n>/cohort.json  what run.json says of each run, see `dlx.training.store`
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dlx.errors import RunError
from dlx.runs import documents, summaries
from dlx.runs.directory import RunDirectory
from dlx.runs.documents import count
from dlx.runs.files import exists, matching, parsed, read_plain
from dlx.runs.info import HOST, STATUSES, blank, damage

INDEX, COHORT, SUMMARY = "index.json", "cohort.json", "summary.json"
METRICS, WEIGHTS, PRETRAINING = "metrics.jsonl", "weights.safetensors", "pretraining.jsonl"
ROWS = "rows.safetensors"  # what each row adds to what runs are judged by
# What was fitted on a run's training rows; a cohort's tables.json holds those of its runs.
PREPROCESSING, TABLE, TABLES = "preprocessing.safetensors", "table.json", "tables.json"
FINISHED = ("completed", "stopped_early", "diverged")
PHASES = {"comparison", "tuning"}
_SHARED = "shared"
_INDEX_SHAPE = {
    "runs": [
        {
            "number": count,
            "name": str,
            "phase": PHASES,
            "variant": str,
            "seed": count,
            "fold?": count,
            "status": set(STATUSES),
            "cohort?": count,
            "row": count,
            "metrics?": documents.METRICS,
            "differences?": dict,
            "reason?": str,
        }
    ]
}
_COHORT_SHAPE = {
    "runs": [
        {
            "number": count,
            "row": count,
            "name": str,
            _SHARED: count,
            "fields": {"status": set(STATUSES), "metrics?": documents.METRICS, "reason?": str},
        }
    ],
    _SHARED: [dict],
    "metrics_bytes": count,
    "metrics_digest?": str,
    "digests": {str: str},
    **dict.fromkeys(("command", "git_commit"), str | None),
    "versions": dict,
    "plugins": list,
    "host?": HOST,
}


@dataclass(frozen=True)
class IndexedRun:
    """A run of an ablation that has ended."""

    number: int  # in the ablation, from 1: tables show it and commands take it
    name: str  # `<variant's folder>/seed=<seed>`
    phase: str  # comparison or tuning
    variant: str
    seed: int  # of its random streams
    fold: int | None  # of the cross-validation, from 1; None without
    status: str  # how it ended
    # the number of its cohort; None: it has a folder of its own, as runs of an ablation once had;
    # of a run that failed 0
    cohort: int | None
    row: int  # of the run in the cohort
    # the final ones, by split and name
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    # values by dotted key in which its config differs from the ablation's
    differences: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None  # of a divergence or failure, in words


def read_index(directory: Path) -> dict[str, IndexedRun]:
    """Return the runs of an ablation that have ended, by name; RunError if a file is damaged."""
    path = directory / INDEX
    try:
        document = documents.read(path)
        documents.check(document, _INDEX_SHAPE, path)
        runs = [IndexedRun(**run) for run in document["runs"]]
    except FileNotFoundError:
        runs = _with_own_folders(directory)
    except TypeError as error:
        raise RunError(f"{path} is damaged: {error}") from error
    return {run.name: run for run in runs}


def _with_own_folders(directory: Path) -> list[IndexedRun]:
    """Return the runs that have ended of an ablation whose runs have folders of their own."""
    paths = matching(directory, "*/seed=*/run.json")
    if not paths:
        return []
    path = directory / "plan.json"
    try:
        plan = documents.read(path)
        variants = {variant["folder"]: variant["name"] for variant in plan["variants"]}
        order = [
            f"{folder}/seed={seed}" + (f" fold={fold}" if fold else "")
            for folder in variants
            for seed in plan["seeds"]
            for fold in range(1, (plan["folds"] or 0) + 1) or [None]
        ]
        numbers = {
            name: number
            for cohort in plan["cohorts"]
            for name, number in zip(cohort["runs"], cohort.get("numbers") or [], strict=False)
        } or {name: number for number, name in enumerate(order, start=1)}
    except FileNotFoundError:
        raise RunError(f"{path} is missing; put it back, or train the ablation again") from None
    except (KeyError, TypeError) as error:
        raise RunError(f"{path} is damaged: {error}") from error
    paths += matching(directory, "tuning/*/*/seed=*/run.json")
    runs = []
    for path in paths:
        name = path.parent.relative_to(directory).as_posix()
        status, info = _ended(RunDirectory(path.parent))
        if status is None:
            continue
        fold = re.search(r" fold=(\d+)$", name)
        runs.append(
            IndexedRun(
                number=numbers.setdefault(name, len(numbers) + 1),
                name=name,
                phase="tuning" if name.startswith("tuning/") else "comparison",
                variant=variants.get(name.rpartition("/")[0], info.get("variant") or ""),
                seed=info["seed"],
                fold=int(fold[1]) if fold else None,
                status=status,
                cohort=None,
                row=0,
                metrics=info.get("metrics") or {},
                reason=info.get("reason") or None,
            )
        )
    return runs


def _ended(run: RunDirectory) -> tuple[str | None, dict[str, Any]]:
    """Return how a run with a folder of its own ended, None if it has not, and its fields."""
    try:
        info = run.read_info()
    except RunError:
        return None, {}  # half written: it is trained again
    status = info["status"]
    if status == "failed":
        return status, info
    if status not in FINISHED or (status != "diverged" and not info.get("metrics")):
        return None, info
    needed = [run.config_path, run.metrics_path]
    if status != "diverged":
        needed += [run.weights_path, run.path / "preprocessing.safetensors"]
    # Nothing was synced: a power cut may leave run.json whole, and what came before it empty.
    is_whole = all(exists(path) and path.stat().st_size for path in needed)
    return (status if is_whole else None), info


def write_index(directory: Path, runs: Iterable[IndexedRun]) -> None:
    """Write index.json; the caller holds the ablation's lock."""
    ordered = sorted(runs, key=lambda run: run.number)
    documents.write(directory / INDEX, {"runs": [vars(run) for run in ordered]})


def read_summary(directory: Path, name: str = SUMMARY) -> dict[str, Any]:
    """Return summary.json of an ablation or a search.

    Raises:
        FileNotFoundError: none was written
        RunError: it is damaged, or was deleted
    """
    path, run = directory / name, RunDirectory(directory)
    if not exists(path) and name not in (run.read_info().get("digests") or {}):
        raise FileNotFoundError(path)
    content = run.read_file(name)
    try:
        summary = parsed(content)
        if not isinstance(summary, dict) or not {"variants", "trials"} & set(summary):
            raise ValueError("it is no summary")
        if problem := summaries.problem(summary):
            raise ValueError(problem)
    except ValueError as error:
        raise RunError(
            f"{path} is damaged: {error}; `dlx resume {directory}` writes it anew"
        ) from error
    return summary


def cohort_folder(directory: Path, number: int) -> Path:
    """Return the folder of a cohort of an ablation."""
    return directory / "cohorts" / str(number)


def read_cohort(folder: Path) -> dict[str, Any] | None:
    """Return cohort.json; None if no run of the cohort has ended, RunError if it is damaged."""
    path = folder / COHORT
    try:
        cohort = documents.read(path)
    except FileNotFoundError:
        return None
    documents.check(cohort, _COHORT_SHAPE, path)
    for run in cohort["runs"]:
        if not 0 <= run[_SHARED] < len(cohort[_SHARED]):
            raise RunError(f"{path} is damaged: run {run['number']} shares {run[_SHARED]}")
    return cohort


def read_cohort_file(folder: Path, cohort: Mapping[str, Any], name: str) -> bytes:
    """Return a file of a cohort; RunError if it is missing, or was changed since dlx wrote it."""
    path = folder / name
    try:
        content = read_plain(path)
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from error
    if name == METRICS:
        content = content[: cohort["metrics_bytes"]]
        is_whole = len(content) == cohort["metrics_bytes"]
        # Lines of another ablation are whole too; earlier versions kept no digest of them.
        digest = cohort.get("metrics_digest")
        is_whole = is_whole and digest in (None, documents.sha256(content))
    else:
        is_whole = documents.sha256(content) == cohort["digests"].get(name)
    if not is_whole:
        raise RunError(f"{path} is damaged, or was changed after dlx wrote it; put it back")
    return content


def infos(directory: Path, runs: Iterable[IndexedRun]) -> dict[str, dict[str, Any]]:
    """Return what run.json says of runs that have ended, by name; RunError if files are damaged."""
    fields: dict[str, dict[str, Any]] = {}
    cohorts: dict[int, dict[int, dict[str, Any]]] = {}
    for run in runs:
        if run.cohort is None:
            fields[run.name] = RunDirectory(directory / run.name).read_info()
        elif run.cohort == 0:
            outcome = {"status": run.status, "seed": run.seed, "reason": run.reason}
            fields[run.name] = blank() | outcome
        else:
            folder = cohort_folder(directory, run.cohort)
            if run.cohort not in cohorts:
                cohorts[run.cohort] = _infos_of_cohort(folder)
            if run.number not in cohorts[run.cohort]:
                raise RunError(f"{folder / COHORT} does not hold run {run.number} of {directory}")
            fields[run.name] = cohorts[run.cohort][run.number]
    return fields


def _infos_of_cohort(folder: Path) -> dict[int, dict[str, Any]]:
    cohort = read_cohort(folder)
    if cohort is None:
        raise RunError(f"{folder / COHORT} is missing; `dlx resume` trains its runs again")
    common = {key: cohort[key] for key in ("command", "git_commit", "versions", "plugins")}
    common |= {key: cohort[key] for key in ("host",) if key in cohort}
    by_number = {}
    for run in cohort["runs"]:
        info = blank() | common | cohort[_SHARED][run[_SHARED]] | run["fields"]
        if problem := damage(info):
            raise RunError(f"{folder / COHORT} is damaged: run {run['number']}: {problem}")
        by_number[run["number"]] = info
    return by_number

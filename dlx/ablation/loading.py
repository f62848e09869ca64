"""From how a run ended to its result, and back from a run's directory."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlx.ablation.plan import PlannedRun
from dlx.ablation.results import Curve, RunResult
from dlx.config.schema import AblationConfig
from dlx.errors import RunError
from dlx.nn.metrics import is_rising
from dlx.runs import RunDirectory
from dlx.tracking import read

FINISHED = ("completed", "stopped_early", "diverged")
CRASHED = "failed"


def result_of(
    run: PlannedRun, info: Mapping[str, Any], curve: Curve, section: AblationConfig
) -> RunResult:
    """Return the result of a run.

    Args:
        run: as planned
        info: the fields of its run.json
        curve: its evaluations
        section: says what counts as success, and which thresholds are waited for
    """
    metrics = _with_last(info.get("metrics") or {}, curve, section.show)
    return RunResult(
        variant=run.arm.variant,
        seed=run.seed,
        fold=run.fold,
        status=info["status"],
        steps=info.get("steps") or 0,
        seconds=info.get("seconds") or 0.0,
        parameters=info.get("parameters") or 0,
        examples=info.get("examples") or 0,
        metrics=metrics,
        curve=curve,
        steps_to={
            metric: _first_step(curve, metric, threshold)
            for metric, threshold in section.steps_to.items()
        },
        success=_succeeded(metrics, section.success),
        reason=info.get("reason") or "",
        path=run.path,
        pretraining_steps=info.get("pretraining_steps") or 0,
        pretraining_examples=info.get("pretraining_examples") or 0,
    )


def load(directory: Path, run: PlannedRun, section: AblationConfig) -> RunResult | None:
    """Return the result of a run from its directory; None if it has not ended.

    Args:
        directory: of the ablation
        run: as planned
        section: of the ablation's config
    """
    info = _info_of(directory, run)
    if info is None:
        return None
    its = RunDirectory(directory / run.path)
    curve = Curve((), {})
    if its.metrics_path.exists():
        curve = _read_curve(read(its.metrics_path))
    return result_of(run, info, curve, section)


def status_of(directory: Path, run: PlannedRun) -> str | None:
    """Return how a run ended; None if it has not ended, or lost some of its files since."""
    info = _info_of(directory, run)
    return None if info is None else info["status"]


def _info_of(directory: Path, run: PlannedRun) -> dict[str, Any] | None:
    its = RunDirectory(directory / run.path)
    try:
        info = its.read_info() if its.info_path.exists() else {}
    except RunError:
        return None  # half written: it is trained again
    status = info.get("status")
    if status == CRASHED:
        return info
    if status not in FINISHED or (status != "diverged" and not info.get("metrics")):
        return None
    needed = [its.config_path, its.metrics_path]
    if status != "diverged":
        needed += [its.weights_path, its.path / "preprocessing.safetensors"]
    # Nothing was synced: a power cut may leave run.json whole, and what came before it empty.
    return info if all(path.exists() and path.stat().st_size for path in needed) else None


def _read_curve(records: Sequence[Mapping[str, Any]]) -> Curve:
    names: dict[tuple[str, str], None] = {}
    for record in records:
        for split, tags in record.items():
            if isinstance(tags, Mapping):
                names |= dict.fromkeys((split, tag) for tag in tags)
    values: dict[str, dict[str, tuple[float, ...]]] = {}
    for split, tag in names:
        column = [record.get(split, {}).get(tag) for record in records]
        values.setdefault(split, {})[tag] = tuple(math.nan if v is None else v for v in column)
    return Curve(tuple(record["step"] for record in records), values)


def _with_last(
    metrics: Mapping[str, Mapping[str, float]], curve: Curve, wanted: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Return final metrics, with the last value on the curve of those that have no final one."""
    found = {split: dict(tags) for split, tags in metrics.items()}
    for metric in wanted:
        split, _, tag = metric.partition(".")
        known = [value for value in curve.of(metric) if math.isfinite(value)]
        if known and split in found:  # a run that diverged has no final metrics at all
            found[split].setdefault(tag, known[-1])
    return found


def _first_step(curve: Curve, metric: str, threshold: float) -> int | None:
    values = np.asarray(curve.of(metric))
    reached = np.flatnonzero(_reaches(metric, values, threshold))
    return curve.steps[reached[0]] if len(reached) else None


def _succeeded(
    metrics: Mapping[str, Mapping[str, float]], wanted: Mapping[str, float] | None
) -> bool | None:
    if wanted is None:
        return None

    def final(metric: str) -> float:
        split, _, name = metric.partition(".")
        value = metrics.get(split, {}).get(name)
        return math.nan if value is None else value

    return all(
        bool(_reaches(metric, np.asarray(final(metric)), threshold))
        for metric, threshold in wanted.items()
    )


def _reaches(metric: str, values: np.ndarray, threshold: float) -> np.ndarray:
    """Say where a metric is as good as a threshold or better; NaN never is."""
    if is_rising(metric.partition(".")[2]):
        return values >= threshold
    return values <= threshold

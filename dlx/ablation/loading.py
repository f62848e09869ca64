"""The results of an ablation's runs: from how a run ended, or back from the ablation's folder."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dlx.ablation.ledger import Ledger
from dlx.ablation.plan import PlannedRun
from dlx.ablation.results import RunResult, fields_of
from dlx.ablation.statistics.rows import Judgement
from dlx.config.schema import AblationConfig
from dlx.errors import RunError
from dlx.nn.metrics import is_rising
from dlx.runs import RunDirectory, weights
from dlx.runs.ablations import ROWS, IndexedRun, cohort_folder, infos, read_cohort, read_cohort_file
from dlx.runs.files import exists
from dlx.tracking import metrics as metrics_file
from dlx.tracking.evaluations import Curve, curve_of


def result_of(
    run: PlannedRun, number: int, info: Mapping[str, Any], curve: Curve, section: AblationConfig
) -> RunResult:
    """Return the result of a run, of the fields of its run.json and its evaluations."""
    metrics = _with_last(info.get("metrics") or {}, curve, section.show)
    return RunResult(
        variant=run.arm.variant,
        fold=run.fold,
        metrics=metrics,
        curve=curve,
        steps_to={
            metric: _first_step(curve, metric, threshold)
            for metric, threshold in section.steps_to.items()
        },
        success=_succeeded(metrics, section.success, is_tuning=run.arm.choice is not None),
        reason=info.get("reason") or "",
        path=run.path,
        number=number,
        **fields_of(info),
    )


def results(
    directory: Path, runs: Iterable[PlannedRun], ledger: Ledger, section: AblationConfig
) -> dict[str, RunResult]:
    """Return the results of the runs that have ended, by path, from the ablation's folder."""
    ended = {run.path: run for run in runs if run.path in ledger.runs}
    fields = infos(directory, [ledger.runs[name] for name in ended])
    curves: dict[str, Curve] = {}
    for number in dict.fromkeys(ledger.runs[name].cohort for name in ended):
        if number:
            curves |= _curves_of_cohort(cohort_folder(directory, number))
    for name in ended:
        path = RunDirectory(directory / name).metrics_path
        if ledger.runs[name].cohort is None and exists(path):
            content = RunDirectory(path.parent).read_file(path.name)
            curves[name] = curve_of(metrics_file.records_of(content, path))
    return {
        name: result_of(
            run, ledger.runs[name].number, fields[name], curves.get(name, Curve((), {})), section
        )
        for name, run in ended.items()
    }


def with_judgements(
    directory: Path, results: Iterable[RunResult], runs: Iterable[IndexedRun]
) -> list[RunResult]:
    """Return results with what their runs make of each row, where the ablation's folder has it.

    `runs` are those of the ledger while it trains, since the index may lack what has just ended.
    """
    cohorts = {run.number: run.cohort for run in runs}
    known: dict[int, dict[int, dict[str, Judgement]]] = {}
    complete = []
    for result in results:
        cohort = cohorts.get(result.number)
        if not cohort or not result.is_scored:
            complete.append(result)
            continue
        if cohort not in known:
            known[cohort] = _judgements(cohort_folder(directory, cohort))
        complete.append(replace(result, judgements=known[cohort].get(result.number, {})))
    return complete


def _judgements(folder: Path) -> dict[int, dict[str, Judgement]]:
    """Return what the runs of a cohort make of each row, by number and metric."""
    cohort = read_cohort(folder)
    if cohort is None or ROWS not in cohort["digests"]:
        return {}
    tensors = weights.load(read_cohort_file(folder, cohort, ROWS), folder / ROWS)[0]
    by_row = {run["row"]: run for run in cohort["runs"]}
    judgements: dict[int, dict[str, Judgement]] = {}
    try:
        for key, values in tensors.items():
            row, _, metric = key.partition("/")
            if row == "rows":
                continue
            run, split = by_row[int(row)], metric.partition(".")[0]
            rows = tensors[f"rows/{run['shared']}/{split}"].numpy().astype(np.int64)
            num_train = cohort["shared"][run["shared"]]["rows"]["train"]["n"]
            judgement = Judgement(rows, values.numpy().astype(np.float64), num_train)
            judgements.setdefault(run["number"], {})[metric] = judgement
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"{folder / ROWS} and cohort.json do not fit: {error}; put them back"
        ) from None
    return judgements


def _curves_of_cohort(folder: Path) -> dict[str, Curve]:
    cohort = read_cohort(folder)
    assert cohort is not None, "its runs are in the index"
    records = metrics_file.of_cohort(folder, cohort)
    return {run["name"]: curve_of(records.get(run["number"], [])) for run in cohort["runs"]}


def _with_last(
    metrics: Mapping[str, Mapping[str, float]], curve: Curve, wanted: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Return final metrics, with the last value on the curve of those that have no final one."""
    complete = {split: dict(tags) for split, tags in metrics.items()}
    for metric in wanted:
        split, _, tag = metric.partition(".")
        values = [value for value in curve.of(metric) if math.isfinite(value)]
        if values and split in complete:  # a run that diverged has no final metrics at all
            complete[split].setdefault(tag, values[-1])
    return complete


def _first_step(curve: Curve, metric: str, threshold: float) -> int | None:
    values = np.asarray(curve.of(metric))
    reached = np.flatnonzero(_reaches(metric, values, threshold))
    return curve.steps[reached[0]] if len(reached) else None


def _succeeded(
    metrics: Mapping[str, Mapping[str, float]],
    wanted: Mapping[str, float] | None,
    *,
    is_tuning: bool,
) -> bool | None:
    """Say whether a run reached what is wanted; one that tunes on stop rows in place of dev."""
    if wanted is None:
        return None
    instead = {"dev": "stop"} if is_tuning and "stop" in metrics else {}

    def reached(metric: str, threshold: float) -> bool:
        split, _, name = metric.partition(".")
        value = metrics.get(instead.get(split, split), {}).get(name)
        return value is not None and bool(_reaches(metric, np.asarray(value), threshold))

    return all(reached(metric, threshold) for metric, threshold in wanted.items())


def _reaches(metric: str, values: np.ndarray, threshold: float) -> np.ndarray:
    """Say where a metric is as good as a threshold or better; NaN never is."""
    if is_rising(metric.partition(".")[2]):
        return values >= threshold
    return values <= threshold

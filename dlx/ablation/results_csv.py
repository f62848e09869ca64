"""results.csv: a row for every run of an ablation."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dlx.ablation.factors import DATA
from dlx.ablation.results import RunResult, Variant
from dlx.nn.metrics import is_rising
from dlx.texts import cell


def results_csv(
    variants: Sequence[Variant],
    results: Sequence[RunResult],
    *,
    base: Mapping[str, Any] | None = None,
    data: str = "",
    show_test: bool = False,
) -> str:
    """Return a table of all runs, in the order of the variants, seeds and folds.

    Columns: run (its number: `ABLATION#17` names run 17), variant, each key that varies, seed,
    fold, data, status, reason, steps, examples, seconds, parameters, the final `<split>.<tag>`,
    `best.<split>.<tag>` over the run's evaluations, success, `steps_to.<split>.<tag>`, path. A cell
    is empty where a run has no such value; a `steps_to` that is empty was never reached.

    Args:
        base: plain values of the base config by dotted key, for keys that a variant does not set
        data: name of the data set, if it does not vary
        show_test: whether to add the columns of the test rows
    """
    order = {variant.name: place for place, variant in enumerate(variants)}
    settings = {variant.name: {**(base or {}), **variant.settings} for variant in variants}
    keys = list(dict.fromkeys(key for variant in variants for key in variant.settings))
    runs = sorted(results, key=lambda run: (order[run.variant], run.seed, run.fold or 0))
    metrics = _metrics(runs, show_test=show_test)
    reached = list(dict.fromkeys(metric for run in runs for metric in run.steps_to))
    rows = []
    for run in runs:
        row: dict[str, Any] = {"run": run.number or "", "variant": run.variant}
        row |= {key: settings[run.variant].get(key) for key in keys}
        row |= {"seed": run.seed, "fold": run.fold}
        row |= {"data": settings[run.variant].get(DATA, data)}
        row |= {"status": run.status, "reason": run.reason, "steps": run.steps}
        row |= {"examples": run.examples, "seconds": run.seconds, "parameters": run.parameters}
        row |= {metric: run.value(metric) for metric in metrics}
        row |= {f"best.{metric}": _best(run, metric) for metric in metrics}
        row |= {"success": run.success}
        row |= {f"steps_to.{metric}": run.steps_to.get(metric) for metric in reached}
        rows.append(row | {"path": run.path})
    return csv_text(rows)


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows, by column, as CSV; see `_cell` for how values are written."""
    text = io.StringIO()
    columns = dict.fromkeys(column for row in rows for column in row)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(cell, columns))
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return text.getvalue()


def _metrics(runs: Sequence[RunResult], *, show_test: bool) -> list[str]:
    splits = ("train", "dev", "test") if show_test else ("train", "dev")
    names = (
        f"{split}.{tag}" for split in splits for run in runs for tag in run.metrics.get(split, {})
    )
    return list(dict.fromkeys(names))


def _best(run: RunResult, metric: str) -> float | None:
    values = np.array(run.curve.of(metric), float)
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    return float(values.max() if is_rising(metric.partition(".")[2]) else values.min())


def _cell(value: Any) -> Any:
    """Return the cell of a value: empty for none, JSON for lists and mappings, no formula."""
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return cell(value if isinstance(value, str | int | float) else json.dumps(value))

"""Evaluations of cohorts, as training makes them."""

from collections.abc import Mapping, Sequence
from typing import Any

from dlx.tracking.evaluations import Evaluation, Record

START = 1_700_000_000.5


def of_one(record: Record) -> Evaluation:
    """Return the evaluation of a cohort whose only run has a record."""
    metrics: dict[str, dict[str, list[Any]]] = {
        split: {tag: [value] for tag, value in tags.items()}
        for split, tags in record.metrics.items()
    }
    return Evaluation(record.step, record.epoch, record.examples, [0], metrics)


def of_row(evaluation: Evaluation, row: int) -> Evaluation:
    """Return an evaluation as the run in a row would have made it alone."""
    metrics: dict[str, dict[str, list[Any]]] = {
        split: {tag: [values[row]] for tag, values in tags.items() if values[row] is not None}
        for split, tags in evaluation.metrics.items()
    }
    return Evaluation(evaluation.step, evaluation.epoch, evaluation.examples, [0], metrics)


def as_written(record: Record, **fields: Any) -> dict[str, Any]:
    """Return what a line of metrics.jsonl says of a record."""
    head = {"step": record.step, "epoch": record.epoch, "examples": record.examples}
    return head | fields | dict(record.metrics)


def series(
    records: Sequence[Mapping[str, Any]], split: str, tag: str
) -> tuple[list[int], list[float]]:
    """Return the steps at which a metric was logged, and its values."""
    logged = [record for record in records if tag in record.get(split, {})]
    return [record["step"] for record in logged], [record[split][tag] for record in logged]

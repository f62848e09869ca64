"""Evaluations of the runs of a cohort, and one run's evaluations as columns.

# K runs, T evaluations
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

Metrics = dict[str, dict[str, float]]
"""Values by split and tag."""
_Head = tuple[int, float, int, float]
_Tag = tuple[str, str]


@dataclass(frozen=True)
class Record:
    """One evaluation of one run."""

    step: int  # optimizer steps taken
    epoch: float  # passes over the training rows
    examples: int  # training rows seen
    metrics: Metrics  # by split and tag


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of the runs of a cohort."""

    step: int  # optimizer steps taken
    epoch: float  # passes over the training rows
    examples: int  # training rows seen
    rows: list[int]  # of the runs that were due, ascending
    # by split and tag, a value for every run of the cohort; None where it has none
    metrics: dict[str, dict[str, list[Any]]]

    def record(self, row: int) -> Record:
        """Return the evaluation of one run."""
        metrics = {
            split: {tag: values[row] for tag, values in tags.items() if values[row] is not None}
            for split, tags in self.metrics.items()
        }
        return Record(self.step, self.epoch, self.examples, metrics)

    def with_metrics(self, split: str, metrics: Mapping[str, list[Any]]) -> "Evaluation":
        """Return the evaluation with more metrics of a split."""
        return replace(self, metrics=self.metrics | {split: {**self.metrics[split], **metrics}})

    def of_whole_networks(self) -> "Evaluation":
        """Return the evaluation without what concerns a layer or the optimizer (`a/b`)."""
        metrics = {
            split: {tag: values for tag, values in tags.items() if "/" not in tag}
            for split, tags in self.metrics.items()
        }
        return replace(self, metrics=metrics)


@dataclass(frozen=True)
class Curve:
    """The evaluations of one run as columns, from the first to the last."""

    steps: tuple[int, ...]  # optimizer steps taken at each
    # by split and tag, a value for each evaluation; NaN where none was measured
    values: Mapping[str, Mapping[str, tuple[float, ...]]]
    epochs: tuple[float, ...] = ()  # passes over the training rows
    examples: tuple[int, ...] = ()  # training rows seen
    times: tuple[float, ...] = field(default=(), compare=False)  # Unix seconds

    def of(self, metric: str) -> tuple[float, ...]:
        """Return the values of `<split>.<tag>`; none if it was not measured."""
        split, _, tag = metric.partition(".")
        return self.values.get(split, {}).get(tag, ())


class Curves:
    """The evaluations of K runs, given their names, as they come in."""

    def __init__(self, names: Iterable[str]) -> None:
        self._places = {name: place for place, name in enumerate(names)}
        self._blank = np.full(len(self._places), np.nan)
        # Of each evaluation its head, the runs that were due, and a value of each run by tag.
        self._evaluations: list[tuple[_Head, np.ndarray, dict[_Tag, np.ndarray]]] = []
        self._tags: dict[_Tag, None] = {}

    def add(self, evaluation: Evaluation, names: Sequence[str], now: float) -> None:
        """Take in an evaluation, at Unix time `now`, of runs that still train, by their names."""
        rows = evaluation.rows
        places = [self._places[names[row]] for row in rows]
        due, columns = self._begin((evaluation.step, evaluation.epoch, evaluation.examples, now))
        due[places] = True
        for split, tags in evaluation.metrics.items():
            for tag, values in tags.items():
                measured = [np.nan if values[r] is None else values[r] for r in rows]
                self._column(columns, split, tag)[places] = measured

    def restore(self, records: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Take in what was written of the runs before: names and lines of metrics.jsonl."""
        for name, record in records:
            head = (record["step"], record["epoch"], record.get("examples", 0), record["time"])
            if not self._evaluations or self._evaluations[-1][0] != head:
                self._begin(head)
            _, due, columns = self._evaluations[-1]
            place = self._places[name]
            due[place] = True
            for split, tags in record.items():
                if isinstance(tags, Mapping):
                    for tag, value in tags.items():
                        measured = math.nan if value is None else value
                        self._column(columns, split, tag)[place] = measured

    def of(self, name: str) -> Curve:
        """Return one run's evaluations."""
        place = self._places[name]
        own = [(head, columns) for head, due, columns in self._evaluations if due[place]]
        if not own:
            return Curve((), {})
        values: dict[str, dict[str, tuple[float, ...]]] = {}
        for split, tag in self._tags:
            measured = (columns.get((split, tag), self._blank)[place] for _, columns in own)
            column = np.fromiter(measured, float, len(own))
            if not np.isnan(column).all():
                values.setdefault(split, {})[tag] = tuple(column.tolist())
        steps, epochs, examples, times = zip(*(head for head, _ in own), strict=True)
        return Curve(steps, values, epochs, examples, times)

    def _begin(self, head: _Head) -> tuple[np.ndarray, dict[_Tag, np.ndarray]]:
        due, columns = np.zeros(len(self._places), dtype=bool), {}
        self._evaluations.append((head, due, columns))
        return due, columns

    def _column(self, columns: dict[_Tag, np.ndarray], split: str, tag: str) -> np.ndarray:
        """Return the values of a tag in an evaluation, NaN until they are set."""
        if (split, tag) not in columns:
            self._tags[split, tag] = None
            columns[split, tag] = self._blank.copy()
        return columns[split, tag]


def curve_of(records: Sequence[Mapping[str, Any]]) -> Curve:
    """Return the lines of one run's metrics.jsonl as columns."""
    curves = Curves(["run"])
    curves.restore(("run", record) for record in records)
    return curves.of("run")

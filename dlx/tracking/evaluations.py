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
        self._heads: list[tuple[int, float, int, float]] = []
        self._due: list[np.ndarray] = []
        self._values: dict[tuple[str, str], list[np.ndarray]] = {}

    def add(self, evaluation: Evaluation, names: Sequence[str], now: float) -> None:
        """Take in an evaluation, at Unix time `now`, of runs that still train, by their names."""
        rows = evaluation.rows
        places = [self._places[names[row]] for row in rows]
        due = np.zeros(len(self._places), dtype=bool)
        due[places] = True
        for split, tags in evaluation.metrics.items():
            for tag, values in tags.items():
                column = np.full(len(self._places), np.nan)
                column[places] = [np.nan if values[r] is None else values[r] for r in rows]
                self._columns(split, tag).append(column)
        self._heads.append((evaluation.step, evaluation.epoch, evaluation.examples, now))
        self._due.append(due)
        self._fill()

    def restore(self, records: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Take in what was written of the runs before: names and lines of metrics.jsonl."""
        for name, record in records:
            head = (record["step"], record["epoch"], record.get("examples", 0), record["time"])
            if not self._heads or self._heads[-1] != head:
                self._fill()
                self._heads.append(head)
                self._due.append(np.zeros(len(self._places), dtype=bool))
            place = self._places[name]
            self._due[-1][place] = True
            for split, tags in record.items():
                if isinstance(tags, Mapping):
                    for tag, value in tags.items():
                        columns = self._columns(split, tag, len(self._heads) - 1)
                        if len(columns) < len(self._heads):
                            columns.append(np.full(len(self._places), np.nan))
                        columns[-1][place] = math.nan if value is None else value
        self._fill()

    def of(self, name: str) -> Curve:
        """Return one run's evaluations."""
        place = self._places[name]
        own = [index for index, due in enumerate(self._due) if due[place]]
        heads = [self._heads[index] for index in own]
        values: dict[str, dict[str, tuple[float, ...]]] = {}
        for (split, tag), columns in self._values.items():
            column = np.array([columns[index][place] for index in own])
            if not np.isnan(column).all():
                values.setdefault(split, {})[tag] = tuple(column.tolist())
        if not heads:
            return Curve((), {})
        steps, epochs, examples, times = zip(*heads, strict=True)
        return Curve(steps, values, epochs, examples, times)

    def _columns(self, split: str, tag: str, before: int | None = None) -> list[np.ndarray]:
        """Return the values of a tag, as many as there were evaluations before this one."""
        if (split, tag) not in self._values:
            blank = np.full(len(self._places), np.nan)
            count = len(self._heads) if before is None else before
            self._values[split, tag] = [blank] * count
        return self._values[split, tag]

    def _fill(self) -> None:
        """Note for every tag that the newest evaluation may not have measured it."""
        for columns in self._values.values():
            if len(columns) < len(self._heads):
                columns.append(np.full(len(self._places), np.nan))


def curve_of(records: Sequence[Mapping[str, Any]]) -> Curve:
    """Return the lines of one run's metrics.jsonl as columns."""
    curves = Curves(["run"])
    curves.restore(("run", record) for record in records)
    return curves.of("run")

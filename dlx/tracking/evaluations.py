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
        # By split and tag, a value for every run by the number of the evaluation that measured it.
        self._values: dict[tuple[str, str], dict[int, np.ndarray]] = {}

    def add(self, evaluation: Evaluation, names: Sequence[str], now: float) -> None:
        """Take in an evaluation, at Unix time `now`, of runs that still train, by their names."""
        rows = evaluation.rows
        places = [self._places[names[row]] for row in rows]
        self._begin((evaluation.step, evaluation.epoch, evaluation.examples, now))
        self._due[-1][places] = True
        for split, tags in evaluation.metrics.items():
            for tag, values in tags.items():
                measured = [np.nan if values[r] is None else values[r] for r in rows]
                self._newest(split, tag)[places] = measured

    def restore(self, records: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Take in what was written of the runs before: names and lines of metrics.jsonl."""
        for name, record in records:
            head = (record["step"], record["epoch"], record.get("examples", 0), record["time"])
            if not self._heads or self._heads[-1] != head:
                self._begin(head)
            place = self._places[name]
            self._due[-1][place] = True
            for split, tags in record.items():
                if isinstance(tags, Mapping):
                    for tag, value in tags.items():
                        self._newest(split, tag)[place] = math.nan if value is None else value

    def of(self, name: str) -> Curve:
        """Return one run's evaluations."""
        place = self._places[name]
        own = [number for number, due in enumerate(self._due) if due[place]]
        if not own:
            return Curve((), {})
        values: dict[str, dict[str, tuple[float, ...]]] = {}
        for (split, tag), columns in self._values.items():
            measured = np.array([columns[n][place] if n in columns else np.nan for n in own])
            if not np.isnan(measured).all():
                values.setdefault(split, {})[tag] = tuple(measured.tolist())
        heads = (self._heads[number] for number in own)
        steps, epochs, examples, times = zip(*heads, strict=True)
        return Curve(steps, values, epochs, examples, times)

    def _begin(self, head: tuple[int, float, int, float]) -> None:
        self._heads.append(head)
        self._due.append(np.zeros(len(self._places), dtype=bool))

    def _newest(self, split: str, tag: str) -> np.ndarray:
        """Return the values of a tag in the newest evaluation, NaN until they are set."""
        columns, number = self._values.setdefault((split, tag), {}), len(self._heads) - 1
        if number not in columns:
            columns[number] = np.full(len(self._places), np.nan)
        return columns[number]


def curve_of(records: Sequence[Mapping[str, Any]]) -> Curve:
    """Return the lines of one run's metrics.jsonl as columns."""
    curves = Curves(["run"])
    curves.restore(("run", record) for record in records)
    return curves.of("run")

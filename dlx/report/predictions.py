"""Predictions as a table: what goes in, what should come out, what the network says.

# N rows, I inputs, C outputs
"""

import csv
import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlx.data.dataset import Task
from dlx.nn.head import Head

_PROBABILITIES = ("softmax", "sigmoid")


@dataclass(frozen=True)
class Context:
    """What is known of the rows that a network predicts.

    Attributes:
        rows: (N,) their numbers in the data set
        targets: (N,) class numbers, or (N, T) labels of 0 and 1 or values
        features: the names of the inputs
        inputs: (N, I), before preprocessing
    """

    rows: np.ndarray | None = None
    targets: np.ndarray | None = None
    features: tuple[str, ...] = ()
    inputs: np.ndarray | None = None


@dataclass(frozen=True)
class Predictions:
    """A table of predictions.

    Attributes:
        columns: row, the inputs' names, target, predicted, p(CLASS) … (as far as there are); of
            several labels target(LABEL) …, predicted(LABEL) …, p(LABEL) …
        rows: their cells: numbers, and classes by name
    """

    columns: tuple[str, ...]
    rows: list[list[Any]]

    def csv(self) -> str:
        """Return the table as CSV with a header; numbers in as many digits as float32 has."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(self.rows)
        return text.getvalue()

    def records(self) -> list[dict[str, Any]]:
        """Return a mapping per row, ready for JSON."""
        plain = [[cell.item() if hasattr(cell, "item") else cell for cell in r] for r in self.rows]
        return [dict(zip(self.columns, row, strict=True)) for row in plain]


def tabulate(
    task: Task, head: Head, outputs: np.ndarray, context: Context | None = None
) -> Predictions:
    """Return the table of a network's outputs.

    Args:
        task: of the network
        head: of the network
        outputs: (N, C)
        context: what else is known of the rows
    """
    context = context or Context()
    columns: dict[str, Any] = {}
    if context.rows is not None:
        columns["row"] = context.rows
    if context.inputs is not None:
        columns |= dict(zip(context.features, context.inputs.T, strict=True))
    if context.targets is not None:
        columns |= _targets(task, context.targets)
    columns |= _SAID[task.kind](task, head, outputs)
    return Predictions(tuple(columns), [list(row) for row in zip(*columns.values(), strict=True)])


def classify(task: Task, head: Head, outputs: np.ndarray) -> list[str] | list[tuple[str, ...]]:
    """Return what each row of outputs says: its class, or the labels that hold."""
    assert task.classes is not None
    if task.kind == "multilabel":
        held = outputs > head.middle
        return [tuple(n for n, h in zip(task.classes, row, strict=True) if h) for row in held]
    if outputs.shape[1] > 1:
        return [task.classes[index] for index in outputs.argmax(1)]
    return [task.classes[int(value > head.middle)] for value in outputs[:, 0]]


def _targets(task: Task, targets: np.ndarray) -> dict[str, Any]:
    if task.classes is None:
        return _numbers("target", targets)
    if task.kind == "multilabel":
        return _by_class("target", task.classes, targets)
    return {"target": [task.classes[label] for label in targets]}


def _values(task: Task, head: Head, outputs: np.ndarray) -> dict[str, Any]:
    return _numbers("predicted", outputs)


def _labels(task: Task, head: Head, outputs: np.ndarray) -> dict[str, Any]:
    assert task.classes is not None
    name = "p" if head.output_name in _PROBABILITIES else "output"
    held = (outputs > head.middle).astype(np.int64)
    return _by_class("predicted", task.classes, held) | _by_class(name, task.classes, outputs)


def _classes(task: Task, head: Head, outputs: np.ndarray) -> dict[str, Any]:
    assert task.classes is not None
    columns: dict[str, Any] = {"predicted": classify(task, head, outputs)}
    if head.output_name not in _PROBABILITIES:
        names = task.classes if outputs.shape[1] > 1 else task.classes[1:]
        return columns | _by_class("output", names, outputs)
    if outputs.shape[1] == 1:
        outputs = np.concatenate([1 - outputs, outputs], axis=1)
    return columns | _by_class("p", task.classes, outputs)


_SAID = {
    "regression": _values,
    "multilabel": _labels,
    "multiclass": _classes,
    "binary": _classes,
}


def _by_class(name: str, classes: tuple[str, ...], values: np.ndarray) -> dict[str, Any]:
    return {f"{name}({each})": column for each, column in zip(classes, values.T, strict=True)}


def _numbers(name: str, values: np.ndarray) -> dict[str, Any]:
    if values.shape[1] == 1:
        return {name: values[:, 0]}
    return {f"{name}_{number}": column for number, column in enumerate(values.T, 1)}

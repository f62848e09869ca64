"""Tables of predictions: inputs, targets and outputs of a network.

# N rows, C outputs, T targets
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dlx.data.dataset import Task
from dlx.nn.head import Head
from dlx.texts import cell


@dataclass(frozen=True)
class Context:
    """What is known about the rows that a network predicts."""

    rows: np.ndarray | None = None  # (N,) their numbers in the data set
    targets: np.ndarray | None = None  # (N,) class numbers, or (N, T) labels of 0 and 1 or values
    inputs: Mapping[str, Any] = field(default_factory=dict)  # by name, (N,) before preprocessing
    target_names: tuple[str, ...] = ()  # of the T targets, if they have names
    warnings: tuple[str, ...] = ()  # sentences for the user
    notes: tuple[str, ...] = ()  # sentences that say what was left out
    files: tuple[str, ...] = ()  # (N,) the files of images in a folder

    @property
    def names(self) -> dict[str, Any]:
        """The column of the rows' numbers or files, if there is one."""
        if self.files:
            return {"file": self.files}
        return {} if self.rows is None else {"row": self.rows}


@dataclass(frozen=True)
class Predictions:
    """A table of predictions.

    The columns are row or file, the inputs' names, target, predicted, p(CLASS) … as far as there
    are any; of several labels target(LABEL) …, predicted(LABEL) …, p(LABEL) …; an input with the
    name of another column is called input(NAME).
    """

    columns: tuple[str, ...]
    rows: list[list[Any]]  # numbers, and names of classes
    warnings: tuple[str, ...] = ()  # sentences for the user
    inputs: np.ndarray | None = None  # (N, I) in the data's units, if they are to be drawn
    outputs: np.ndarray | None = None  # (N, C) likewise
    notes: tuple[str, ...] = ()  # sentences that say what was left out

    @classmethod
    def of(
        cls, columns: Mapping[str, Any], warnings: tuple[str, ...], notes: tuple[str, ...] = ()
    ) -> "Predictions":
        """Return the table of columns of N cells."""
        rows = [list(row) for row in zip(*columns.values(), strict=True)]
        return cls(tuple(columns), rows, warnings, notes=notes)

    def csv(self) -> str:
        """Return the table as CSV with a header; texts as `dlx.texts.cell` has them."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(map(cell, self.columns))
        writer.writerows([cell(value) for value in row] for row in self.rows)
        return text.getvalue()

    def records(self) -> list[dict[str, Any]]:
        """Return a mapping for each row, of plain values."""
        plain = [[cell.item() if hasattr(cell, "item") else cell for cell in r] for r in self.rows]
        return [dict(zip(self.columns, row, strict=True)) for row in plain]


def tabulate(
    task: Task, head: Head, outputs: np.ndarray, context: Context | None = None
) -> Predictions:
    """Return the table of a network's outputs (N, C)."""
    context = context or Context()
    before = context.names
    after = {} if context.targets is None else target_columns(task, context)
    if task.classes is None:
        after |= _numbers("predicted", _rounded(outputs, task), context.target_names)
    elif task.kind == "multilabel":
        after |= _labels(task.classes, head, outputs)
    else:
        after |= _classes(task, head, outputs)
    columns = before | beside(context.inputs, {*before, *after}) | after
    return Predictions.of(columns, context.warnings, context.notes)


def _rounded(outputs: np.ndarray, task: Task) -> np.ndarray:
    """Return predictions (N, T) of numbers with the digits that a float32 z-score holds."""
    if task.kind != "regression" or not task.target_scale:
        return outputs
    # By Python's exact rounding, as an exported script does: NumPy's divides and multiplies.
    rounded = [
        [round(value, digits) for value in column]
        for column, digits in zip(outputs.T.tolist(), task.digits, strict=True)
    ]
    return np.array(rounded, outputs.dtype).T


def beside(inputs: Mapping[str, Any], taken: set[str]) -> dict[str, Any]:
    """Return columns under names that are not taken: `input(row)` in place of `row`."""
    named: dict[str, Any] = {}
    for name, values in inputs.items():
        free = name
        while free in taken or free in named:
            free = f"input({free})"
        named[free] = values
    return named


def classify(task: Task, head: Head, outputs: np.ndarray) -> list[str] | list[tuple[str, ...]]:
    """Return the predicted class of each row, or the labels that hold."""
    assert task.classes is not None
    if task.kind == "multilabel":
        return [
            tuple(name for name, holds in zip(task.classes, row, strict=True) if holds)
            for row in outputs > head.middle
        ]
    if outputs.shape[1] > 1:
        return [task.classes[index] for index in outputs.argmax(1)]
    return [task.classes[int(value > head.middle)] for value in outputs[:, 0]]


def target_columns(task: Task, context: Context) -> dict[str, Any]:
    """Return the columns of the targets: target, target(LABEL) … or target_NAME …."""
    assert context.targets is not None
    if task.classes is None:
        return _numbers("target", context.targets, context.target_names)
    if task.kind == "multilabel":
        return _by_class("target", task.classes, context.targets)
    return {"target": [task.classes[label] for label in context.targets]}


def _labels(labels: tuple[str, ...], head: Head, outputs: np.ndarray) -> dict[str, Any]:
    name = "p" if head.gives_probabilities else "output"
    holds = (outputs > head.middle).astype(np.int64)
    return _by_class("predicted", labels, holds) | _by_class(name, labels, outputs)


def _classes(task: Task, head: Head, outputs: np.ndarray) -> dict[str, Any]:
    assert task.classes is not None
    columns: dict[str, Any] = {"predicted": classify(task, head, outputs)}
    if not head.gives_probabilities:
        names = task.classes if outputs.shape[1] > 1 else task.classes[1:]
        return columns | _by_class("output", names, outputs)
    if outputs.shape[1] == 1:
        outputs = np.concatenate([1 - outputs, outputs], axis=1)
    return columns | _by_class("p", task.classes, outputs)


def _by_class(name: str, classes: tuple[str, ...], values: np.ndarray) -> dict[str, Any]:
    return {f"{name}({label})": column for label, column in zip(classes, values.T, strict=True)}


def _numbers(name: str, values: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    if values.shape[1] == 1:
        return {name: values[:, 0]}
    ends = names or [str(number) for number in range(1, values.shape[1] + 1)]
    return {f"{name}_{end}": column for end, column in zip(ends, values.T, strict=True)}

"""What `dlx data show` prints about a data set, and the picture that it draws of images."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dlx.data.dataset import Dataset, class_counts, task_of
from dlx.data.statistics import Statistics, feature_statistics
from dlx.data.tables import encoder as encoders
from dlx.errors import DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PER_CLASS = 10  # images in a row of the picture


def describe(dataset: Dataset) -> dict[str, Any]:
    """Return sizes, ranges and class counts, ready for JSON.

    The ranges, means and standard deviations of inputs are as a network sees them before
    preprocessing. The inputs of a table are encoded as if all rows were training rows.
    """
    if dataset.table is not None:
        encoder = encoders.fit(dataset.inputs, dataset.table, source=dataset.name)
        inputs = encoder(dataset.inputs, dataset.table.columns)
        dataset = replace(dataset, inputs=inputs, features=encoder.features)
    task = task_of(dataset)
    by_input = feature_statistics(dataset.inputs)
    # The variance over everything: mean of the variances plus variance of the means.
    variance = np.mean(by_input.std**2) + np.var(by_input.mean)
    return {
        "name": dataset.name,
        "description": dataset.description,
        "task": task.kind,
        "rows": len(dataset.inputs),
        "test_rows": dataset.test_rows,
        "input_shape": list(task.input_shape),
        "num_inputs": task.num_inputs,
        "inputs": {
            "minimum": float(by_input.minimum.min()),
            "maximum": float(by_input.maximum.max()),
            "mean": float(by_input.mean.mean()),
            "std": float(np.sqrt(variance)),
        },
        "features": dict(zip(dataset.features, _by_column(by_input), strict=True))
        if dataset.features
        else None,
        "classes": _class_counts(dataset),
        "targets": None if dataset.classes else _by_column(feature_statistics(dataset.targets)),
    }


def picture(dataset: Dataset) -> Figure:
    """Draw the first ten images of each class, one row of the picture for each class."""
    from matplotlib.figure import Figure

    shape = dataset.inputs.shape[1:]
    if not (len(shape) == 2 or (len(shape) == 3 and shape[0] == 3)):
        raise DataError(
            f"data set {dataset.name!r} has inputs of shape {shape}, which are not images"
        )
    if dataset.classes is None:
        names, rows = [""] * PER_CLASS, np.arange(PER_CLASS**2).reshape(PER_CLASS, PER_CLASS)
        groups = [row[row < len(dataset.inputs)] for row in rows]
    else:
        names = list(dataset.classes)
        numbers = np.arange(len(names))
        held = dataset.targets if dataset.targets.ndim == 2 else dataset.targets[:, None] == numbers
        groups = [np.flatnonzero(held[:, label])[:PER_CLASS] for label in numbers]
    lines = np.concatenate([_line(dataset.inputs[group]) for group in groups])
    height, width = lines.shape[0] / len(groups), lines.shape[1]
    figure = Figure(figsize=(6, 1 + 5 * lines.shape[0] / width), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(lines, cmap="gray", vmin=0)
    axes.set_xticks([])
    axes.set_yticks(height * (np.arange(len(names)) + 0.5), names)
    axes.tick_params(length=0)
    axes.set_title(dataset.name)
    return figure


def _line(images: np.ndarray) -> np.ndarray:
    """Put up to ten images side by side: (height, 10 width) or (height, 10 width, 3)."""
    blank = np.zeros((PER_CLASS - len(images), *images.shape[1:]), dtype=images.dtype)
    filled = np.concatenate([images, blank])
    if filled.ndim == 4:
        filled = filled.transpose(0, 2, 3, 1)
    return np.concatenate(list(filled), axis=1)


def _class_counts(dataset: Dataset) -> dict[str, dict[str, int]] | None:
    if dataset.classes is None:
        return None
    own_test = slice(dataset.first_test_row, None)
    counts, tests = class_counts(dataset), class_counts(dataset, own_test)
    return {
        name: {"rows": int(count), "test_rows": int(test)}
        for name, count, test in zip(dataset.classes, counts, tests, strict=True)
    }


def _by_column(statistics: Statistics) -> list[dict[str, float]]:
    columns = zip(*(values.tolist() for values in vars(statistics).values()), strict=True)
    return [dict(zip(vars(statistics), values, strict=True)) for values in columns]

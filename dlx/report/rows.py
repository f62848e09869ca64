"""What is known of the rows that a network predicts: their numbers, ids, inputs and targets.

# N rows, I inputs
"""

from typing import Any

import numpy as np

from dlx.data.dataset import Dataset
from dlx.data.pipeline import Part, Splits
from dlx.data.tables.cells import shown
from dlx.report.predictions import Context


def context(splits: Splits, part: Part, dataset: Dataset | None) -> Context:
    """Return what is known of the rows of a part, in the units of the data.

    Args:
        splits: of the run's data
        part: of the splits
        dataset: what was split; needed where the inputs have names
    """
    targets = part.targets.numpy()
    if splits.task.classes is None:
        targets = splits.task.in_units(targets)
    if dataset is None or splits.features is None:
        return Context(None if splits.shared else part.rows, targets)
    if dataset.table is None:  # the inputs as they were before preprocessing
        inputs = dataset.inputs[part.rows].reshape(len(part.rows), -1)
        named = dict(zip(splits.features, inputs.T, strict=True))
        return Context(None if splits.shared else part.rows, targets, named)
    if splits.task.classes is None:
        targets = dataset.targets[part.rows]
    return _of_table(dataset, part.rows, targets)


def _of_table(dataset: Dataset, rows: np.ndarray, targets: np.ndarray) -> Context:
    table = dataset.table
    assert table is not None
    cells = dataset.inputs[rows]
    named: dict[str, Any] = {}
    if table.id_name is not None and table.ids is not None:
        named[table.id_name] = table.ids[rows]
    for place, column in enumerate(table.columns):
        named[column.name] = shown(cells[:, place], column)
    return Context(table.rows[rows], targets, named, table.targets)

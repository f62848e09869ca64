"""The rows that a network predicts, with their numbers, ids, inputs and targets.

# N rows, I inputs
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlx.config.types import Choice
from dlx.data.dataset import Dataset, Task
from dlx.data.inputs import are_images, read, read_images
from dlx.data.parts import Splits
from dlx.data.pipeline import load_chosen
from dlx.data.tables.columns import shown
from dlx.data.tables.encoder import Encoder
from dlx.data.tables.new_rows import read_rows
from dlx.report.predictions import Context


def of_file(
    path: Path,
    task: Task,
    features: list[str] | None,
    encoder: Encoder | None,
    data: Choice,
    layout: Mapping[str, Any] = {},
) -> tuple[Tensor, Context]:
    """Return the inputs (N, I) in a file, before the preprocessing, and their context.

    With an encoder, that of the data the network was trained on, the file is a table; `layout` says
    how it is written, see `dlx.data.tables.new_rows.read_rows`.

    Raises:
        DataError: the file is missing, damaged, or does not fit the network
    """
    named = tuple(features or ())
    reconstructed = named if task.kind == "reconstruction" else None
    if encoder is None and are_images(path):
        images = read_images(path, task, data.arguments() if data.name == "image_folder" else {})
        context = Context(files=images.files if path.is_dir() else (), notes=images.notes)
        return torch.from_numpy(images.inputs), context
    if encoder is None:
        channels = data.arguments().get("channels", "auto")
        inputs = read(path, task, named or None, channels=channels)
        return torch.from_numpy(inputs), Context(target_names=reconstructed or ())
    table = read_rows(path, encoder, layout)
    ids = {} if table.ids is None else {str(encoder.id_name): table.ids}
    names = tuple(column.name for column in encoder.targets)
    named = reconstructed or names
    context = Context(table.rows, None, ids, named, table.warnings, notes=table.notes)
    return torch.from_numpy(table.inputs), context


def of_split(splits: Splits, name: str, data: Choice, folder: Path) -> tuple[Tensor, Context]:
    """Return the preprocessed inputs (N, I) of a part, and the context of its rows.

    The context's targets and inputs are in the data's units. The data are read again if their
    inputs have names.

    Raises:
        DataError: the part has no rows
    """
    part = splits.part(name)
    targets = part.targets.numpy()
    if splits.task.classes is None:
        targets = splits.task.in_units(targets)
    rows = None if splits.shared else part.rows
    if splits.features is None:
        return part.inputs, Context(rows, targets)
    dataset = load_chosen(data, folder)
    reconstructed = splits.features if splits.task.kind == "reconstruction" else None
    if dataset.table is None:
        inputs = dataset.inputs[part.rows].reshape(len(part.rows), -1)
        named = dict(zip(splits.features, inputs.T, strict=True))
        return part.inputs, Context(rows, targets, named, reconstructed or ())
    if splits.task.kind == "regression":  # exact: `in_units` rounds
        targets = dataset.targets[part.rows]
    context = _of_table(dataset, part.rows, targets)
    return part.inputs, replace(context, target_names=reconstructed or context.target_names)


def _of_table(dataset: Dataset, rows: np.ndarray, targets: np.ndarray) -> Context:
    table = dataset.table
    assert table is not None
    named: dict[str, Any] = {}
    if table.id_name is not None and table.ids is not None:
        named[table.id_name] = table.ids[rows]
    texts = table.texts([c.name for c in table.columns]) if table.texts is not None else {}
    for place, column in enumerate(table.columns):
        cells = dataset.inputs[rows, place]
        if column.name not in texts:
            named[column.name] = shown(cells, column)
        elif column.form.kind == "number":
            pairs = zip(texts[column.name][rows], cells, strict=True)
            named[column.name] = [text and NumberText(text, value) for text, value in pairs]
        else:
            named[column.name] = texts[column.name][rows]
    return Context(table.rows[rows], targets, named, table.targets)


class NumberText(str):
    """The text of a number as it stands in a file; `item` returns the number, None if missing."""

    def __new__(cls, text: str, value: float) -> "NumberText":
        """Return a text with the number that it means."""
        made = super().__new__(cls, text)
        made.value = float(value)
        return made

    value: float

    def item(self) -> float | None:
        """Return the number; whole ones have no point."""
        if np.isnan(self.value):
            return None
        return int(self.value) if self.value.is_integer() else self.value

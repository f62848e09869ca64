"""A config to start from, for a user's table: what a look at the file suggests, with comments."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlx.config.dump import inline
from dlx.data.splits import AUTO_SHARE
from dlx.data.tables.cells import has_commas
from dlx.data.tables.reading import Layout, read_csv, read_parquet, survey, text_of
from dlx.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

MOST_CLASSES = 10  # different whole numbers of a target that are taken for classes
FEWEST_REPEATS = 4  # rows of a category, on average, for a text to be an input
NUM_STEPS = 2000


@dataclass(frozen=True)
class Look:
    """What a column looks like.

    Attributes:
        name: of the column.
        kind: number, category, id, date, text (nearly another in every row, or
            numbers with commas) or constant.
        words: of it, for a comment.
        missing: rows without a value.
        placeholders: texts among its numbers that seem to stand for missing values.
    """

    name: str
    kind: str
    words: str
    missing: int
    placeholders: tuple[str, ...] = ()


def starter(path: Path, target: str | None, folder: Path) -> str:
    """Return the text of a config that trains on a table.

    Args:
        path: of the CSV or parquet file
        target: the column to predict
        folder: that the config will lie in; its path is relative to it

    Raises:
        ConfigError: no target is named, or the file has no such column
        DataError: the file cannot be read
    """
    is_parquet = path.suffix.lower() == ".parquet"
    frame = read_parquet(path) if is_parquet else read_csv(path, Layout(), wanted=_listed(target))
    names = ", ".join(map(str, frame.columns))
    if target is None:
        raise ConfigError(f"name the column to predict with --target; {path} has: {names}")
    if target not in frame.columns:
        near = did_you_mean(target, frame.columns)
        raise ConfigError(f"--target: {path} has no column {target!r}{near} (it has: {names})")
    looks = [look(frame[name]) for name in frame.columns]
    data: list[tuple[str, Any, str]] = [
        ("name", "parquet" if is_parquet else "csv", ""),
        ("path", os.path.relpath(path, folder), "relative to this file"),
        ("target", target, _target_words(frame[target])),
        *_roles([each for each in looks if each.name != target]),
        *_gaps(looks, target),
        *([] if is_parquet else _layout(path, target)),
    ]
    if _is_class(frame[target]) and frame[target].dtype.kind in "if":
        data.append(("task", "classification", "few whole numbers; regression predicts a number"))
    data.append(("standardize", True, "every input gets mean 0 and variance 1"))
    num_train = max(int(len(frame) * (1 - 2 * AUTO_SHARE)), 1)
    batch_size = min(128, max(num_train // 10, 1))
    epochs = int(np.clip(NUM_STEPS * batch_size / num_train, 5, 200))
    rest = _REST.format(batch_size=batch_size, epochs=epochs)
    lines = [_line(f"  {key}: {inline(value)}", words) for key, value, words in data]
    about = [
        f"Predict {target} from the other columns of {path.name}: {len(frame):,} rows.",
        "",
        *(f"  {each.name}: {each.words}" for each in looks),
    ]
    # A name in quotes may hold a line break, which would end the comment.
    comments = [f"# {' '.join(each.splitlines())}".rstrip() for each in about]
    return "\n".join([*comments, "data:", *lines, rest])


def look(series: pd.Series) -> Look:
    """Return what a column looks like."""
    import pandas as pd

    name, present = str(series.name), series.dropna()
    missing = len(series) - len(present)
    gaps = f", {missing:,} missing" if missing else ""
    if present.nunique() <= 1:
        return Look(name, "constant", f"the same in every row{gaps}", missing)
    if pd.api.types.is_datetime64_any_dtype(series):
        return Look(name, "date", f"dates{gaps}", missing)
    if pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_bool_dtype(series):
        if name.lower() == "id" and present.is_unique:
            return Look(name, "id", f"another number in every row{gaps}", missing)
        words = f"numbers from {present.min():g} to {present.max():g}{gaps}"
        return Look(name, "number", words, missing)
    texts = present.map(text_of)
    numbers = pd.to_numeric(texts, errors="coerce")
    placeholders = tuple(sorted(set(texts[numbers.isna()])))
    if placeholders and has_commas(placeholders):
        words = f"numbers with commas: write points, and nothing between thousands{gaps}"
        return Look(name, "text", words, missing)
    if numbers.notna().mean() > 0.5 and len(placeholders) <= 3:
        shown = ", ".join(map(repr, placeholders))
        words = f"numbers from {numbers.min():g} to {numbers.max():g}, and {shown}{gaps}"
        return Look(name, "number", words, missing, placeholders)
    dates = pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=True)
    if numbers.isna().all() and dates.notna().all():
        return Look(name, "date", f"dates from {texts.min()} to {texts.max()}{gaps}", missing)
    count = texts.nunique()
    if count == len(series):
        return Look(name, "id", f"another text in every row{gaps}", missing)
    if count > 2 and count * FEWEST_REPEATS > len(texts):
        return Look(name, "text", f"{count:,} different texts{gaps}", missing)
    mixed = "numbers and texts" if numbers.notna().any() else "categories"
    return Look(name, "category", f"{count:,} {mixed}{gaps}", missing)


def _roles(looks: list[Look]) -> list[tuple[str, Any, str]]:
    ids = [each.name for each in looks if each.kind == "id"]
    dates = [each.name for each in looks if each.kind == "date"]
    ignored = [each.name for each in looks if each.kind in ("constant", "text", "date")] + ids[1:]
    mixed = [each.name for each in looks if "numbers and texts" in each.words]
    found: list[tuple[str, Any, str]] = []
    if ids:
        found.append(("id", ids[0], "names the rows in predictions; no input"))
    if ignored:
        words = f"or time: {dates[0]}, so that the past predicts the future" if dates else ""
        found.append(("ignore", ignored, words or "columns that tell nothing, or not as they are"))
    if mixed:
        found.append(("categorical", mixed, "categories, though some look like numbers"))
    return found


def _gaps(looks: list[Look], target: str) -> list[tuple[str, Any, str]]:
    used = [each for each in looks if each.kind in ("number", "category") or each.name == target]
    placeholders = sorted({text for each in used for text in each.placeholders})
    found: list[tuple[str, Any, str]] = []
    if any(each.name == target and (each.missing or each.placeholders) for each in used):
        found.append(("missing", "drop", "rows without a target teach nothing"))
    elif placeholders or any(each.missing for each in used):
        words = "the training mean, and an input that says so; or drop the rows"
        found.append(("missing", "impute", words))
    if placeholders:
        found.append(("missing_values", placeholders, "texts among numbers"))
    return found


def _layout(path: Path, target: str) -> list[tuple[str, Any, str]]:
    found = survey(path, Layout(), [target])
    layout: list[tuple[str, Any, str]] = []
    if found.separator != ",":
        layout.append(("separator", found.separator, ""))
    if not found.encoding.startswith("utf-8"):
        layout.append(("encoding", found.encoding, ""))
    return layout


def _is_class(target: pd.Series) -> bool:
    present = target.dropna()
    if present.dtype.kind not in "if":
        return look(target).kind != "number"
    return bool((present % 1 == 0).all()) and present.nunique() <= MOST_CLASSES


def _target_words(target: pd.Series) -> str:
    if not _is_class(target):
        return "a number"
    shown = sorted({text_of(each) for each in target.dropna()})
    more = f" and {len(shown) - 5} more" if len(shown) > 5 else ""
    return f"classes: {', '.join(shown[:5])}{more}"


def _listed(target: str | None) -> list[str]:
    return [] if target is None else [target]


def _line(text: str, words: str) -> str:
    return f"{text:<30} # {' '.join(words.splitlines())}" if words else text


_REST = """\
model:
  name: mlp
  hidden: [64, 64]             # widths; [] is linear or logistic regression
  activation: relu
  init: he_normal
  dropout: 0                   # more of it where train is far better than dev
optimizer:
  name: adam
  lr: 1e-3
train:
  epochs: {epochs}
  batch_size: {batch_size}
  early_stopping: {{metric: dev.cost, patience: 10}}
seed: 0
"""

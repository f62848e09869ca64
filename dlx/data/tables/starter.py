"""A config to start from for a user's table, with comments on what its columns look like."""

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

MOST_CLASSES = 10  # a target of at most so many different whole numbers has classes
FEWEST_REPEATS = 4  # a text is an input if a category has at least so many rows on average
NUM_STEPS = 2000
Option = tuple[str, Any, str]  # key, value and comment


@dataclass(frozen=True)
class Look:
    """What a column looks like."""

    name: str
    # number, category, id, date, text (different in nearly every row, or numbers with commas) or
    # constant
    kind: str
    words: str  # a description for a comment
    missing: int  # number of rows without a value
    # texts among the numbers that seem to stand for missing values
    placeholders: tuple[str, ...] = ()


def starter(path: Path, target: str | None, folder: Path) -> str:
    """Return the text of a config, to stand in `folder`, that trains on a CSV or parquet file."""
    is_parquet = path.suffix.lower() == ".parquet"
    wanted = () if target is None else (target,)
    frame = read_parquet(path) if is_parquet else read_csv(path, Layout(), wanted=wanted)
    names = ", ".join(map(str, frame.columns))
    if target is None:
        raise ConfigError(f"name the column to predict with --target; {path} has: {names}")
    if target not in frame.columns:
        near = did_you_mean(target, frame.columns)
        raise ConfigError(f"--target: {path} has no column {target!r}{near} (it has: {names})")
    looks = [look(frame[name]) for name in frame.columns]
    data: list[Option] = [
        ("name", "parquet" if is_parquet else "csv", ""),
        ("path", os.path.relpath(path, folder), "relative to this file"),
        ("target", target, _target_words(frame[target])),
        *_roles([column for column in looks if column.name != target]),
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
        *(f"  {column.name}: {column.words}" for column in looks),
    ]
    # A name in quotes may hold a line break, which would end the comment.
    comments = [f"# {' '.join(line.splitlines())}".rstrip() for line in about]
    return "\n".join([*comments, "data:", *lines, rest])


def look(series: pd.Series) -> Look:
    """Return what a column looks like."""
    import pandas as pd

    name, present = str(series.name), series.dropna()
    missing = len(series) - len(present)
    gaps = f", {missing:,} missing" if missing else ""

    def looks_like(kind: str, words: str, placeholders: tuple[str, ...] = ()) -> Look:
        return Look(name, kind, words + gaps, missing, placeholders)

    if present.nunique() <= 1:
        return looks_like("constant", "the same in every row")
    if pd.api.types.is_datetime64_any_dtype(series):
        return looks_like("date", "dates")
    if pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_bool_dtype(series):
        if name.lower() == "id" and present.is_unique:
            return looks_like("id", "another number in every row")
        return looks_like("number", f"numbers from {present.min():g} to {present.max():g}")
    texts = present.map(text_of)
    numbers = pd.to_numeric(texts, errors="coerce")
    odd = tuple(sorted(set(texts[numbers.isna()])))
    if odd and has_commas(odd):
        words = "numbers with commas: write points, and nothing between thousands"
        return looks_like("text", words)
    if numbers.notna().mean() > 0.5 and len(odd) <= 3:
        words = f"numbers from {numbers.min():g} to {numbers.max():g}, and "
        return looks_like("number", words + ", ".join(map(repr, odd)), odd)
    dates = pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=True)
    if numbers.isna().all() and dates.notna().all():
        return looks_like("date", f"dates from {texts.min()} to {texts.max()}")
    count = texts.nunique()
    if count == len(series):
        return looks_like("id", "another text in every row")
    if count > 2 and count * FEWEST_REPEATS > len(texts):
        return looks_like("text", f"{count:,} different texts")
    mixed = "numbers and texts" if numbers.notna().any() else "categories"
    return looks_like("category", f"{count:,} {mixed}")


def _roles(looks: list[Look]) -> list[Option]:
    """Return the options for columns that are not inputs as they are."""
    ids = [column.name for column in looks if column.kind == "id"]
    dates = [column.name for column in looks if column.kind == "date"]
    useless = [column.name for column in looks if column.kind in ("constant", "text", "date")]
    ignored = useless + ids[1:]
    mixed = [column.name for column in looks if "numbers and texts" in column.words]
    options: list[Option] = []
    if ids:
        options.append(("id", ids[0], "names the rows in predictions; not an input"))
    if ignored:
        words = f"or time: {dates[0]}, so that the past predicts the future" if dates else ""
        options.append(("ignore", ignored, words or "columns that say nothing as they are"))
    if mixed:
        options.append(("categorical", mixed, "categories, though some look like numbers"))
    return options


def _gaps(looks: list[Look], target: str) -> list[Option]:
    """Return the options for missing values."""
    kinds = ("number", "category")
    used = [column for column in looks if column.kind in kinds or column.name == target]
    incomplete = [column.name for column in used if column.missing or column.placeholders]
    placeholders = sorted({text for column in used for text in column.placeholders})
    options: list[Option] = []
    if target in incomplete:
        options.append(("missing", "drop", "rows without a target teach nothing"))
    elif incomplete:
        words = "the training mean, and an input that says so; or drop the rows"
        options.append(("missing", "impute", words))
    if placeholders:
        options.append(("missing_values", placeholders, "texts among numbers"))
    return options


def _layout(path: Path, target: str) -> list[Option]:
    """Return the options for a CSV file whose separator or encoding is unusual."""
    surveyed = survey(path, Layout(), [target])
    options: list[Option] = []
    if surveyed.separator != ",":
        options.append(("separator", surveyed.separator, ""))
    if not surveyed.encoding.startswith("utf-8"):
        options.append(("encoding", surveyed.encoding, ""))
    return options


def _is_class(target: pd.Series) -> bool:
    present = target.dropna()
    if present.dtype.kind not in "if":
        return look(target).kind != "number"
    return bool((present % 1 == 0).all()) and present.nunique() <= MOST_CLASSES


def _target_words(target: pd.Series) -> str:
    if not _is_class(target):
        return "a number"
    shown = sorted({text_of(cell) for cell in target.dropna()})
    more = f" and {len(shown) - 5} more" if len(shown) > 5 else ""
    return f"classes: {', '.join(shown[:5])}{more}"


def _line(text: str, words: str) -> str:
    return f"{text:<30} # {' '.join(words.splitlines())}" if words else text


_REST = """\
model:
  name: mlp
  hidden: [64, 64]             # widths; [] is linear or logistic regression
  activation: relu
  init: he_normal
  dropout: 0                   # raise it if train is far better than dev
optimizer:
  name: adam
  lr: 1e-3
train:
  epochs: {epochs}
  batch_size: {batch_size}
  early_stopping: {{metric: stop.cost, patience: 10}}
seed: 0
"""

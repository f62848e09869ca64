"""A config to start from for a user's table, with comments on what its columns look like."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlx.config.dump import inline
from dlx.data.source_files import readable
from dlx.data.splits import AUTO_SHARE
from dlx.data.tables.cells import (
    MISSING,
    MISSING_CATEGORIES,
    PLAIN,
    category,
    date_of,
    is_code,
    is_plain_number,
    seconds_of,
    text_of,
)
from dlx.data.tables.columns import (
    FEWEST_REPEATS,
    by_number_or_name,
    is_numeric,
    is_placeholder,
    plain,
    units_remark,
)
from dlx.data.tables.hints import counts_rows, is_called_counter, is_called_id, is_id
from dlx.data.tables.layout import AUTO, Layout, LayoutError, NoNamesError, Survey, survey
from dlx.data.tables.reading import (
    check_size,
    check_there,
    nested_columns,
    read_csv,
    read_parquet,
    surveyed,
)
from dlx.data.tables.recognition import (
    date_looks,
    dated_numbers,
    number_look,
    odd_date,
    several_dates,
    several_units,
)
from dlx.data.tasks import decide
from dlx.errors import ConfigError, DataError, did_you_mean
from dlx.texts import printable

if TYPE_CHECKING:
    import pandas as pd

NUM_STEPS = 2000
_SAMPLE = 200  # rows that show whether the first one holds units
_MOST_NAMED = 50  # numbers that name something are categories if they are no more
_LEFT_OUT = "and is left out; data.time or data.dates uses it"
Option = tuple[str, Any, str]  # key, value and comment


@dataclass(frozen=True)
class Look:
    """What a column looks like."""

    name: str
    # number, category, id, counter (of rows), date, text (different in nearly every row, or numbers
    # and texts) or constant
    kind: str
    words: str  # a description for a comment
    missing: int = 0  # number of rows without a value
    placeholders: tuple[str, ...] = ()  # texts that seem to stand for missing values
    number: dict[str, Any] = field(default_factory=dict)  # how its numbers are written
    dates: str | tuple[str, ...] = ()  # a format of its dates, or several that all fit
    is_mixed: bool = False  # whether it holds categories of which some look like numbers
    note: str = ""  # a sentence for the user


@dataclass(frozen=True)
class Start:
    """A config to start from."""

    text: str
    notes: tuple[str, ...]  # sentences for the user


def starter(path: Path, target: str | None, folder: Path, layout: Layout = AUTO) -> Start:
    """Return a config, to stand in `folder`, that trains on a CSV or parquet file."""
    is_parquet = path.suffix.lower() == ".parquet"
    notes: list[str] = []
    found, nested = None, {}
    if is_parquet:
        nested = {n: kind for n, kind in nested_columns(path).items() if n != target}
        frame = read_parquet(path, ignore=nested)
    else:
        layout = _with_header(path, layout, target, notes)
        found = surveyed(path, layout, () if target is None else (target,))
        frame = read_csv(path, found, missing=lambda name: MISSING)
    names = ", ".join(map(str, frame.columns))
    if target is None:
        raise ConfigError(f"name the column to predict with --target; {path} has: {names}")
    if target not in frame.columns:
        near = did_you_mean(target, frame.columns)
        said = f"; {notes[0]}" if notes else ""
        raise ConfigError(
            f"--target: {path} has no column {target!r}{near} (it has: {names}); name one{said}"
        )
    if frame[target].isna().all():
        raise DataError(f"--target: every cell of column {target!r} of {path} is missing")
    _refuse_units(path, frame)
    looks = _looks(path, frame, found) + [_nested(name, kind) for name, kind in nested.items()]
    goal = next(column for column in looks if column.name == target)
    if goal.kind == "date":
        raise DataError(
            f"--target: column {target!r} of {path} holds dates, which dlx does not predict; name "
            "a column of numbers or classes"
        )
    inputs = _with_inputs([column for column in looks if column.name != target], notes)
    data: list[Option] = [
        ("name", "parquet" if is_parquet else "csv", ""),
        ("path", os.path.relpath(path, folder), "relative to this file"),
        ("target", target, _target_words(frame[target], goal)),
        *_roles(inputs),
        *_gaps(goal, inputs),
        *((key, value, "") for key, value in vars(layout).items() if value not in ("auto", None)),
    ]
    numbers = {column.name: column.number for column in (goal, *inputs) if column.number}
    if numbers:
        data.append(("numbers", numbers, "how they are written"))
    if goal.number:
        data.append(("task", "regression", "it is read as numbers; classification makes classes"))
    elif (goal.kind == "number" or is_numeric(frame[target])) and _is_class(frame[target], goal):
        data.append(("task", "classification", "few whole numbers; regression predicts a number"))
    data.append(("standardize", True, "every input gets mean 0 and variance 1"))
    num_train = max(int(len(frame) * (1 - 2 * AUTO_SHARE)), 1)
    batch_size = min(128, max(num_train // 10, 1))
    epochs = int(np.clip(NUM_STEPS * batch_size / num_train, 5, 200))
    can_stop = int(AUTO_SHARE * len(frame) + 0.5) > 1  # half of the dev rows are stop rows
    rest = _REST.format(
        batch_size=batch_size, epochs=epochs, early_stopping=_EARLY_STOPPING if can_stop else ""
    )
    lines = [_line(f"  {key}: {inline(value)}", words) for key, value, words in data]
    about = [
        f"Predict {target} from the other columns of {path.name}: {len(frame):,} rows.",
        "",
        *(f"  {column.name}: {column.words}" for column in looks),
    ]
    # A name in quotes may hold a line break, which would end the comment.
    comments = [f"# {_comment(line)}".rstrip() for line in about]
    # Of a target that holds codes the training says so.
    noted = inputs if goal.is_mixed else [goal, *inputs]
    notes += [column.note for column in noted if column.note]
    return Start("\n".join([*comments, "data:", *lines, rest]), tuple(notes))


def _with_header(path: Path, layout: Layout, target: str | None, notes: list[str]) -> Layout:
    """Return the layout, without a header if the first row seems to hold values."""
    check_there(path)
    try:
        with readable(path):
            check_size(path)
            survey(path, layout, () if target is None else (target,))
    except NoNamesError:
        notes.append(
            f"row 1 of {path.name} holds values and not the columns' names, which are 1, 2, 3, … "
            "therefore; --header takes it for names"
        )
        return replace(layout, header=False)
    except (LayoutError, OSError):
        pass  # said by who reads the file next
    return layout


def _refuse_units(path: Path, frame: pd.DataFrame) -> None:
    """Refuse a first row of words, such as units, above columns of numbers."""
    words = []
    for name in frame.columns:
        first, *others = map(text_of, plain(frame[name].iloc[:_SAMPLE]))
        if any(others) and all(is_plain_number(text.strip()) for text in others if text):
            if first and is_plain_number(first.strip()):
                return
            words += [] if first in MISSING or is_placeholder(first) else [first]
    if words:
        raise DataError(
            f"{path}, row {frame.index[0]}: it holds words ({', '.join(words[:3])}), such as "
            "units, where all other rows hold numbers; delete the row"
        )


def _looks(path: Path, frame: pd.DataFrame, found: Survey | None) -> list[Look]:
    """Return what columns look like; where some have decimal commas, points do not precede them.

    So it is of files with semicolons, which programs write where the comma stands before decimals.
    """
    looks = [look(frame[name]) for name in frame.columns]
    decimal = any(column.number.get("decimal") == "," for column in looks)
    thousands = any(column.number.get("thousands") for column in looks)
    pointed = [n for n in frame.columns if is_numeric(frame[n]) and (frame[n].dropna() % 1).any()]
    if found is None or not pointed:
        return looks
    texts = read_csv(path, found, ignore=[n for n in frame.columns if n not in pointed], text=None)
    if not (decimal or (found.separator == ";" and thousands)):
        return [_with_doubt(column, texts, found) for column in looks]
    again = {name: look(texts[name], "decimal") for name in pointed}
    return [
        again[column.name]
        if column.name in again and again[column.name].number
        else look(frame[column.name], "decimal")
        for column in looks
    ]


def _nested(name: str, kind: str) -> Look:
    """Return the look of a column whose cells hold several values."""
    note = (
        f"column {name!r} holds several values in a cell, and is left out; make a column of each "
        "to use them"
    )
    return Look(name, "text", f"several values in a cell, {kind}", note=note)


def _with_doubt(column: Look, texts: pd.DataFrame, found: Survey) -> Look:
    """Return a look with a question where a point may stand between thousands."""
    if column.name not in texts.columns:
        return column
    cells = texts[column.name].dropna().str.strip().drop_duplicates()
    grouped = cells[cells.str.fullmatch(r"[-+]?[1-9][0-9]{0,2}(\.[0-9]{3})+")]
    small = cells[cells.str.fullmatch(r"[-+]?[0-9]{1,3}")]
    is_likely = found.separator == ";" or len(small) > 0
    if len(grouped) == 0 or len(grouped) + len(small) < len(cells) or not is_likely:
        return column
    option = inline({column.name: {"decimal": ",", "thousands": "."}})
    note = (
        f"column {column.name!r} holds numbers such as {grouped.iloc[0]!r}: if the point stands "
        f"between thousands, write data.numbers: {option}"
    )
    return replace(column, note=note)


def look(series: pd.Series, commas: str = "") -> Look:
    """Return what a column looks like; for `commas` see `number_look`."""
    import pandas as pd

    name, present = str(series.name), series.dropna()
    if not is_numeric(series) and not pd.api.types.is_datetime64_any_dtype(series):
        present = present.map(text_of).str.strip().str.replace("^\u2212(?=[0-9.])", "-", regex=True)
        present = present[present != ""]
    missing = len(series) - len(present)
    gaps = f", {missing:,} missing" if missing else ""
    seen = Look(name, "", "", missing)

    def looks_like(kind: str, words: str, **more: Any) -> Look:
        return replace(seen, kind=kind, words=words + gaps, **more)

    if len(present) == 0:
        return looks_like("constant", "no value at all")
    if present.nunique() == 1:
        return looks_like("constant", "the same in every row")
    if pd.api.types.is_datetime64_any_dtype(series):
        note = f"column {name!r} holds dates such as {text_of(present.iloc[0])}, {_LEFT_OUT}"
        return looks_like("date", "dates", dates="auto", note=note)
    if is_numeric(series):
        return _numbers(series, present, looks_like)
    return _texts(present, len(series), commas, looks_like)


def _numbers(series: pd.Series, present: pd.Series, looks_like: Any) -> Look:
    name = str(series.name)
    words = f"numbers from {present.min():.15g} to {present.max():.15g}"
    values = series.to_numpy(np.float64, na_value=np.nan)
    if is_called_counter(name) and counts_rows(values):
        note = f"column {name!r} counts the rows: it is no input"
        return looks_like("counter", f"{words}, one more in every row", note=note)
    if is_id(name, values):
        note = f"column {name!r} has another number in every row: it is no input"
        return looks_like("id", "another number in every row", note=note)
    is_whole = bool((present % 1 == 0).all())
    if is_whole and is_called_id(name):
        return _repeated_id(present, words, looks_like)
    form = dated_numbers(values)
    if form is not None:
        note = f"column {name!r} holds dates such as {present.iloc[0]:.0f} ({form}), {_LEFT_OUT}"
        return looks_like("date", f"{words}, dates as numbers", dates=form, note=note)
    return looks_like("number", words)


def _repeated_id(present: pd.Series, words: str, looks_like: Any) -> Look:
    """Return the look of numbers that name something which several rows have in common."""
    name, count = present.name, present.nunique()
    if count <= _MOST_NAMED and count * FEWEST_REPEATS <= len(present):
        note = f"column {name!r} names {count} things by numbers: they are categories"
        return looks_like(
            "category", f"{count} numbers that name something", is_mixed=True, note=note
        )
    note = (
        f"column {name!r} names {count:,} things by numbers, and is left out; group: {name} keeps "
        "the rows of each in one part"
    )
    return looks_like("text", f"{words}, which name something", note=note)


def _texts(present: pd.Series, num_rows: int, commas: str, looks_like: Any) -> Look:
    name = str(present.name)
    counts = present.value_counts()
    texts = list(counts.index)
    if all(category(text) in ("True", "False") for text in texts):
        return looks_like("category", "True and False")
    odd = tuple(sorted(text for text in texts if text not in MISSING and is_placeholder(text)))
    words = [text for text in texts if text not in (*odd, *MISSING)]
    looks_like = functools.partial(_lacking, counts, looks_like)
    are_plain = [is_plain_number(text) for text in words]
    codes = [text for text in words if is_code(text)]
    if codes and all(is_plain_number(text) or is_code(text) for text in words):
        note = f"column {name!r} holds codes, with leading zeros such as {codes[0]!r}: "
        if counts.size == num_rows:
            return looks_like("id", "another code in every row", note=note + "they name the rows")
        return _category(present, "codes", looks_like, is_mixed=True, note=note + "categories")
    shown = number_look(words, commas) if words else None
    if shown is not None or (words and all(are_plain)):
        return _written(name, words, odd, counts, shown, looks_like)
    looks = date_looks(words) if words else []
    if looks:
        return _dates(name, words, [formats[0] for formats in looks], odd, looks_like)
    doubtful = tuple(
        text for text in odd if text in ("?", "--", ".", "-" if "+" not in odd else "?")
    )
    if len({*texts} - {*doubtful, *MISSING_CATEGORIES}) < 2:
        doubtful = ()  # they are one of two categories
    present = present[~present.isin([*MISSING_CATEGORIES, *doubtful])]
    forms = several_dates(words) if words else ()
    if forms:
        option = inline({name: list(forms)})
        note = (
            f"column {name!r} holds dates of several formats, and is left out; data.dates: "
            f"{option} makes inputs of them"
        )
        return looks_like("text", "dates of several formats", note=note)
    wrong = odd_date(words) if words else None
    if wrong is not None:
        note = f"column {name!r} holds dates, but {wrong!r} is none; it is left out"
        return looks_like("text", f"dates, and {wrong!r}", note=note)
    if any(are_plain) or codes:
        return _mixed(present, words, doubtful, looks_like)
    units = several_units(words)
    note = units_remark(name, units) if units else ""
    quantities = [
        text
        for text in words
        if re.match(r"\W{0,2}[0-9]", text) and not re.fullmatch("(?i)[0-9a-f]+(-[0-9a-f]+)*", text)
    ]
    if not units and _is_rare(present) and 2 * len(quantities) > len(words):
        note = (
            f"column {name!r} holds numbers that are not read, such as {words[0]!r}, and is no "
            "input; write plain numbers if they are quantities"
        )
    if counts.size == num_rows:
        return looks_like("id", "another text in every row", note=note)
    if doubtful and not note:
        note = (
            f"column {name!r}: {sum(counts[t] for t in doubtful):,} cells hold "
            f"{' or '.join(map(repr, doubtful))}, taken for missing"
        )
    return _category(present, "categories", looks_like, placeholders=doubtful, note=note)


def _lacking(counts: pd.Series, looks_like: Any, kind: str, words: str, **more: Any) -> Look:
    """Return a look of a column of texts, some of which mean a missing value in its kind."""
    marks = MISSING if kind in ("number", "date") else MISSING_CATEGORIES
    seen = looks_like(kind, words, **more)
    return replace(seen, missing=seen.missing + int(counts[counts.index.isin(marks)].sum()))


def _category(present: pd.Series, what: str, looks_like: Any, **more: Any) -> Look:
    count = present.nunique()
    if _is_rare(present):
        return looks_like("text", f"{count:,} different texts", note=more["note"])
    return looks_like("category", f"{count:,} {what}", **more)


def _is_rare(present: pd.Series) -> bool:
    return 2 < present.nunique() > len(present) / FEWEST_REPEATS


def _written(
    name: str,
    words: Sequence[str],
    odd: tuple[str, ...],
    counts: pd.Series,
    shown: Any,
    looks_like: Any,
) -> Look:
    """Return the look of numbers with signs and units, or with texts that seem to be missing."""
    form = shown.form if shown else PLAIN
    numbers = [form.number(text) or 0.0 for text in words]
    description = f"numbers from {min(numbers):.15g} to {max(numbers):.15g}"
    notes = []
    if shown:
        description += f", with {shown.words}"
        example = next(text for text in words if form.number(text) != PLAIN.number(text))
        doubt = ", which may be decimals" if shown.is_ambiguous else ""
        notes.append(f"numbers such as {example!r}, with {shown.words}{doubt}")
    if odd:
        description += f", and {', '.join(map(repr, odd))}"
        notes.append(f"{', '.join(f'{t!r} ({counts[t]:,})' for t in odd)}, taken for missing")
    if is_called_counter(name) and counts.size == counts.sum() and not shown:
        return looks_like("id", "another number in every row")
    return looks_like(
        "number",
        description,
        placeholders=odd,
        number=shown.options if shown else {},
        note=f"column {name!r} holds {'; '.join(notes)}" if notes else "",
    )


def _dates(
    name: str, words: Sequence[str], formats: list[str], odd: tuple[str, ...], looks_like: Any
) -> Look:
    if len(formats) > 1:
        options = " or ".join(inline({name: form}) for form in formats)
        note = (
            f"column {name!r} holds dates such as {words[0]!r}, and is left out; to make inputs of "
            f"them, write data.dates: {options}, whichever is right"
        )
        return looks_like("date", "dates", dates=tuple(formats), placeholders=odd, note=note)
    read = [seconds for text in words if (seconds := seconds_of(text, formats[0])) is not None]
    span = f", from {date_of(min(read))} to {date_of(max(read))}" if read else ""
    note = f"column {name!r} holds dates such as {words[0]!r} ({formats[0]}{span}), {_LEFT_OUT}"
    return looks_like("date", f"dates such as {words[0]}", dates=formats[0], note=note)


def _mixed(
    present: pd.Series, words: Sequence[str], doubtful: tuple[str, ...], looks_like: Any
) -> Look:
    """Return the look of numbers among texts."""
    name, count = present.name, present.nunique()
    others = [text for text in words if not is_plain_number(text)]
    shown = ", ".join(map(repr, others[:3])) + (", …" if len(others) > 3 else "")
    if count > 2 and count * FEWEST_REPEATS > len(present):
        note = f"column {name!r} holds numbers and texts such as {shown}, and is left out"
        if len(others) <= 3:
            option = inline({name: others})
            note += f"; correct these, or write data.missing_values: {option} if they mean that"
        return looks_like("text", f"numbers, and {shown}", note=note)
    note = f"column {name!r} holds numbers and {shown}: they are categories"
    if doubtful:
        note += f"; {' and '.join(map(repr, doubtful))}, taken for missing"
    words = f"{count:,} numbers and texts"
    return looks_like("category", words, is_mixed=True, placeholders=doubtful, note=note)


def _with_inputs(looks: list[Look], notes: list[str]) -> list[Look]:
    """Return the looks, with an input at least: dates, or else what counts the rows."""
    if any(column.kind in ("number", "category") for column in looks):
        return looks
    for kind, made in (("date", "input_date"), ("counter", "number"), ("id", "number")):
        found = [c for c in looks if c.kind == kind and (kind == "date" or "number" in c.words)]
        if found:
            names = ", ".join(repr(column.name) for column in found)
            notes.append(f"no other column is left, so that {names} is an input")
            return [replace(c, kind=made, note="") if c in found else c for c in looks]
    return looks


def _roles(looks: list[Look]) -> list[Option]:
    """Return the options for columns that are not inputs as they are."""
    ids = [column.name for column in looks if column.kind == "id"]
    dates = [column for column in looks if column.kind == "date"]
    kinds = ("constant", "text", "date", "counter")
    ignored = [column.name for column in looks if column.kind in kinds] + ids[1:]
    mixed = [column.name for column in looks if column.is_mixed]
    inputs = {c.name: "auto" for c in looks if c.kind == "input_date"}
    options: list[Option] = []
    if ids:
        options.append(("id", ids[0], "names the rows in predictions; not an input"))
    if ignored:
        words = "columns that say nothing as they are"
        if dates:
            form = dates[0].dates if isinstance(dates[0].dates, str) else dates[0].dates[0]
            option = inline({dates[0].name: form})
            words = (
                f"or time: {dates[0].name}, so that the past predicts the future; or dates: "
                f"{option}, for inputs"
            )
        options.append(("ignore", ignored, words))
    if mixed:
        options.append(("categorical", mixed, "categories, though some look like numbers"))
    if inputs:
        options.append(("dates", inputs, "inputs: year, month, weekday, hour, days"))
    return options


def _gaps(goal: Look, inputs: list[Look]) -> list[Option]:
    """Return the options for missing values."""
    kinds = ("number", "category", "input_date")
    used = [column for column in inputs if column.kind in kinds]
    incomplete = [column.name for column in used if column.missing or column.placeholders]
    placeholders = {c.name: list(c.placeholders) for c in (goal, *used) if c.placeholders}
    options: list[Option] = []
    if incomplete:
        words = "the training mean, and an input that says so; or drop the rows"
        options.append(("missing", "impute", words))
    elif goal.missing or goal.placeholders:
        options.append(("missing", "drop", "rows without a target teach nothing"))
    if placeholders:
        options.append(("missing_values", placeholders, "what means missing beside an empty cell"))
    return options


def _is_class(target: pd.Series, goal: Look) -> bool:
    if goal.number or goal.kind == "date":
        return False
    present = target.dropna()
    if is_numeric(target):
        values = present.to_numpy(np.float64)
    elif goal.kind == "number":
        form = replace(PLAIN, missing=(*MISSING, *goal.placeholders))
        values = form.values(list(map(text_of, present)))
    else:
        return True
    return decide("", values[~np.isnan(values)]).classes is not None


def _target_words(target: pd.Series, goal: Look) -> str:
    if not _is_class(target, goal):
        return "a number"
    names = {category(text_of(cell)) for cell in target.dropna()}
    shown = sorted(names - {"", *goal.placeholders}, key=by_number_or_name)
    more = f" and {len(shown) - 5} more" if len(shown) > 5 else ""
    return f"classes: {', '.join(shown[:5])}{more}"


def _line(text: str, words: str) -> str:
    return f"{text:<30} # {_comment(words)}" if words else text


def _comment(words: str) -> str:
    return printable(" ".join(words.splitlines()))


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
{early_stopping}seed: 0
"""
_EARLY_STOPPING = "  early_stopping: {metric: stop.cost, patience: 10}\n"

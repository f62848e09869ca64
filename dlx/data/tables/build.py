"""A data set from the frames of a user's files: inputs, targets, ids, groups and times.

# N rows, C columns, T targets
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from dlx.config.dump import inline
from dlx.data.dataset import Column, Dataset, Table
from dlx.data.tables import hints
from dlx.data.tables.cells import text_of
from dlx.data.tables.columns import (
    EXACT,
    Cells,
    Rules,
    Where,
    are_numbers,
    plain,
    read_cells,
    read_times,
    text_cells,
)
from dlx.data.tasks import Targets, TaskName, decide, is_yes, refuse_too_many
from dlx.errors import ConfigError, DataError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

Missing = Literal["error", "drop", "impute"]
# From a file, its text columns (None: all) as `text` and the only columns to read as `only` (None:
# all that are not ignored), to a frame; see `dlx.data.tables.reading.read_csv`.
Read = Callable[..., "pd.DataFrame"]


@dataclass(frozen=True)
class Roles:
    """What columns are, as the options of the sources say; all other columns are inputs."""

    targets: Sequence[str]  # none: the inputs are to be reconstructed
    ignore: Sequence[str] = ()
    id: str | None = None
    group: str | None = None
    time: str | None = None
    time_is_input: bool = False
    categorical: Sequence[str] = ()
    missing: Missing = "error"
    task: TaskName = "auto"
    rules: Rules = field(default_factory=Rules)
    layout: Mapping[str, Any] = field(default_factory=dict)  # separator, encoding, header of a CSV

    @property
    def texts(self) -> list[str] | None:
        """The columns whose cells are read as texts; None: all."""
        if not self.rules.number.is_plain:
            return None
        is_class = self.task == "classification" and len(self.targets) == 1
        classes = self.targets if is_class else ()
        named = (self.id, self.group, *self.categorical, *classes)
        return [name for name in (*named, *self.rules.numbers, *self.rules.dates) if name]

    @property
    def apart(self) -> list[str]:
        """The columns that are not inputs."""
        named = [*self.targets, *self.ignore, self.id, self.group]
        named += [] if self.time_is_input else [self.time]
        return [name for name in named if name is not None]

    def kind(self, name: str) -> str | None:
        """What an input's cells are by the options: number, category or date; None: open."""
        if name in self.categorical:
            return "category"
        if name in self.rules.dates:
            return "date"
        return "number" if name in self.rules.numbers else None


@dataclass(frozen=True)
class _Frames:
    """The rows of all files in one frame."""

    frame: pd.DataFrame
    paths: tuple[Path, ...]
    starts: np.ndarray  # the first row of each file, and the number of all rows
    read: Read
    remarks: tuple[str, ...]
    # what the cells of columns are that are texts for training and numbers in another file
    kinds: Mapping[str, str]

    def where(self, place: int) -> str:
        """Return the file and the row at a place."""
        file = int(np.searchsorted(self.starts, place, side="right")) - 1
        return f"{self.paths[file]}, row {self.frame.index[place]}"

    def missing(self, place: int, name: str) -> str:
        """Return what a cell that is missing holds, and how it becomes a value; "" if nothing."""
        text = _texts(self.paths, self.read, [name])[name][place]
        if not text:
            return ""
        option = inline({name: []})
        return f" (it holds {text!r}; if that is a value, write data.missing_values: {option})"


def build(paths: Mapping[str, Path], read: Read, roles: Roles) -> Dataset:
    """Read the files of a table's parts and return its data set."""
    _check_roles(roles, paths)
    frames, counts = _read_all(paths, read, roles)
    frame, where, rules = frames.frame, frames.where, roles.rules
    names = [name for name in frame.columns if name not in roles.apart]
    if not names:
        raise ConfigError("data: no column is left as an input; take some out of data.ignore")
    inputs, columns, notes = np.empty((len(frame), len(names))), [], list(frames.remarks)
    for place, name in enumerate(names):
        cells = _cells(frame[name], where, roles, frames.kinds.get(name))
        inputs[:, place] = cells.values
        columns.append(cells.column)
        notes += cells.remarks
    notes += _missing_counts(inputs, names, roles)
    if roles.missing == "error":
        _refuse_missing(inputs, names, frames)
    known = [_cells(frame[n], where, roles, frames.kinds.get(n)) for n in roles.targets]
    if len(known) > 1:
        known = [_label(cells, roles.task) for cells in known]
        _refuse_words_beside_numbers(known)
    notes += [remark for cells in known for remark in cells.remarks]
    targets = np.stack([cells.values for cells in known], 1) if known else np.empty((len(frame), 0))
    classes = known[0].column.categories if len(known) == 1 else None
    needed = dict(zip(roles.targets, targets.T, strict=True))
    groups = times = None
    if roles.group:
        groups = read_cells(frame[roles.group], where, rules, "category").values
        needed[roles.group] = groups
    if roles.time:
        times = needed[roles.time] = read_times(frame[roles.time], where, rules)
        if not are_numbers(frame[roles.time], rules):
            notes += hints.odd_dates([roles.time], [times])
    keep, warnings = _kept(inputs, needed, roles, frames), []
    counts = {part: int(keep[rows].sum()) for part, rows in counts.items()}
    if not keep.all():
        inputs, targets = inputs[keep], targets[keep]
        left_out = int((~keep).sum())
        lacks = "a missing value" if roles.missing == "drop" else "no target"
        warnings.append(f"{left_out:,} of {len(keep):,} rows with {lacks} are left out")
    for part, count in counts.items():
        if count == 0:
            raise DataError(f"{paths[part]}: no row is left for {part}")
    _refuse_constant(targets, roles.targets, classes)
    first = next(iter(paths.values()))
    decided = _decided(first.name, targets, classes, roles)
    if decided.classes is not None and decided.values.ndim == 1:
        _refuse_new_classes(decided, counts, paths, roles.targets)
        notes += hints.odd_classes(roles.targets[0], decided.classes, decided.values, rules)
    if classes is not None:
        what = f"column {roles.targets[0]!r} of {first.name}"
        refuse_too_many(what, len(classes), len(targets))
    notes += hints.moments(columns, inputs)
    notes += hints.in_row_order(columns, inputs)
    warnings += _hints(columns, inputs, decided, roles)
    of = f"Predict {', '.join(roles.targets)} from" if roles.targets else "Reconstruct"
    return Dataset(
        name=first.name,
        inputs=inputs,
        targets=decided.values,
        classes=decided.classes,
        notes=(*notes, *decided.notes),
        test_rows=counts.get("test", 0),
        dev_rows=counts.get("dev", 0),
        table=Table(
            tuple(columns),
            tuple(roles.targets),
            frame.index.to_numpy()[keep],
            roles.missing == "impute",
            roles.id,
            text_cells(frame[roles.id])[keep] if roles.id else None,
            None if groups is None else np.unique(groups[keep], return_inverse=True)[1],
            None if times is None else times[keep],
            tuple(cells.column for cells in known),
            layout=dict(roles.layout),
            texts=functools.partial(_texts, frames.paths, read, keep=keep),
        ),
        warnings=tuple(warnings),
        description=f"{of} the other columns of {first}.",
    )


def _texts(
    paths: Sequence[Path], read: Read, names: Sequence[str], keep: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Return the cells of columns as they stand in the files, read again: (N,) of each."""
    frames = [read(path, text=None, only=names) for path in paths]
    texts = {
        name: [text_of(cell).strip() for frame in frames for cell in plain(frame[name])]
        for name in names
    }
    rows = slice(None) if keep is None else keep
    return {name: np.array(cells, dtype=object)[rows] for name, cells in texts.items()}


def _check_roles(roles: Roles, paths: Mapping[str, Path]) -> None:
    named = [*roles.targets, *roles.ignore, roles.id, roles.group, roles.time]
    named = [name for name in named if name is not None]
    twice = next((name for place, name in enumerate(named) if name in named[:place]), None)
    if twice is not None and not (twice == roles.id == roles.group):
        raise ConfigError(
            f"data: column {twice!r} has two uses among target, ignore, id, group and time; "
            "leave one"
        )
    if roles.group and roles.time:
        raise ConfigError("data.group and data.time exclude each other; choose one")
    if len(paths) > 1 and (roles.group or roles.time):
        raise ConfigError(
            "data.group and data.time choose the rows of dev and test, but data.path names files "
            "for them; leave one out"
        )
    kinds = {"categorical": roles.categorical, "numbers": roles.rules.numbers}
    kinds["dates"] = roles.rules.dates
    for (one, first), (other, second) in itertools.combinations(kinds.items(), 2):
        both = next((name for name in first if name in second), None)
        if both is not None:
            raise ConfigError(f"data: column {both!r} is under {one} and {other}; leave one")


def _read_all(
    paths: Mapping[str, Path], read: Read, roles: Roles
) -> tuple[_Frames, dict[str, slice]]:
    """Return all rows in one frame, and the rows of each part."""
    import pandas as pd

    frames: list[pd.DataFrame] = []
    header: dict[str, None] = {}  # of all files together, ignored columns too
    for path in paths.values():
        frame = read(path, text=roles.texts)
        header |= dict.fromkeys(frame.attrs["header"])
        _check_columns(path, list(frame.columns), roles, list(frames[0].columns) if frames else [])
        frames.append(frame[frames[0].columns] if frames else frame)
    for name in roles.ignore:
        if name not in header:
            files = ", ".join(map(str, paths.values()))
            raise ConfigError(f"data.ignore: {_no_column(files, name, list(header))}")
    numeric = [{name for name in f.columns if f[name].dtype.kind in "ifu"} for f in frames]
    # A column that is text in one file is text in every file.
    as_text = sorted(set().union(*numeric) - set.intersection(*numeric))
    for place, path in enumerate(paths.values()):
        again = [name for name in as_text if name in numeric[place]]
        if again:
            texts = read(path, text=None, only=again)
            for name in again:
                frames[place][name] = texts[name]
    starts = np.cumsum([0, *map(len, frames)])
    pairs = itertools.pairwise(starts.tolist())
    counts = {part: slice(*pair) for part, pair in zip(paths, pairs, strict=True)}
    remarks = [remark for frame in frames for remark in frame.attrs["remarks"]]
    whole = frames[0] if len(frames) == 1 else pd.concat(frames)
    files = _Frames(whole, tuple(paths.values()), starts, read, tuple(remarks), {})
    # Among words for training a number is one more word, not the training file's fault.
    kinds = {
        name: _cells(frames[0][name], files.where, roles).column.form.kind
        for name in as_text
        if name not in numeric[0] and (name in roles.targets or name not in roles.apart)
    }
    return replace(files, kinds=kinds), counts


def _check_columns(path: Path, header: Sequence[str], roles: Roles, needed: Sequence[str]) -> None:
    rules = roles.rules
    missing = rules.missing_values if isinstance(rules.missing_values, Mapping) else ()
    named: dict[str, Sequence[str] | Mapping[str, Any]] = {
        "target": roles.targets,
        **{key: [n] for key in ("id", "group", "time") if (n := getattr(roles, key)) is not None},
        "categorical": roles.categorical,
        "numbers": rules.numbers,
        "dates": rules.dates,
        "missing_values": missing,
    }
    for option, names in named.items():
        for name in names:
            if name in roles.ignore:
                raise ConfigError(
                    f"data.{option}: column {name!r} is under data.ignore too; leave one out"
                )
            if name not in header:
                raise ConfigError(f"data.{option}: {_no_column(path, name, header)}")
    for name in needed:
        if name not in header:
            raise DataError(_no_column(path, name, header))


def _no_column(path: Path | str, name: str, header: Sequence[str]) -> str:
    shown = ", ".join(header[:8]) + (f" and {len(header) - 8} more" if len(header) > 8 else "")
    alone = "; if it holds several, name another data.separator" if len(header) == 1 else ""
    near = did_you_mean(name, header)
    return f"{path} has no column {name!r}{near} (it has: {shown}{alone}); name one"


def _cells(series: pd.Series, where: Where, roles: Roles, known: str | None = None) -> Cells:
    """Return the cells of an input or a target; `known`: of what kind they are without an option.

    Classes of numbers are left to `dlx.data.tasks`, unless the config says that they are classes.
    """
    name, kind = str(series.name), None
    if [name] == list(roles.targets):
        kind = {"classification": "category", "regression": "number"}.get(roles.task)
    return read_cells(series, where, roles.rules, kind or roles.kind(name) or known)


def _label(cells: Cells, task: TaskName) -> Cells:
    """Return one of several targets as numbers: of two words, 1 stands for the one that says yes.

    Raises:
        DataError: it holds more than two words, or words where numbers are to be predicted
    """
    column = cells.column
    if column.categories is None:
        return cells
    shown = f"data.target: column {column.name!r} holds texts"
    if task == "regression":
        raise DataError(f"{shown}, and data.task says regression; name columns of numbers")
    if len(column.categories) != 2:
        words = ", ".join(map(repr, column.categories[:3]))
        raise DataError(
            f"{shown} ({words}, {len(column.categories)} in all); each of several targets holds "
            "numbers, or two words such as no and yes; name one target"
        )
    first, second = column.categories
    if is_yes(first, second):
        values, categories = 1 - cells.values, (second, first)
    else:
        values, categories = cells.values, (first, second)
    remark = f"column {column.name!r}: the label holds where it says {categories[1]!r}"
    column = replace(column, categories=categories)
    return Cells(column, values, (*cells.remarks, remark))


def _refuse_words_beside_numbers(known: Sequence[Cells]) -> None:
    """Refuse columns of words among several targets if others are numbers to predict."""
    words = next((c.column.name for c in known if c.column.categories is not None), None)
    if words is None:
        return
    for cells in known:
        values = cells.values[~np.isnan(cells.values)]
        if ((values != 0) & (values != 1)).any():
            raise DataError(
                f"data.target: column {words!r} holds words and column {cells.column.name!r} "
                "numbers other than 0 and 1; several targets are all labels or all numbers: name "
                "one target, or columns of one kind"
            )


def _missing_counts(inputs: np.ndarray, names: Sequence[str], roles: Roles) -> list[str]:
    """Say how many cells of which columns count as missing."""
    if roles.missing == "error":
        return []
    counts: dict[str, int] = dict(zip(names, np.isnan(inputs).sum(0).tolist(), strict=True))
    counts = {name: count for name, count in counts.items() if count}
    if not counts:
        return []
    shown = ", ".join(f"{count:,} of {name!r}" for name, count in list(counts.items())[:5])
    more = f" and some of {len(counts) - 5} more columns" if len(counts) > 5 else ""
    meaning = "empty, or among numbers NA, NaN, NULL, None and the like"
    if roles.rules.missing_values is not None:
        meaning = "empty, or by data.missing_values"
    return [f"cells that count as missing ({meaning}): {shown}{more}"]


def _refuse_missing(inputs: np.ndarray, names: Sequence[str], frames: _Frames) -> None:
    missing = np.isnan(inputs)
    if missing.any():
        row, column = map(int, np.argwhere(missing)[0])
        raise DataError(
            f"{frames.where(row)}, column {names[column]!r}: the value is missing"
            f"{frames.missing(row, names[column])}, one of {missing.sum():,} missing values; write "
            "data.missing: impute or drop, or ignore the column"
        )


def _kept(
    inputs: np.ndarray, needed: Mapping[str, np.ndarray], roles: Roles, frames: _Frames
) -> np.ndarray:
    """Return which rows are kept: (N,) bool.

    In the `needed` columns no value can be filled in: rows without a target are left out unless
    missing values are errors, those without a group or a time only where all such rows are.
    """
    keep = np.ones(len(inputs), dtype=bool)
    if roles.missing == "drop":
        keep &= ~np.isnan(inputs).any(1)
    for name, values in needed.items():
        missing = np.isnan(values)
        left_out = roles.missing == "drop" or (roles.missing == "impute" and name in roles.targets)
        if missing.any() and not left_out:
            row = int(missing.argmax())
            cure = "drop, or impute for the inputs" if name in roles.targets else "drop"
            raise DataError(
                f"{frames.where(row)}, column {name!r}: the value is missing"
                f"{frames.missing(row, name)}, and this column's values cannot be filled in; "
                f"complete it, or write data.missing: {cure}"
            )
        keep &= ~missing
    return keep


def _decided(
    file: str, targets: np.ndarray, classes: tuple[str, ...] | None, roles: Roles
) -> Targets:
    """Return targets (N, T) as classes, labels or numbers."""
    if classes is not None:
        return Targets(targets[:, 0].astype(np.int64), classes)
    if not roles.targets:
        return Targets(targets, None)
    what = "the targets" if len(roles.targets) > 1 else f"column {roles.targets[0]!r}"
    return decide(f"{what} of {file}", targets, roles.task, tuple(roles.targets))


def _refuse_new_classes(
    decided: Targets, counts: Mapping[str, int], paths: Mapping[str, Path], targets: Sequence[str]
) -> None:
    """Refuse classes that no row of the training file has; `counts` are the rows of each file."""
    assert decided.classes is not None
    starts = np.cumsum([0, *counts.values()]).tolist()
    rows = {
        part: slice(*pair) for part, pair in zip(counts, itertools.pairwise(starts), strict=True)
    }
    trained = {decided.classes[code] for code in np.unique(decided.values[rows["train"]])}
    for part, own in rows.items():
        names = [decided.classes[code] for code in np.unique(decided.values[own])]
        new = [name for name in names if name not in trained]
        if new:
            near = did_you_mean(new[0], trained)
            has = ", ".join(sorted(trained)[:8])
            raise DataError(
                f"{paths[part]}, column {', '.join(map(repr, targets))}: no row of "
                f"{paths['train']} has the class {new[0]!r}{near} (it has: {has}); write classes "
                "alike in both files"
            )


def _refuse_constant(
    targets: np.ndarray, names: Sequence[str], classes: tuple[str, ...] | None
) -> None:
    for name, values in zip(names, targets.T, strict=True):
        if (values == values[0]).all():
            value = text_of(values[0]) if classes is None else repr(classes[int(values[0])])
            cure = "name another column"
            if classes is None and abs(values[0]) > EXACT:
                value = f"{values[0]:.6g}, as far as 64 bits tell,"
                cure = f"subtract what all of its numbers share, or {cure}"
            raise DataError(
                f"data.target: column {name!r} is {value} in every row: there is nothing to learn; "
                f"{cure}"
            )


def _hints(
    columns: Sequence[Column], inputs: np.ndarray, decided: Targets, roles: Roles
) -> list[str]:
    """Return what is odd about the inputs and has to be said before training."""
    numbers = [p for p, c in enumerate(columns) if c.categories is None and c.form.kind == "number"]
    names = [columns[place].name for place in numbers]
    values = [inputs[:, place] for place in numbers]
    if decided.classes is None:
        names, values = [*names, *roles.targets], [*values, *decided.values.T]
    sentences = hints.counters(columns, inputs)
    sentences += hints.sentinels(names, values, roles.rules)
    dates = [place for place, column in enumerate(columns) if column.form.kind == "date"]
    sentences += hints.odd_dates([columns[p].name for p in dates], [inputs[:, p] for p in dates])
    single = decided.values.ndim == 1
    known = [decided.values] if single else decided.values.T
    for name, own in zip(roles.targets[:1] if single else roles.targets, known, strict=True):
        sentences += hints.giveaways(columns, inputs, name, own)
    return sentences

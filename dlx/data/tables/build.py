"""A data set from the frames of a user's files: inputs, targets, ids, groups and times.

# N rows, C columns, T targets
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from dlx.data.dataset import Column, Dataset, Table
from dlx.data.tables.cells import Where, read_cells, read_times, text_cells
from dlx.data.tasks import Targets, TaskName, decide
from dlx.errors import ConfigError, DataError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

Missing = Literal["error", "drop", "impute"]
# From a file, and its text columns as `text`, to a frame, whose `attrs["header"]` names ignored
# columns too.
Read = Callable[..., "pd.DataFrame"]


@dataclass(frozen=True)
class Roles:
    """What columns are, as the options of the sources say; all other columns are inputs."""

    targets: Sequence[str]
    ignore: Sequence[str] = ()
    id: str | None = None
    group: str | None = None
    time: str | None = None
    categorical: Sequence[str] = ()
    missing: Missing = "error"
    missing_values: Sequence[str] = ()
    task: TaskName = "auto"

    @property
    def texts(self) -> list[str]:
        """The columns whose cells are read as texts."""
        is_class = self.task == "classification" and len(self.targets) == 1
        classes = self.targets if is_class else ()
        named = (self.id, self.group, *self.categorical, *classes)
        return [name for name in named if name is not None]

    @property
    def apart(self) -> list[str]:
        """The columns that are not inputs."""
        named = [*self.targets, *self.ignore, self.id, self.group, self.time]
        return [name for name in named if name is not None]


def build(paths: Mapping[str, Path], read: Read, roles: Roles) -> Dataset:
    """Read the files of a table's parts and return its data set."""
    _check_roles(roles, paths)
    frame, where, counts = _read_all(paths, read, roles)
    names = [name for name in frame.columns if name not in roles.apart]
    if not names:
        raise ConfigError("data: no column is left as an input; take some out of data.ignore")
    inputs = np.empty((len(frame), len(names)), np.float32)
    columns = []
    for place, name in enumerate(names):
        cells = read_cells(frame[name], where, is_text=name in roles.categorical or None)
        inputs[:, place] = cells.values
        columns.append(Column(name, cells.categories))
    if roles.missing == "error":
        _refuse_missing(inputs, names, where)
    targets, classes = _targets(frame, roles, where)
    needed = dict(zip(roles.targets, targets.T, strict=True))
    groups = times = None
    if roles.group:
        groups = needed[roles.group] = read_cells(frame[roles.group], where, is_text=True).values
    if roles.time:
        times = needed[roles.time] = read_times(frame[roles.time], where)
    keep = _kept(inputs, needed, roles, where)
    counts = {part: int(keep[rows].sum()) for part, rows in counts.items()}
    warnings = ()
    if not keep.all():
        inputs, targets = inputs[keep], targets[keep]
        left_out = int((~keep).sum())
        warnings = (f"{left_out:,} of {len(keep):,} rows with a missing value are left out",)
    for part, count in counts.items():
        if count == 0:
            raise DataError(f"{paths[part]}: no row is left for {part}")
    _refuse_constant(targets, roles.targets, classes)
    first = next(iter(paths.values()))
    decided = Targets(targets[:, 0].astype(np.int64), classes)
    if classes is None:
        what = "the targets" if len(roles.targets) > 1 else f"column {roles.targets[0]!r}"
        decided = decide(f"{what} of {first.name}", targets, roles.task, tuple(roles.targets))
    return Dataset(
        name=first.name,
        inputs=inputs,
        targets=decided.values if decided.classes else decided.values.astype(np.float32),
        classes=decided.classes,
        notes=decided.notes,
        test_rows=counts.get("test", 0),
        dev_rows=counts.get("dev", 0),
        table=Table(
            tuple(columns),
            tuple(roles.targets),
            frame.index.to_numpy()[keep],
            roles.missing == "impute",
            tuple(roles.missing_values),
            roles.id,
            text_cells(frame[roles.id])[keep] if roles.id else None,
            None if groups is None else np.unique(groups[keep], return_inverse=True)[1],
            None if times is None else times[keep],
        ),
        warnings=warnings,
        description=f"Predict {', '.join(roles.targets)} from the other columns of {first}.",
    )


def _check_roles(roles: Roles, paths: Mapping[str, Path]) -> None:
    named = roles.apart
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


def _read_all(
    paths: Mapping[str, Path], read: Read, roles: Roles
) -> tuple[pd.DataFrame, Where, dict[str, slice]]:
    """Return all rows in one frame, a function that names a row, and the rows of each part."""
    import pandas as pd

    frames: list[pd.DataFrame] = []
    header: dict[str, None] = {}  # of all files together, ignored columns too
    texts = list(roles.texts)
    for path in paths.values():
        frame = read(path, text=texts)
        header |= dict.fromkeys(frame.attrs["header"])
        _check_columns(path, list(frame.columns), roles, list(frames[0].columns) if frames else [])
        if frames:
            frame = frame[frames[0].columns]
        else:  # a column that is text in the first file is text in every file
            texts += [
                name
                for name in frame.columns
                if frame[name].dtype.kind in "OTUb" and name != roles.time
            ]
        frames.append(frame)
    for name in roles.ignore:
        if name not in header:
            files = ", ".join(map(str, paths.values()))
            raise ConfigError(f"data.ignore: {_no_column(files, name, list(header))}")
    starts = np.cumsum([0, *map(len, frames)])
    ends = itertools.pairwise(starts.tolist())
    counts = {part: slice(*pair) for part, pair in zip(paths, ends, strict=True)}
    whole = frames[0] if len(frames) == 1 else pd.concat(frames)
    rows, files = whole.index.to_numpy(), list(paths.values())

    def where(place: int) -> str:
        file = int(np.searchsorted(starts, place, side="right")) - 1
        return f"{files[file]}, row {rows[place]}"

    return whole, where, counts


def _check_columns(path: Path, header: Sequence[str], roles: Roles, needed: Sequence[str]) -> None:
    for option in ("target", "id", "group", "time", "categorical"):
        value = roles.targets if option == "target" else getattr(roles, option)
        for name in (value,) if isinstance(value, str) else value or ():
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
    return f"{path} has no column {name!r}{did_you_mean(name, header)} (it has: {shown}{alone})"


def _targets(
    frame: pd.DataFrame, roles: Roles, where: Where
) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """Return the targets (N, T) float64, NaN where missing, and the classes' names or None.

    Classes of numbers are left to `dlx.data.tasks`, unless the config says that they are classes.
    """
    is_text = None
    if len(roles.targets) == 1:
        is_text = {"classification": True, "regression": False}.get(roles.task)
    columns = [read_cells(frame[name], where, is_text=is_text) for name in roles.targets]
    texts = [name for name, cells in zip(roles.targets, columns, strict=True) if cells.categories]
    if texts and len(columns) > 1:
        raise DataError(
            f"data.target: several targets have to be numbers, but {texts[0]!r} holds texts; "
            "name one target"
        )
    return np.stack([cells.values for cells in columns], 1), columns[0].categories


def _refuse_missing(inputs: np.ndarray, names: Sequence[str], where: Where) -> None:
    missing = np.isnan(inputs)
    if missing.any():
        row, column = np.argwhere(missing)[0]
        raise DataError(
            f"{where(row)}, column {names[column]!r}: the value is missing, one of "
            f"{missing.sum():,} missing values; write data.missing: impute or drop, or ignore the "
            "column"
        )


def _kept(
    inputs: np.ndarray, needed: Mapping[str, np.ndarray], roles: Roles, where: Where
) -> np.ndarray:
    """Return which rows are kept: (N,) bool; in the `needed` columns no value can be filled in."""
    keep = np.ones(len(inputs), dtype=bool)
    if roles.missing == "drop":
        keep &= ~np.isnan(inputs).any(1)
    for name, values in needed.items():
        missing = np.isnan(values)
        if missing.any() and roles.missing != "drop":
            raise DataError(
                f"{where(int(missing.argmax()))}, column {name!r}: the value is missing, and this "
                "column's values cannot be filled in; complete it, or write data.missing: drop"
            )
        keep &= ~missing
    return keep


def _refuse_constant(
    targets: np.ndarray, names: Sequence[str], classes: tuple[str, ...] | None
) -> None:
    for name, values in zip(names, targets.T, strict=True):
        if (values == values[0]).all():
            value = f"{values[0]:g}" if classes is None else repr(classes[int(values[0])])
            raise DataError(
                f"data.target: column {name!r} is {value} in every row: there is nothing to learn; "
                "name another column"
            )

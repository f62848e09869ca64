"""What runs measured, written once they have ended: the same files as a `Tracker` writes.

A run of a cohort of hundreds may take a millisecond a step; a `Tracker` would take as long for each
of its evaluations. So the files of all the runs that ended are made together, and not synced.
"""

import itertools
import json
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dlx.runs import make_directory, write_unsynced
from dlx.tracking import summaries
from dlx.tracking.events import encode, file_name, opening
from dlx.tracking.metrics import encode as encode_line
from dlx.tracking.protos import Event, Summary
from dlx.tracking.scalars import encode_scalars
from dlx.tracking.tracker import PROGRESS

_EVENTS_AT_ONCE = 10_000  # what stays in the cache of a processor


@dataclass(frozen=True)
class FinishedRun:
    """What a run measured, at T evaluations.

    Attributes:
        directory: of the run; made if it is not there
        steps: (T,) optimizer steps taken
        epochs: (T,) passes over the training rows
        examples: (T,) training rows seen
        seconds: (T,) since the run began
        times: (T,) Unix seconds
        metrics: by split and tag, (T,) each; NaN where it was not measured
        hparams: value by dotted name, for TensorBoard's HParams page
        group: runs of one group (the seeds of a variant) are one row of that page; a run of none
            is not on it
        success: whether the run ended well
        config: its text, in YAML
        final: what was measured at the end alone, by split and tag; of the splits of `metrics`
    """

    directory: Path
    steps: Sequence[int] | np.ndarray
    epochs: Sequence[float] | np.ndarray
    examples: Sequence[int] | np.ndarray
    seconds: Sequence[float] | np.ndarray
    times: Sequence[float] | np.ndarray
    metrics: Mapping[str, Mapping[str, Sequence[float] | np.ndarray]]
    hparams: Mapping[str, Any] = field(default_factory=dict)
    group: str = ""
    success: bool = True
    config: str = ""
    final: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def write_finished(runs: Iterable[FinishedRun]) -> None:
    """Write metrics.jsonl and the event files of runs that have ended, in place of any there.

    The files are those of a `Tracker` that logged each evaluation, text and hparams, but for what
    was not measured: it is left out. None has reached the disk when this returns.

    Args:
        runs: those of equal tags are written fastest, one after another

    Raises:
        StorageError: disk full, read-only, no permission
    """
    heads: dict[tuple[Any, ...], str] = {}
    waiting: dict[tuple[str, ...], list[tuple[FinishedRun, str]]] = {}
    for run in runs:
        make_directory(run.directory)
        write_unsynced(run.directory / "metrics.jsonl", _lines(run, heads).encode())
        write_unsynced(run.directory / file_name(1), _whole_run(run))
        for split in run.metrics:
            batch = waiting.setdefault((split, *run.metrics[split]), [])
            batch.append((run, split))
            if len(batch) * len(run.steps) >= _EVENTS_AT_ONCE:
                _write_scalars(batch)
                batch.clear()
    for batch in waiting.values():
        if batch:
            _write_scalars(batch)


def _lines(run: FinishedRun, heads: dict[tuple[Any, ...], str]) -> str:
    """Return the text of metrics.jsonl; `heads` keeps how lines begin: runs have that in common.

    Writing numbers is what takes the time, so a number that comes again is not written again.
    """
    values = _values(run, [(split, tag) for split in run.metrics for tag in run.metrics[split]])
    regular = np.all(np.isfinite(values), axis=1)
    rest = _rest_of_line(run.metrics)
    columns = (run.steps, run.epochs, run.examples, run.seconds, run.times)
    lines = []
    for place, row in enumerate(zip(*map(_plain, columns), strict=True)):
        if regular[place]:
            if row not in heads:
                heads[row] = _escape(encode_line(_shared(row)).removesuffix("}\n"))
            lines.append(heads[row] + rest)
        else:
            lines.append(_escape(encode_line(_shared(row) | _measured(run.metrics, values[place]))))
    # By their bits: minus zero is not zero.
    bits, places = np.unique(values[regular].view(np.int64), return_inverse=True)
    numbers = list(map(repr, bits.view(np.float64).tolist()))
    return "".join(lines) % tuple(map(numbers.__getitem__, places.ravel().tolist()))


def _shared(row: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(("step", "epoch", "examples", "seconds", "time"), row, strict=True))


def _rest_of_line(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the end of a line in which all was measured, with %s in place of each number."""
    splits = []
    for split, tags in metrics.items():
        inner = ", ".join(f"{_escape(_quoted(tag))}: %s" for tag in tags)
        splits.append(f", {_escape(_quoted(split))}: {{{inner}}}")
    return "".join(splits) + "}\n"


def _measured(
    metrics: Mapping[str, Mapping[str, Any]], values: np.ndarray
) -> dict[str, dict[str, float]]:
    """Return by split and tag what was measured of an evaluation; values in the order of tags."""
    numbers: Iterator[float] = iter(values.tolist())
    known = {
        split: {tag: value for tag in tags if not math.isnan(value := next(numbers))}
        for split, tags in metrics.items()
    }
    return {split: tags for split, tags in known.items() if tags}


def _plain(column: Sequence[float] | np.ndarray) -> list[Any]:
    return np.asarray(column).tolist()


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _escape(text: str) -> str:
    return text.replace("%", "%%")


def _values(run: FinishedRun, tags: Sequence[tuple[str, str]]) -> np.ndarray:
    """Return values (T, tags) float64."""
    columns = [np.asarray(run.metrics[split][tag], dtype=np.float64) for split, tag in tags]
    return np.stack(columns, axis=1) if columns else np.empty((len(run.steps), 0))


def _whole_run(run: FinishedRun) -> bytes:
    """Return the event file of what holds for the run as a whole."""
    began, ended = (float(run.times[place]) if len(run.times) else time.time() for place in (0, -1))
    values = [(began, summaries.config(run.config))]
    if run.group:
        values.append((began, summaries.hparams(run.hparams, run.group, began)))
        values.append((ended, summaries.end_hparams(run.success, ended)))
    events = [Event(wall_time=at, summary=Summary(value=[value])) for at, value in values]
    return b"".join([*opening(began), *map(encode, events)])


def _write_scalars(batch: Sequence[tuple[FinishedRun, str]]) -> None:
    """Write the event files of runs' splits that have the same tags."""
    split = batch[0][1]
    tags = list(batch[0][0].metrics[split])
    values = np.concatenate([_values(run, [(split, tag) for tag in tags]) for run, _ in batch])
    steps, times = (
        np.concatenate([np.asarray(getattr(run, name), dtype=kind) for run, _ in batch])
        for name, kind in (("steps", np.int64), ("times", np.float64))
    )
    if split == "train":
        progress = [np.stack([run.epochs, run.examples], axis=1) for run, _ in batch]
        values = np.concatenate([values, np.concatenate(progress)], axis=1)
        tags += PROGRESS
    ends = list(itertools.accumulate(len(run.steps) for run, _ in batch))
    records = encode_scalars(tags, steps, times, values, ends)
    for (run, _), content in zip(batch, records, strict=True):
        if content:
            folder = run.directory / split
            make_directory(folder)
            first = b"".join(opening(float(run.times[0])))
            write_unsynced(folder / file_name(1), first + content + _final(run, split))


def _final(run: FinishedRun, split: str) -> bytes:
    """Return the event of what was measured at the end alone."""
    measured = run.final.get(split)
    if not measured:
        return b""
    values = [Summary.Value(tag=tag, simple_value=value) for tag, value in measured.items()]
    step, at = int(run.steps[-1]), float(run.times[-1])
    return encode(Event(wall_time=at, step=step, summary=Summary(value=values)))

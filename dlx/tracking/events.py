"""TensorBoard's event files, written record by record in the calling thread.

TensorBoard's `EventFileWriter` starts a thread per file; here its `RecordWriter` is used directly.
Scalars, histograms and images are written in the summary fields that `EventAccumulator` and
TensorBoard (which turns them into tensors as it loads) both read.
"""

import io
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboard.summary.writer.record_writer import RecordWriter

from dlx.runs import AppendFile, make_directory
from dlx.runs.files import matching
from dlx.tracking.protos import Event, SessionLog, Summary

_NAME = re.compile(r"events\.out\.tfevents\.(\d+).*")


class EventFile(AppendFile):
    """A new event file in a folder; readers take a folder's files in the order of their names.

    Args:
        folder: made if it is not there.
        restart_step: events of this and later steps in earlier files are void.
        wall_time: Unix seconds of the start; default: now.
    """

    def __init__(
        self, folder: Path, restart_step: int | None = None, wall_time: float | None = None
    ) -> None:
        make_directory(folder)
        number = _next_number(folder)
        super().__init__(folder / file_name(number))
        self._kinds: dict[str, str] = {}
        now = time.time() if wall_time is None else wall_time
        self.write(Event(wall_time=now, file_version="brain.Event:2"))
        if restart_step is not None or number == 1:
            # TensorBoard takes a folder's first START for the beginning, only later ones for a
            # restart that voids events: so the beginning has one too.
            start = SessionLog(status=SessionLog.START)
            self.write(Event(wall_time=now, step=restart_step or 0, session_log=start))

    def scalars(
        self, step: int, values: Mapping[str, float], wall_time: float | None = None
    ) -> None:
        """Write values by tag, rounded to float32, as one event."""
        summaries = [Summary.Value(tag=tag, simple_value=values[tag]) for tag in values]
        self.summary(step, summaries, wall_time)

    def summary(self, step: int, values: list[Any], wall_time: float | None = None) -> None:
        """Write values (`Summary.Value`) as one event, of now if no wall time is given."""
        for value in values:
            kind = value.WhichOneof("value")
            first = self._kinds.setdefault(value.tag, kind)
            # TensorBoard shows one kind of data per tag and folder, and drops the others.
            assert kind == first, f"tag {value.tag!r} is written both as {first} and as {kind}"
        now = time.time() if wall_time is None else wall_time
        self.write(Event(wall_time=now, step=step, summary=Summary(value=values)))

    def write(self, event: Any) -> None:
        """Write an `Event`; it has reached the operating system when this returns."""
        record = io.BytesIO()
        RecordWriter(record).write(event.SerializeToString())
        self.append(record.getvalue())


def file_name(number: int) -> str:
    """Return the name of a folder's event file, from 1.

    Numbered, not timed: two files of one second, or of a clock set back, keep their order.
    """
    return f"events.out.tfevents.{number:010d}.dlx"


def event_folders(directory: Path) -> list[Path]:
    """Return the directory and its direct subfolders, as far as they hold event files."""
    names = [
        path
        for pattern in ("events.out.tfevents.*", "*/events.out.tfevents.*")
        for path in matching(directory, pattern)
    ]
    return sorted({path.parent for path in names})


def _next_number(folder: Path) -> int:
    matches = (_NAME.fullmatch(path.name) for path in folder.iterdir())
    return 1 + max((int(match.group(1)) for match in matches if match), default=0)

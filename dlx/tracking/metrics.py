"""metrics.jsonl: one JSON line per logged point.

    {"step": 469, "epoch": 1.0, …, "train": {"cost": 0.21, …}, "dev": {…}, "test": {…}}

A number that is not finite is null.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlx.errors import RunError
from dlx.runs import AppendFile
from dlx.runs.files import finite


class MetricsFile:
    """The writer of metrics.jsonl; it never leaves a line that is not whole."""

    def __init__(self, path: Path, resume_position: int | None = None) -> None:
        """Open the file at `resume_position` (None: after its last whole line).

        Raises:
            RunError: the file does not reach to `resume_position`, or no line ends there.
            StorageError: it cannot be opened or cut.
        """
        self._file = AppendFile(path)
        end = resume_position
        if end is None:
            end = path.read_bytes().rfind(b"\n") + 1
        elif not _line_ends_at(path, end):
            self._file.close()
            raise RunError(
                f"{path} is not the file that the checkpoint was saved with "
                f"(no line ends at byte {end}); put it back, or train the run again"
            )
        self._file.truncate(end)

    @property
    def size(self) -> int:
        """The length of the file in bytes."""
        return self._file.size

    def append(self, record: Mapping[str, Any]) -> None:
        """Add a record as one line."""
        self._file.append(encode(record).encode())

    def sync(self) -> None:
        """Make the lines survive a power cut."""
        self._file.sync()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def encode(record: Mapping[str, Any]) -> str:
    """Return a record as a line."""
    return json.dumps(finite(record), ensure_ascii=False, allow_nan=False) + "\n"


def read(path: Path) -> list[dict[str, Any]]:
    """Return the records of a metrics.jsonl; a half-written last line is left out.

    Raises:
        RunError: the file is missing, or a line in it is damaged.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from error
    records = []
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        try:
            record = json.loads(line)
            if not isinstance(record, dict):
                raise ValueError("not a JSON object")
        except ValueError as error:
            raise RunError(f"{path}:{number}: damaged line: {error}") from error
        records.append(record)
    return records


def series(records: list[dict[str, Any]], split: str, tag: str) -> tuple[list[int], list[float]]:
    """Return the steps at which a split's metric was logged, and its values (null: nan)."""
    steps, values = [], []
    for record in records:
        metrics = record.get(split) or {}
        if tag in metrics:
            steps.append(record["step"])
            values.append(math.nan if metrics[tag] is None else metrics[tag])
    return steps, values


def number(value: Any) -> Any:
    """Return a number of numpy or torch as Python's; anything else as it is."""
    return value.item() if hasattr(value, "item") else value


def _line_ends_at(path: Path, position: int) -> bool:
    if position == 0:
        return True
    with path.open("rb") as file:
        file.seek(position - 1)
        return file.read(1) == b"\n"

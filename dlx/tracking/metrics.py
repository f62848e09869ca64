"""metrics.jsonl: a JSON object on a line for every evaluation of a run.

    {"step": 469, "epoch": 1.0, …, "train": {"cost": 0.21, …}, "dev": {…}, "crc": 3141592653}

The file of a cohort holds the lines of all its runs; they begin with `"run"`, the run's number. A
number that is not finite is null. `crc` is the CRC-32 of the line without it; lines that were
written before it was introduced have none, and none follows a line that has one.
"""

import contextlib
import itertools
import json
import math
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dlx.errors import RunError
from dlx.runs.ablations import METRICS, read_cohort_file
from dlx.runs.documents import MOST, NUMBER, count, misfit
from dlx.runs.files import AppendFile, finite, parsed, read_plain
from dlx.tracking.evaluations import Evaluation

_CRC = ', "crc": '
_RUN = '"run": '
_SHAPE = {
    "step": count,
    "epoch": NUMBER,
    "examples?": count,
    "seconds?": NUMBER,
    "time": NUMBER,
    "run?": count,
    "stage?": count,
    "method?": str,
    "reused?": bool,
    "layers?": [str],
    str: {str: NUMBER | None},
}
_STAGE = {"step": count, "stage": count, "epoch?": NUMBER, "time?": NUMBER} | {
    key: own for key, own in _SHAPE.items() if key not in ("step", "stage?", "epoch", "time")
}
_NAMED = {key.removesuffix("?"): own for key, own in _SHAPE.items() if isinstance(key, str)}
_NEEDED = _NAMED.keys() & _SHAPE.keys()
_NUMBERS = frozenset(key for key, own in _NAMED.items() if own in (count, NUMBER))
_FRACTIONS = frozenset(key for key, own in _NAMED.items() if own == NUMBER)
_PLAIN = frozenset((float, type(None)))
_ENDLESS = frozenset((math.inf, -math.inf))


class MetricsFile(AppendFile):
    """The writer of metrics.jsonl; it never leaves a line that is not whole."""

    def __init__(self, path: Path, position: int = 0) -> None:
        """Open or make the file, cut at a position in bytes; RunError if no line ends there."""
        check_position(path, position)
        super().__init__(path)
        self.truncate(position)


def lines(
    evaluation: Evaluation,
    seconds: Sequence[float],
    now: float,
    numbers: Sequence[int] | None = None,
) -> str:
    """Return the lines of an evaluation at Unix time `now`, one for each run that was due.

    `seconds` is how long each run of the cohort has trained; without their `numbers`, the file is
    that of a single run.
    """
    # One evaluation has hundreds of lines, whose numbers json writes a column at a time.
    patterns: dict[tuple[bool, ...], list[int]] = {}
    columns = [(s, t, v) for s, tags in evaluation.metrics.items() for t, v in tags.items()]
    for row in evaluation.rows:
        measured = tuple(values[row] is not None for _, _, values in columns)
        patterns.setdefault(measured, []).append(row)
    texts: dict[int, str] = {}
    for measured, rows in patterns.items():
        chosen = list(itertools.compress(columns, measured))
        head = {"step": evaluation.step, "epoch": evaluation.epoch, "examples": evaluation.examples}
        template = (
            json.dumps(head)[:-1]
            + ', "seconds": %s, '
            + json.dumps({"time": now})[1:-1]
            + _metrics_template([(split, tag) for split, tag, _ in chosen])
        )
        of_columns = [seconds, *(values for _, _, values in chosen)]
        written = [_numbers([values[row] for row in rows]) for values in of_columns]
        for row, values in zip(rows, zip(*written, strict=True), strict=True):
            texts[row] = template % values
    if numbers is None:
        return "".join(_sealed(texts[row]) for row in evaluation.rows)
    return "".join(_sealed(f"{{{_RUN}{numbers[row]}, {texts[row][1:]}") for row in evaluation.rows)


def _metrics_template(tags: Sequence[tuple[str, str]]) -> str:
    by_split: dict[str, list[str]] = {}
    for split, tag in tags:
        by_split.setdefault(split, []).append(f"{_quoted(tag)}: %s")
    return "".join(
        f", {_quoted(split)}: {{{', '.join(pairs)}}}" for split, pairs in by_split.items()
    )


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("%", "%%")


def _numbers(values: Sequence[Any]) -> list[str]:
    """Return numbers as JSON writes them."""
    if not all(map(math.isfinite, values)):
        values = finite(values)
    return json.dumps(values)[1:-1].split(", ")


def _sealed(text: str) -> str:
    """Return the text of an object without its closing brace as a line with its CRC."""
    return f"{text}{_CRC}{zlib.crc32(text.encode())}}}\n"


def without_runs(content: bytes, numbers: Collection[int]) -> bytes:
    """Return the lines of a cohort's metrics.jsonl but for those of some runs."""
    starts = tuple(f"{{{_RUN}{number}, ".encode() for number in numbers)
    lines = (text for text in _lines_of(content) if not text.startswith(starts))
    return b"".join(text + b"\n" for text in lines)


def of_run(content: bytes, number: int, path: Path) -> bytes:
    """Return one run's lines of a cohort's file as its own; RunError if any line is damaged."""
    start = f"{{{_RUN}{number}, "
    own = []
    for place, line in enumerate(_lines_of(content), start=1):
        with _damage(path, place):
            text = _unsealed(line)
        if text.startswith(start):
            own.append(_sealed("{" + text.removeprefix(start)))
    return "".join(own).encode()


def of_cohort(folder: Path, cohort: Mapping[str, Any]) -> dict[int, list[dict[str, Any]]]:
    """Return the records of a cohort's ended runs by number; RunError if they are damaged."""
    content, path = read_cohort_file(folder, cohort, METRICS), folder / METRICS
    if content and not content.endswith(b"\n"):
        raise RunError(f"{path} is damaged: no line ends at byte {len(content)}")
    by_number: dict[int, list[dict[str, Any]]] = {}
    for record in _records(content, path):
        by_number.setdefault(record["run"], []).append(record)
    return by_number


def read(path: Path) -> list[dict[str, Any]]:
    """Return the records of a file but for a last line cut off; RunError if missing or damaged."""
    return list(records(path))


def records_of(content: bytes, path: Path) -> list[dict[str, Any]]:
    """Return the records in a file's content; see `read`."""
    return [*_records(content, path)]


def records(path: Path, start: int = 0) -> Iterator[dict[str, Any]]:
    """Give the records of a metrics.jsonl, from a position in bytes; see `read`."""
    try:
        content = read_plain(path)
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from error
    yield from _records(content[start:], path, 1 + content.count(b"\n", 0, start))


def _records(content: bytes, path: Path, first: int = 1) -> Iterator[dict[str, Any]]:
    """Give the records of lines, the first of which has a number in the file."""
    has_checksums = False  # from some line on, where dlx began to write them
    newest: dict[Any, int] = {}  # step of each run and stage
    for number, line in enumerate(_lines_of(content), first):
        with _damage(path, number):
            has_checksums = has_checksums or _CRC.encode() in line
            if has_checksums:
                _unsealed(line)
            record = parsed(line)
            if not isinstance(record, dict):
                raise ValueError("not a JSON object")
            if has_checksums:
                record.pop("crc", None)
            # Lines without a checksum end with metrics or a time: the name of this one is damaged.
            elif record and isinstance([*record.values()][-1], int):
                raise ValueError("it has no checksum")
            if problem := _misfit(record):
                raise ValueError(problem)
            of = record.get("run"), record.get("stage")
            if record["step"] <= newest.get(of, -1):
                raise ValueError(f"its step {record['step']} comes after step {newest[of]}")
            newest[of] = record["step"]
        yield record
    rest = content[content.rfind(b"\n") + 1 :]
    if _is_sealed(rest[:-1]):  # one that is cut off has no byte after its closing brace
        raise RunError(f"{path} is damaged: its last line does not end with a newline")


def _misfit(record: dict[str, Any]) -> str | None:
    """Return what is of another shape in a line, or None; of the usual ones it is seen at once."""
    if record.keys() >= _NEEDED and all(map(_is_usual, record.keys(), record.values())):
        return None
    return misfit(record, _STAGE if "stage" in record else _SHAPE, "")


def _is_usual(key: str, value: Any) -> bool:
    kind = type(value)
    if kind is dict:
        is_metrics = key not in _NAMED and {*map(type, value.values())} <= _PLAIN
        return is_metrics and _ENDLESS.isdisjoint(value.values())
    if kind is int:
        return 0 <= value <= MOST and key in _NUMBERS
    return kind is float and key in _FRACTIONS and value not in _ENDLESS


def _is_sealed(line: bytes) -> bool:
    try:
        return bool(_unsealed(line))
    except ValueError:
        return False


def _lines_of(content: bytes) -> list[bytes]:
    """Return the whole lines of a file's content."""
    # Not by splitlines: a tag may hold characters that Python ends lines at.
    return content.split(b"\n")[:-1]


def _unsealed(line: bytes) -> str:
    """Return the text that `_sealed` was given; ValueError if it does not match its CRC."""
    text, _, _ = line.decode().rpartition(_CRC)
    if _sealed(text).encode() != line + b"\n":
        raise ValueError("it does not match its checksum")
    return text


@contextlib.contextmanager
def _damage(path: Path, number: int) -> Iterator[None]:
    """Turn what is wrong with a line into a `RunError` that names it."""
    try:
        yield
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}:{number}: damaged line: {error}") from error


def check_position(path: Path, position: int) -> None:
    """Raise a RunError unless a line of the file ends at a position in bytes."""
    if position == 0:
        return
    try:
        content = read_plain(path)
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from error
    if content[position - 1 : position] != b"\n":
        raise RunError(
            f"{path} is not the file that the checkpoint was saved with "
            f"(no line ends at byte {position}); put it back, or train the run again"
        )


def line(record: Mapping[str, Any]) -> str:
    """Return any record as a line with its CRC."""
    return _sealed(json.dumps(finite(record), ensure_ascii=False, allow_nan=False)[:-1])

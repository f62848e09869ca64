"""The records of many scalar events at once, the same bytes as `EventFile.scalars` writes.

# N events, S tags, L bytes of a record

Events of which the same tags have a value, and whose steps take as many bytes, are equal but for a
few bytes at known places. So the protocol buffer library makes one of them, and NumPy the others.
"""

import bisect
import functools
import itertools
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dlx.tracking.checksums import contributions, crc, mask
from dlx.tracking.events import encode
from dlx.tracking.protos import Event, Summary

_LENGTH = 12  # bytes before the event: its length and that length's checksum
_CHECKSUM = 4  # bytes after it
_STEPS = np.array([1, *(1 << 7 * bytes_ for bytes_ in range(1, 9))])  # the least of 1, 2, … bytes


def encode_scalars(
    tags: Sequence[str],
    steps: np.ndarray,
    times: np.ndarray,
    values: np.ndarray,
    ends: Sequence[int],
) -> list[bytes]:
    """Return the records of several files that have the same tags.

    Args:
        tags: S names
        steps: (N,) int64, not negative
        times: (N,) float64, Unix seconds
        values: (N, S), rounded to float32; where NaN, an event does not have the tag, and an event
            that has none is left out
        ends: of each file, one more than the place of its last event

    Returns:
        of each file, the bytes of its events
    """
    assert len(steps) == 0 or steps.min() >= 0, "a step is negative"
    num_bytes = np.searchsorted(_STEPS, steps, side="right")
    timed = times.view(np.int64) != 0  # protocol buffers leave out what is zero, but not minus zero
    present = ~np.isnan(values)
    shapes = num_bytes + 10 * timed
    incomplete = np.flatnonzero(~present.all(axis=1))
    shapes[incomplete] += 20 * (1 + _number_rows(present[incomplete]))

    with np.errstate(over="ignore"):
        narrow = values.astype("<f4")
    records: dict[int, np.ndarray] = {}  # by shape, in the order of their events
    for shape in np.unique(shapes).tolist():
        chosen = np.flatnonzero(shapes == shape)
        having = np.flatnonzero(present[chosen[0]])
        shown = tuple(tags[place] for place in having.tolist())
        template = _template(shown, int(num_bytes[chosen[0]]), bool(timed[chosen[0]]))
        if len(having) == 0:
            records[shape] = np.empty((len(chosen), 0), dtype=np.uint8)
        else:
            few = narrow[chosen] if len(having) == len(tags) else narrow[np.ix_(chosen, having)]
            records[shape] = template.fill(steps[chosen], times[chosen], few)
    return _in_order(shapes, records, ends)


@dataclass(frozen=True)
class _Template:
    """A record whose variable bytes are zero, and where they are.

    Args:
        record: (L,) uint8
        places: of the variable bytes: those of the time, of the step, of the values
        step_bytes: how many bytes the step takes
        timed: whether the time is there
    """

    record: np.ndarray
    places: np.ndarray
    step_bytes: int
    timed: bool

    def fill(self, steps: np.ndarray, times: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return the records (N, L) of N events; values (N, S) float32, little endian."""
        parts = [self._varint(steps), np.ascontiguousarray(values).view(np.uint8)]
        if self.timed:
            parts.insert(0, times.astype("<f8").view(np.uint8).reshape(-1, 8))
        variable = np.concatenate(parts, axis=1)
        rows = np.repeat(self.record[None], len(steps), axis=0)
        rows[:, self.places] = variable
        data = self.record[_LENGTH:-_CHECKSUM]
        checksums = np.full(len(steps), crc(data.tobytes()), dtype=np.uint32)
        # The CRC is linear: it changes by what the bytes add to the zeros that were there.
        added = contributions(len(data))
        for column, place in enumerate(self.places):
            checksums ^= added[len(data) + _LENGTH - 1 - place][variable[:, column]]
        rows[:, -_CHECKSUM:] = mask(checksums).astype("<u4").view(np.uint8).reshape(-1, 4)
        return rows

    def _varint(self, steps: np.ndarray) -> np.ndarray:
        """Return steps by 7 bits, the lowest first, all but the last marked: (N, bytes)."""
        shifts = 7 * np.arange(self.step_bytes)
        groups = steps[:, None] >> shifts & 0x7F
        groups[:, :-1] |= 0x80
        return groups.astype(np.uint8)


@functools.lru_cache(maxsize=256)
def _template(tags: tuple[str, ...], step_bytes: int, timed: bool) -> _Template:
    """Return the template of events that have these tags, by making two that differ everywhere."""
    first, second = (_example(tags, step_bytes, timed, byte) for byte in (1, 2))
    differing = first != second
    differing[-_CHECKSUM:] = False
    differing[:_LENGTH] = False
    places = np.flatnonzero(differing)
    assert len(places) == 8 * timed + step_bytes + 4 * len(tags)
    record = first.copy()
    record[places] = 0
    return _Template(record, places, step_bytes, timed)


def _example(tags: tuple[str, ...], step_bytes: int, timed: bool, byte: int) -> np.ndarray:
    """Return the record (L,) of an event whose time, step and values are made of one byte."""
    (number,) = struct.unpack("<f", bytes([byte] * 4))
    (moment,) = struct.unpack("<d", bytes([byte] * 8))
    step = sum(byte << 7 * place for place in range(step_bytes))
    event = Event(wall_time=moment if timed else 0.0, step=step)
    for tag in tags:
        event.summary.value.append(Summary.Value(tag=tag, simple_value=number))
    return np.frombuffer(encode(event), dtype=np.uint8)


def _number_rows(present: np.ndarray) -> np.ndarray:
    """Return a number of each row (N, S) of truths, the same for equal rows."""
    if present.size == 0:
        return np.zeros(len(present), dtype=np.int64)
    packed = np.packbits(present, axis=1)
    return np.unique(packed, axis=0, return_inverse=True)[1].reshape(-1)


def _in_order(
    shapes: np.ndarray, records: dict[int, np.ndarray], ends: Sequence[int]
) -> list[bytes]:
    """Return each file's records in the order of its events.

    Neighbours of one shape are neighbours among the records of that shape too, so a stretch of them
    is copied at once.
    """
    changes = np.flatnonzero(np.diff(shapes)) + 1
    cuts = np.union1d(changes, np.asarray([0, *ends], dtype=np.int64)).tolist()
    copied = dict.fromkeys(records, 0)
    files: list[list[memoryview]] = [[] for _ in ends]
    for start, end in itertools.pairwise(cuts):
        shape = int(shapes[start])
        stretch = records[shape][copied[shape] : copied[shape] + end - start]
        files[bisect.bisect_right(ends, start)].append(stretch.data)
        copied[shape] += end - start
    return [b"".join(stretches) for stretches in files]

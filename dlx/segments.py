"""Segments: neighbouring rows of the run axis whose runs made the same choice.

The runs of a cohort are sorted so that runs of equal choices are neighbours.
"""

from collections.abc import Callable, Hashable, Sequence
from itertools import groupby
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Segment(NamedTuple, Generic[T]):
    """Rows of the run axis, whose runs all have `choice`."""

    rows: slice
    choice: T


def segments(choices: Sequence[T]) -> list[Segment[T]]:
    """Return the longest segments of equal neighbours in `choices`, one choice per run."""
    result: list[Segment[T]] = []
    start = 0
    for choice, run in groupby(choices):
        end = start + len(list(run))
        result.append(Segment(slice(start, end), choice))
        start = end
    return result


def chosen(choices: Sequence[T | None]) -> list[Segment[T]]:
    """Return the segments of the runs whose choice is not None."""
    return [Segment(rows, choice) for rows, choice in segments(choices) if choice is not None]


def where(choices: Sequence[T], wanted: Callable[[T], bool]) -> list[slice]:
    """Return the rows of each segment of the runs whose choice is `wanted`."""
    return [rows for rows, is_wanted in segments([wanted(c) for c in choices]) if is_wanted]


def sorted_rows(keys: Sequence[Sequence[Hashable]]) -> list[int]:
    """Return an order of the runs in which equal keys are neighbours.

    Values are ranked by their first occurrence: so they need not be comparable, and the order is
    stable.

    Args:
        keys: each run's choices; the first of them gets the fewest segments
    """
    ranks = [
        {value: rank for rank, value in enumerate(dict.fromkeys(column))}
        for column in zip(*keys, strict=True)
    ]
    return sorted(
        range(len(keys)),
        key=lambda run: [rank[value] for rank, value in zip(ranks, keys[run], strict=True)],
    )

"""Segments: neighbouring rows of the run axis whose runs made the same choice.

The runs of a cohort are sorted so that runs of equal choices are neighbours.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Segment(Generic[T]):
    """The rows `start:end` of the run axis, whose runs all have `choice`."""

    start: int
    end: int
    choice: T

    @property
    def rows(self) -> slice:
        """The rows as a slice of the run axis."""
        return slice(self.start, self.end)


def segments(choices: Sequence[T]) -> tuple[Segment[T], ...]:
    """Return the longest segments of equal neighbours in `choices`, one choice per run."""
    result: list[Segment[T]] = []
    start = 0
    for end in range(1, len(choices) + 1):
        if end == len(choices) or choices[end] != choices[start]:
            result.append(Segment(start, end, choices[start]))
            start = end
    return tuple(result)


def where(choices: Sequence[T], wanted: Callable[[T], bool]) -> tuple[Segment[bool], ...]:
    """Return the segments of the runs whose choice is `wanted`."""
    return tuple(segment for segment in segments([wanted(c) for c in choices]) if segment.choice)


def sorted_rows(keys: Sequence[Sequence[Hashable]]) -> list[int]:
    """Return an order of the runs in which equal keys are neighbours.

    Values are ranked by their first occurrence: so they need not be comparable, and the order is
    stable.

    Args:
        keys: each run's choices; the first of them gets the fewest segments
    """
    ranks: list[dict[Hashable, int]] = []
    for column in zip(*keys, strict=True):
        ranks.append({})
        for value in column:
            ranks[-1].setdefault(value, len(ranks[-1]))
    return sorted(
        range(len(keys)),
        key=lambda run: [rank[value] for rank, value in zip(ranks, keys[run], strict=True)],
    )

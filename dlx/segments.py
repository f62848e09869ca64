"""Which rows of the run axis share a choice.

The runs of a cohort are sorted so that those that agree are neighbours; a *segment* is one such
stretch of rows `start:end` together with what its runs agree on.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Segment(Generic[T]):
    """The rows `start:end` of the run axis, whose runs all made `choice`."""

    start: int
    end: int
    choice: T

    @property
    def rows(self) -> slice:
        """The rows as a slice of the run axis."""
        return slice(self.start, self.end)


def segments(choices: Sequence[T]) -> tuple[Segment[T], ...]:
    """Return the longest stretches of equal neighbours in `choices` (one choice per run)."""
    found: list[Segment[T]] = []
    start = 0
    for end in range(1, len(choices) + 1):
        if end == len(choices) or choices[end] != choices[start]:
            found.append(Segment(start, end, choices[start]))
            start = end
    return tuple(found)


def where(choices: Sequence[T], wanted: Callable[[T], bool]) -> tuple[Segment[bool], ...]:
    """Return the segments of the runs whose choice is `wanted`, whatever else differs."""
    return tuple(segment for segment in segments([wanted(c) for c in choices]) if segment.choice)


def sorted_rows(keys: Sequence[Sequence[Hashable]]) -> list[int]:
    """Return the order of the runs in which equal keys are neighbours.

    Each run's key lists its choices, the one that should have the fewest segments first. Values
    rank by their first appearance, so the order is stable and does not compare unlike things.
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

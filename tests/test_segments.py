"""Segments of the run axis, as properties."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dlx.segments import Segment, chosen, segments, sorted_rows, where

CHOICES = st.lists(st.sampled_from("abc"), max_size=12)


@given(CHOICES)
def test_segments_cover_every_run_once_with_its_choice(choices: list[str]) -> None:
    result = segments(choices)
    assert [segment.choice for segment in result for _ in choices[segment.rows]] == choices
    edges = [segment.rows.start for segment in result] + [len(choices)]
    assert edges[0] == 0
    assert [segment.rows.stop for segment in result] == edges[1:]
    assert all(segment.rows.start < segment.rows.stop for segment in result)


@given(CHOICES)
def test_segments_are_as_long_as_can_be(choices: list[str]) -> None:
    result = segments(choices)
    assert all(a.choice != b.choice for a, b in pairwise(result))


@given(CHOICES, st.sets(st.sampled_from("abc")))
def test_where_finds_exactly_the_wanted_runs(choices: list[str], wanted: set[str]) -> None:
    result = where(choices, lambda choice: choice in wanted)
    rows = [row for segment in result for row in range(segment.start, segment.stop)]
    assert rows == [row for row, choice in enumerate(choices) if choice in wanted]
    assert all(a.stop < b.start for a, b in pairwise(result))


@given(st.lists(st.sampled_from([None, "a", "b"]), max_size=12))
def test_chosen_leaves_out_runs_without_a_choice(choices: list[str | None]) -> None:
    assert chosen(choices) == [s for s in segments(choices) if s.choice is not None]


KEYS = st.lists(st.tuples(st.sampled_from([None, "x", 1]), st.sampled_from([0.5, "y", (2,)])))


@given(KEYS)
def test_sorting_is_a_permutation_with_the_fewest_segments(keys: list[tuple]) -> None:
    order = sorted_rows(keys)
    assert sorted(order) == list(range(len(keys)))
    first = segments([keys[row][0] for row in order])
    assert len(first) == len({key[0] for key in keys})
    both = segments([keys[row] for row in order])
    assert len(both) == len(set(keys))


@given(KEYS)
def test_sorting_is_stable_and_ranks_by_first_appearance(keys: list[tuple]) -> None:
    order = sorted_rows(keys)
    for a, b in pairwise(order):
        assert keys[a] != keys[b] or a < b
    firsts = [segment.choice for segment in segments([keys[row][0] for row in order])]
    assert firsts == list(dict.fromkeys(key[0] for key in keys))


def test_rows_are_a_slice() -> None:
    assert segments(["a", "b", "b"])[1] == Segment(slice(1, 3), "b")

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlx.data.dataset import Column, Dataset, Table
from dlx.data.splits import LARGE, largest_remainder, set_stop_aside, split_rows
from dlx.errors import ConfigError, DataError


def dataset(targets, *, num_classes=None, test_rows=0) -> Dataset:
    targets = np.asarray(targets)
    if num_classes is None:
        classes, targets = None, targets.reshape(-1, 1).astype(np.float32)
    else:
        classes = tuple(map(str, range(num_classes)))
    inputs = np.zeros((len(targets), 1), dtype=np.float32)
    return Dataset("made", inputs, targets, classes, test_rows=test_rows)


def sizes(rows):
    return len(rows.train), len(rows.dev), len(rows.test)


@st.composite
def cases(draw):
    num_classes = draw(st.integers(1, 5))
    labels = draw(st.lists(st.integers(0, num_classes - 1), min_size=3, max_size=80))
    test_rows = draw(st.integers(0, len(labels) - 3))
    num_rows = len(labels) - test_rows
    if draw(st.booleans()):
        split, num_test = "auto", int(0.2 * num_rows + 0.5)
        num_dev = num_test
    else:
        num_dev = draw(st.integers(0, num_rows - 1))
        num_test = draw(st.integers(0, num_rows - 1 - num_dev))
        split = {"dev": num_dev} | ({} if test_rows else {"test": num_test})
    made = dataset(labels, num_classes=num_classes, test_rows=test_rows)
    return made, split, num_dev, 0 if test_rows else num_test, draw(st.integers(0, 2**64))


@given(cases())
def test_parts_are_disjoint_cover_all_rows_and_are_stratified(case):
    made, split, num_dev, num_test, seed = case
    rows = split_rows(made, split=split, split_seed=seed)
    num_rows = len(made.targets) - made.test_rows
    everything = np.concatenate([rows.train, rows.dev, rows.test])
    np.testing.assert_array_equal(np.sort(everything), np.arange(len(made.targets)))
    assert sizes(rows) == (num_rows - num_dev - num_test, num_dev, made.test_rows or num_test)
    for part in (rows.train, rows.dev, rows.test):
        np.testing.assert_array_equal(part, np.sort(part))

    num_classes = len(made.classes or ())
    left = np.bincount(made.targets[:num_rows], minlength=num_classes)
    drawn = [] if made.test_rows else [rows.test]
    for part in [*drawn, rows.dev]:
        counts = np.bincount(made.targets[part], minlength=num_classes)
        shares, most = len(part) * left / left.sum(), np.maximum(left - 1, 0)
        can_keep = len(part) <= most.sum()
        if can_keep:  # every class keeps a row to train on
            assert (counts <= most).all()
        if not can_keep or (np.ceil(shares) <= most).all():
            assert (np.abs(counts - shares) < 1).all()
        left = left - counts

    again = split_rows(made, split=split, split_seed=seed)
    for part in ("train", "dev", "test"):
        np.testing.assert_array_equal(getattr(rows, part), getattr(again, part))


@given(st.lists(st.integers(0, 50), min_size=1).filter(any), st.data())
def test_largest_remainder_rounds_each_share_up_or_down(groups, data):
    counts = np.array(groups)
    total = data.draw(st.integers(0, int(counts.sum())))
    shares = largest_remainder(counts, total)
    assert shares.sum() == total
    assert (np.abs(shares - total * counts / counts.sum()) < 1).all()
    assert (shares <= counts).all()


def test_largest_remainder_by_hand():
    np.testing.assert_array_equal(largest_remainder(np.array([47, 16, 15, 22]), 10), [5, 2, 1, 2])


def test_auto_is_60_20_20():
    assert sizes(split_rows(dataset(np.arange(150) % 3, num_classes=3))) == (90, 30, 30)


def test_auto_is_10_000_rows_each_from_a_million_rows_on():
    assert sizes(split_rows(dataset(np.zeros(LARGE)))) == (980_000, 10_000, 10_000)
    assert sizes(split_rows(dataset(np.zeros(2 * LARGE)))) == (1_980_000, 10_000, 10_000)
    assert sizes(split_rows(dataset(np.zeros(LARGE - 1)))) == (600_000 - 1, 200_000, 200_000)


def test_fractions_are_of_the_rows_that_can_be_split():
    made = dataset(np.arange(120) % 2, num_classes=2, test_rows=20)
    rows = split_rows(made, split={"dev": 0.25})
    assert sizes(rows) == (75, 25, 20)
    np.testing.assert_array_equal(rows.test, np.arange(100, 120))


def test_what_is_left_out_is_as_in_auto_and_zero_is_no_part():
    made = dataset(np.zeros(100))
    assert sizes(split_rows(made, split={"dev": 5})) == (75, 5, 20)
    assert sizes(split_rows(made, split={"dev": None, "test": 0})) == (80, 20, 0)
    assert sizes(split_rows(made, split={"dev": 0, "test": 0.0})) == (100, 0, 0)


def test_another_dev_leaves_the_test_rows_as_they_were():
    made = dataset(np.arange(100) % 4, num_classes=4)
    first = split_rows(made, split={"dev": 0, "test": 20})
    second = split_rows(made, split={"dev": 50, "test": 20})
    np.testing.assert_array_equal(first.test, second.test)


def test_seeds_differ_and_the_global_generator_has_no_say():
    made = dataset(np.zeros(100))
    np.random.seed(1)
    first = split_rows(made, split_seed=1)
    np.random.seed(2)
    np.testing.assert_array_equal(first.train, split_rows(made, split_seed=1).train)
    assert (first.train != split_rows(made, split_seed=2).train).any()


def test_the_split_of_a_seed_stays_as_it_is():
    """Saved runs are evaluated on the split that they were trained with."""
    rows = split_rows(dataset(np.arange(10) % 2, num_classes=2), split_seed=0)
    assert (rows.dev.tolist(), rows.test.tolist()) == ([4, 9], [2, 3])


@pytest.mark.parametrize(
    ("split", "error", "message"),
    [
        ({"dev": 60, "test": 40}, DataError, "dev takes 60 and test 40 of the 100 rows .* train"),
        ({"dev": 1000}, DataError, "dev takes 1000 and test 20 of the 100 rows of made"),
        ({"dev": 0.5, "test": 0.5}, DataError, "none is left to train on; take fewer"),
        ({"dev": 1.0}, DataError, "none is left to train on; take fewer"),
        ({"dev": 0.004}, DataError, "0.004 of the 100 rows of made is less than half a row"),
        ({"dev": -1}, ConfigError, r"data\.split\.dev: received -1"),
        ({"test": 1.5}, ConfigError, r"data\.split\.test: received 1\.5; a fraction"),
        ({"dev": float("nan")}, ConfigError, "received nan; a fraction"),
        ({"dev": True}, ConfigError, "received True"),
        ({"dev": "10"}, ConfigError, "received '10'"),
        ({"train": 10}, ConfigError, "'train' takes no rows"),
    ],
)
def test_impossible_splits(split, error, message):
    with pytest.raises(error, match=message):
        split_rows(dataset(np.zeros(100)), split=split)


def test_a_dev_part_of_its_own_lies_before_the_test_part():
    made = replace(dataset(np.arange(50) % 2, num_classes=2, test_rows=10), dev_rows=5)
    rows = split_rows(made)
    np.testing.assert_array_equal(rows.train, np.arange(35))
    np.testing.assert_array_equal(rows.dev, np.arange(35, 40))
    np.testing.assert_array_equal(rows.test, np.arange(40, 50))
    with pytest.raises(DataError, match=r"data\.split\.dev: made brings its own dev part of 5"):
        split_rows(made, split={"dev": 3})
    rows = split_rows(replace(made, test_rows=0))
    assert sizes(rows) == (36, 5, 9)


@pytest.mark.parametrize("test", [0, 5, 0.5])
def test_a_test_part_beside_the_sets_own_is_an_error(test):
    made = dataset(np.zeros(10), test_rows=4)
    with pytest.raises(DataError, match="made brings its own test part of 4 rows"):
        split_rows(made, split={"test": test})


@given(cases(), st.integers(0, 2**64))
def test_the_seed_of_the_split_never_moves_test_rows(case, test_seed):
    made, split, _, _, seed = case
    rows, other = (
        split_rows(made, split=split, split_seed=number, test_seed=test_seed)
        for number in (seed, seed + 1)
    )
    np.testing.assert_array_equal(rows.test, other.test)
    assert sizes(rows) == sizes(other)
    both = split_rows(made, split=split, split_seed=test_seed, test_seed=test_seed)
    for one, seeded in zip(
        vars(both).values(),
        vars(split_rows(made, split=split, split_seed=test_seed)).values(),
        strict=True,
    ):
        np.testing.assert_array_equal(one, seeded)


def grouped(number=40, *, times=False) -> Dataset:
    """Return a table of 3 rows a group, or of rows in time."""
    made = dataset(np.arange(3 * number) % 2, num_classes=2)
    groups = None if times else np.repeat(np.arange(number), 3)
    order = np.arange(3 * number, dtype=float) if times else None
    lines = np.arange(3 * number) + 2
    table = Table((Column("x"),), ("y",), lines, groups=groups, times=order)
    return replace(made, table=table)


def test_groups_of_test_stay_too():
    made = grouped()
    rows = [split_rows(made, split_seed=seed, test_seed=0) for seed in range(5)]
    assert len({row.test.tobytes() for row in rows}) == 1
    assert len({row.dev.tobytes() for row in rows}) == 5
    for row in rows:
        parts = [set(part // 3) for part in (row.train, row.dev, row.test)]
        assert sum(map(len, parts)) == len(set.union(*parts)) == 40


def test_rows_in_time_are_the_same_for_every_seed():
    made = grouped(times=True)
    first, second = (split_rows(made, split_seed=seed, test_seed=0) for seed in (0, 7))
    for one, other in zip(vars(first).values(), vars(second).values(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("made", [dataset(np.arange(120) % 2, num_classes=2), grouped()])
def test_stop_rows_are_taken_from_dev(made):
    rows = split_rows(made)
    halved = set_stop_aside(made, rows, 0.5, 0, folded=False)
    np.testing.assert_array_equal(np.union1d(halved.stop, halved.dev), rows.dev)
    assert len(halved.stop) == len(halved.dev) == 12
    np.testing.assert_array_equal(halved.train, rows.train)
    if made.table is not None:
        assert not set(halved.stop // 3) & set(halved.dev // 3)
    else:
        assert made.targets[halved.stop].sum() == 6
    other = set_stop_aside(made, rows, 0.5, 1, folded=False)
    assert (other.stop != halved.stop).any()


def test_stop_rows_in_time_come_before_dev_rows():
    made = grouped(times=True)
    halved = set_stop_aside(made, split_rows(made), 0.25, 0, folded=False)
    assert len(halved.stop) == 6
    assert halved.train.max() < halved.stop.min() and halved.stop.max() < halved.dev.min()


def test_stop_rows_of_a_fold_are_training_rows():
    made = dataset(np.arange(120) % 2, num_classes=2)
    rows = split_rows(made)
    folded = set_stop_aside(made, rows, 5, 0, folded=True)
    np.testing.assert_array_equal(folded.dev, rows.dev)
    np.testing.assert_array_equal(np.union1d(folded.stop, folded.train), rows.train)
    assert len(folded.stop) == 5


@pytest.mark.parametrize(("share", "taken"), [(24, 24), (30, 30), (1.0, 24)])
def test_stop_rows_leave_rows_that_judge(share, taken):
    made = dataset(np.arange(120) % 2, num_classes=2)
    with pytest.raises(DataError, match=rf"split.stop: takes {taken} of the 24 dev rows of made;"):
        set_stop_aside(made, split_rows(made), share, 0, folded=False)

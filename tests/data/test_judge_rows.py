"""Judge rows: what a search holds out of train and dev."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlx.config.types import choice
from dlx.data.dataset import Column, Dataset, Table
from dlx.data.pipeline import load
from dlx.data.splits import set_judge_aside, split_rows
from dlx.errors import DataError


def classified(num_rows: int, num_classes: int, dev_rows: int = 0) -> Dataset:
    targets = np.arange(num_rows) % num_classes
    inputs = np.arange(num_rows, dtype=np.float32)[:, None]
    classes = tuple(map(str, range(num_classes)))
    return Dataset("made", inputs, targets, classes=classes, dev_rows=dev_rows)


@given(st.integers(0, 5), st.integers(0, 5), st.sampled_from([0.1, 0.2, 0.5, 20]))
def test_every_row_is_in_one_part_and_judges_do_not_depend_on_the_split_seed(
    test_seed: int, split_seed: int, share: float
) -> None:
    dataset = classified(300, 3)
    rows = split_rows(dataset, split_seed=split_seed, test_seed=test_seed)
    kept, judge = set_judge_aside(dataset, rows, share, test_seed, split_seed)
    everything = np.concatenate([kept.train, kept.dev, kept.test, judge])
    assert sorted(everything) == list(range(300))
    assert len(judge) == (share if share > 1 else round(share * 240))
    other = split_rows(dataset, split_seed=split_seed + 1, test_seed=test_seed)
    others, again = set_judge_aside(dataset, other, share, test_seed, split_seed + 1)
    assert np.array_equal(judge, again)
    assert (len(others.train), len(others.dev)) == (len(kept.train), len(kept.dev))
    counts = np.bincount(dataset.targets[judge])
    assert counts.max() - counts.min() <= 1  # stratified


def test_of_a_set_with_its_own_dev_part_judges_are_dev_rows() -> None:
    dataset = classified(300, 3, dev_rows=60)
    rows = split_rows(dataset, split={"test": 0.2})
    kept, judge = set_judge_aside(dataset, rows, 0.25, 0, 0)
    assert set(judge) <= set(rows.dev) and len(judge) == 15
    assert np.array_equal(kept.train, rows.train)


def test_judged_rows_take_the_place_of_dev(tmp_path: Path) -> None:
    aside = load(choice("data", "iris", split={"judge": 0.25}), tmp_path, 1)
    judged = load(choice("data", "iris", split={"judge": 0.25, "judged": True}), tmp_path, 1)
    assert aside.dev is not None and judged.dev is not None and judged.test is not None
    assert np.array_equal(aside.train.rows, judged.train.rows)
    assert len(judged.dev) == 30 and not set(judged.dev.rows) & set(aside.dev.rows)
    assert not set(judged.dev.rows) & set(judged.test.rows)


def test_where_rows_are_everything_at_once_they_judge_too(tmp_path: Path) -> None:
    splits = load(choice("data", "xor", split={"judge": 0.25, "judged": True}), tmp_path)
    assert splits.dev is not None and len(splits.dev) == len(splits.train) == 4


def tabled(
    num_rows: int, *, groups: np.ndarray | None = None, times: np.ndarray | None = None
) -> Dataset:
    table = Table((Column("x"),), ("y",), np.arange(num_rows), groups=groups, times=times)
    inputs = np.arange(num_rows, dtype=np.float64)[:, None]
    return Dataset("made", inputs, inputs, classes=None, table=table)


def test_in_time_judges_come_after_dev_and_no_time_is_cut_in_two() -> None:
    times = np.arange(100) // 3
    dataset = tabled(100, times=times)
    rows = split_rows(dataset)
    kept, judge = set_judge_aside(dataset, rows, 0.2, 0, 0)
    for before, after in ((kept.train, kept.dev), (kept.dev, judge), (judge, kept.test)):
        assert times[before].max() < times[after].min()
    assert 14 <= len(judge) <= 20


def test_groups_stay_whole() -> None:
    groups = np.arange(200) // 4
    dataset = tabled(200, groups=groups)
    rows = split_rows(dataset, split_seed=3, test_seed=0)
    kept, judge = set_judge_aside(dataset, rows, 0.2, 0, 3)
    parts = [set(groups[part]) for part in (kept.train, kept.dev, kept.test, judge)]
    assert sum(map(len, parts)) == len(set().union(*parts)) == 50


@pytest.mark.parametrize("share", [240, 238, 500])
def test_too_many_judges(share: int) -> None:
    dataset = classified(300, 3)
    with pytest.raises(DataError, match=r"data\.split\.judge: "):
        set_judge_aside(dataset, split_rows(dataset), share, 0, 0)

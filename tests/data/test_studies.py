"""Fewer training rows, wrong labels, training rows set aside."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dlx.data.dataset import Dataset, Table
from dlx.data.parts import Splits
from dlx.data.pipeline import Pool, load_dataset, prepare
from dlx.data.splits import split_rows
from dlx.data.studies import limit, mislabel, set_aside
from dlx.errors import DataError
from tests.data.made import NOWHERE


def same(first: Splits, second: Splits, *parts: str) -> None:
    for part in parts:
        np.testing.assert_array_equal(first.part(part).rows, second.part(part).rows)
        np.testing.assert_array_equal(first.part(part).targets, second.part(part).targets)


@given(st.integers(6, 36), st.integers(0, 100))
def test_a_limit_keeps_each_class_its_share(most, seed):
    labels = np.repeat([0, 1, 2], [30, 20, 10])
    made = Dataset("made", np.zeros((60, 1), np.float32), labels, ("a", "b", "c"))
    rows = split_rows(made, split_seed=seed)
    kept = limit(made, rows, most, seed)
    assert len(kept.train) == most and set(kept.train) <= set(rows.train)
    shares = np.bincount(labels[kept.train], minlength=3)
    wanted = most * np.bincount(labels[rows.train]) / len(rows.train)
    assert (np.abs(shares - wanted) < 1).all()
    assert (kept.dev is rows.dev) and (kept.test is rows.test)


def test_a_limit_above_the_rows_there_are_changes_nothing(table):
    same(prepare(table, limit=36), prepare(table), "train", "dev", "test")
    same(prepare(table, limit=7), prepare(table), "dev", "test")


def test_a_limit_that_leaves_a_class_out(table):
    with pytest.raises(DataError, match=r"data\.limit: 2 training rows leave none of class 'blue'"):
        prepare(table, limit=2)


def test_noise_replaces_a_share_of_the_training_labels_alone():
    digits = load_dataset("digits", NOWHERE)
    clean, noisy = prepare(digits), prepare(digits, label_noise=0.4)
    same(clean, noisy, "dev", "test")
    np.testing.assert_array_equal(clean.train.rows, noisy.train.rows)
    changed = (clean.train.targets != noisy.train.targets).float().mean()
    assert abs(changed - 0.4 * 0.9) < 0.03  # one in ten is drawn right
    assert clean.fingerprint != noisy.fingerprint
    same(noisy, prepare(digits, label_noise=0.4), "train")
    other = prepare(digits, label_noise=0.4, split_seed=1)
    assert other.fingerprint != noisy.fingerprint


def test_all_labels_at_random_say_nothing():
    iris = load_dataset("iris", NOWHERE)
    rows = split_rows(iris)
    noisy = mislabel(iris, rows, 1.0, 0).targets
    right = noisy[rows.train] == iris.targets[rows.train]
    assert 0.2 < right.mean() < 0.5
    np.testing.assert_array_equal(np.delete(noisy, rows.train), np.delete(iris.targets, rows.train))


def test_values_to_predict_are_exchanged():
    made = load_dataset("regression", NOWHERE, rows=100, targets=2)
    rows = split_rows(made)
    noisy = mislabel(made, rows, 0.5, 0).targets
    assert abs((noisy != made.targets).any(axis=1).sum() - 30) <= 2
    assert sorted(map(tuple, noisy)) == sorted(map(tuple, made.targets))


def test_rows_set_aside_come_out_of_the_training_rows(table):
    plain, apart = prepare(table), prepare(table, train_dev=0.25)
    same(plain, apart, "dev", "test")
    assert list(apart.parts) == ["train", "train_dev", "dev", "test"]
    assert apart.train_dev is not None and len(apart.train_dev.rows) == 9
    assert apart.train_dev.targets.bincount().tolist() in ([5, 3, 1], [4, 3, 2], [5, 2, 2])
    both = np.concatenate([apart.train.rows, apart.train_dev.rows])
    np.testing.assert_array_equal(np.sort(both), plain.train.rows)
    assert len(prepare(table, train_dev=3).part("train_dev").rows) == 3
    moved = prepare(table, train_dev=3).to("meta").train_dev
    assert moved is not None and moved.inputs.device.type == "meta"


def test_a_group_of_a_table_is_set_aside_as_a_whole(table):
    groups = np.arange(60) // 4
    grouped = replace(table, table=Table((), (), np.arange(60), groups=groups))
    rows = set_aside(grouped, split_rows(grouped), 0.3, 0)
    assert len(rows.train) and len(rows.train_dev)
    parts = [set(groups[part]) for part in (rows.train, rows.train_dev, rows.dev, rows.test)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 15


def test_they_go_together(table):
    splits = prepare(table, train_dev=6, limit=12, label_noise=0.5, standardize=True)
    assert [len(part.rows) for part in splits.parts.values()] == [12, 6, 12, 12]
    np.testing.assert_array_equal(
        splits.part("train_dev").targets, table.targets[splits.part("train_dev").rows]
    )


def test_impossible_shares(table):
    with pytest.raises(DataError, match=r"data\.train_dev: takes 36 of the 36 training rows of ta"):
        prepare(table, train_dev=36)
    with pytest.raises(DataError, match=r"data\.train_dev: 0\.001 of the 36 rows of table is less"):
        prepare(table, train_dev=0.001)


def test_rows_without_labels_are_kept_apart_and_prepared_alike(table):
    whole = prepare(table, standardize=True)
    splits = prepare(table, labels=9, standardize=True)
    same(whole, splits, "dev", "test")
    assert whole.everything is None and whole.unlabelled is whole
    assert splits.everything is not None
    torch.testing.assert_close(splits.everything.inputs, whole.train.inputs, rtol=0, atol=0)
    assert splits.unlabelled.train is splits.everything
    assert splits.fingerprint == whole.fingerprint
    places = np.searchsorted(whole.train.rows, splits.train.rows)
    assert len(places) == 9 and set(splits.train.rows) <= set(whole.train.rows)
    torch.testing.assert_close(splits.train.inputs, whole.train.inputs[places], rtol=0, atol=0)
    assert splits.train.targets.tolist() == table.targets[splits.train.rows].tolist()
    assert splits.task.num_train == 9
    assert prepare(table, labels=36).everything is None
    with pytest.raises(
        DataError, match=r"data\.labels: 2 training rows leave none of class 'blue'"
    ):
        prepare(table, labels=2)


def test_labels_that_are_not_told_say_nothing(table):
    """But for who is drawn, of each class its share."""
    rows = split_rows(table)
    told = limit(table, rows, 9, 0, "labels")
    secret = np.setdiff1d(rows.train, told.train)
    targets = table.targets.copy()
    targets[secret] = (targets[secret] + 1) % 3
    clean = Pool(table).assemble(rows, told, standardize=True, scale=False)
    other = Pool(replace(table, targets=targets)).assemble(
        rows, told, standardize=True, scale=False
    )
    assert clean.task == other.task
    same(clean, other, "train")
    torch.testing.assert_close(clean.train.inputs, other.train.inputs, rtol=0, atol=0)


@pytest.mark.parametrize(
    "options", [{"limit": 3}, {"labels": 3}, {"label_noise": 0.5}, {"train_dev": 1}]
)
def test_rows_that_are_everything_at_once_cannot_be_changed_for_training(options):
    (key,) = options
    with pytest.raises(DataError, match=rf"data\.{key}: the rows of xor are train, dev and te"):
        prepare(load_dataset("xor", NOWHERE), **options)


def test_labels_that_hold_together_are_exchanged_as_one(table):
    labels = np.stack([np.arange(60) % 2, np.arange(60) % 3 == 0], axis=1).astype(np.int64)
    made = replace(table, targets=labels, classes=("even", "third"))
    rows = set_aside(made, limit(made, split_rows(made), 30, 0), 5, 0)
    noisy = mislabel(made, rows, 1.0, 0).targets
    assert sorted(map(tuple, noisy[rows.train])) == sorted(map(tuple, labels[rows.train]))
    assert (noisy != labels).any()

"""Cross-validation: every row is dev once."""

from pathlib import Path

import numpy as np
import pytest

from dlx.config.load import data_choice
from dlx.data.pipeline import load
from dlx.errors import ConfigError, DataError

NUMBER = 5


def fold_rows(tmp_path: Path, number: int, *options: str):
    changes = [f"fold={{number: {number}, of: {NUMBER}}}", *options]
    return load(data_choice("iris", changes), tmp_path)


def test_every_row_but_those_of_test_is_dev_in_one_fold(tmp_path):
    folds = [fold_rows(tmp_path, number + 1) for number in range(NUMBER)]
    plain = load(data_choice("iris"), tmp_path)
    assert plain.dev is not None and plain.test is not None
    pool = np.sort(np.concatenate([plain.train.rows, plain.dev.rows]))
    dev = [splits.part("dev").rows for splits in folds]
    np.testing.assert_array_equal(np.sort(np.concatenate(dev)), pool)
    for splits in folds:
        both = np.concatenate([splits.train.rows, splits.part("dev").rows])
        np.testing.assert_array_equal(np.sort(both), pool)
        np.testing.assert_array_equal(splits.part("test").rows, plain.test.rows)
        counts = splits.part("dev").targets.bincount()
        assert counts.max() - counts.min() <= 1


def test_preprocessing_is_fitted_on_a_folds_own_training_rows(tmp_path):
    one, other = (fold_rows(tmp_path, number, "standardize=true") for number in (1, 2))
    assert one.preprocessing.shift is not None and other.preprocessing.shift is not None
    assert not one.preprocessing.shift.equal(other.preprocessing.shift)


def test_groups_stay_whole(tmp_path):
    lines = [f"{x},{x % 3},{x // 4}" for x in range(40)]
    path = tmp_path / "people.csv"
    path.write_text("\n".join(["size,kind,person", *lines]))
    options = [f"path={path}", "target=kind", "group=person", "fold={number: 1, of: 4}"]
    splits = load(data_choice("csv", [*options, "split={test: 0}"]), tmp_path)
    assert set(splits.train.rows // 4).isdisjoint(splits.part("dev").rows // 4)


def test_groups_are_divided_anew_by_another_split_seed(tmp_path):
    lines = [f"{x},{x % 3},{x // 4}" for x in range(40)]
    path = tmp_path / "people.csv"
    path.write_text("\n".join(["size,kind,person", *lines]))
    divisions = []
    for seed in (0, 1, 2):
        folds = []
        for number in (1, 2, 3, 4):
            options = [f"path={path}", "target=kind", "group=person", "split={test: 0}"]
            options += [f"split_seed={seed}", f"fold={{number: {number}, of: 4}}"]
            dev = load(data_choice("csv", options), tmp_path).part("dev").rows
            folds.append(tuple(sorted(set(dev // 4))))
        assert sorted(group for fold in folds for group in fold) == list(range(10))
        divisions.append(tuple(sorted(folds)))
    assert len(set(divisions)) == 3


def test_what_cannot_be_divided_is_refused(tmp_path):
    fold = "fold={number: 1, of: 3}"
    with pytest.raises(DataError, match=r"data\.fold: the 4 rows of xor serve as train"):
        load(data_choice("xor", [fold]), tmp_path)
    with pytest.raises(DataError, match=r"40 rows of a class to divide into 41 folds; take fewer"):
        load(data_choice("iris", ["fold={number: 1, of: 41}"]), tmp_path)
    with pytest.raises(ConfigError, match=r"fold number 4 of 3; take one of 1 to 3"):
        data_choice("iris", ["fold={number: 4, of: 3}"])
    path = tmp_path / "days.csv"
    path.write_text("day,size,kind\n" + "\n".join(f"{x},{x},{x % 2}" for x in range(40)))
    options = [f"path={path}", "target=kind", "time=day", fold]
    with pytest.raises(DataError, match=r"data\.fold: with data\.time the past predicts"):
        load(data_choice("csv", options), tmp_path)

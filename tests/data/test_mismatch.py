"""Dev and test rows from other sources."""

from dataclasses import replace

import numpy as np
import pytest

from dlx.config.load import dump, load
from dlx.config.types import choice
from dlx.data.dataset import Dataset, Table
from dlx.data.mismatch import hold_out
from dlx.data.pipeline import load as load_splits
from dlx.data.pipeline import load_chosen, load_dataset, prepare
from dlx.errors import ConfigError, DataError
from tests.data.made import NOWHERE

NOISY = {"name": "moons", "noise": 0.5, "rows": 100}
WARNING = "dev and test come from different sources"


def test_test_rows_from_elsewhere():
    chosen = choice("data", "moons", test_from=NOISY, split={"dev": 100})
    splits, other = load_splits(chosen, NOWHERE), load_dataset(**NOISY, data_dir=NOWHERE)
    assert {name: len(part.rows) for name, part in splits.parts.items()} == {
        "train": 900,
        "dev": 100,
        "test": 100,
    }
    np.testing.assert_array_equal(splits.part("test").inputs, other.inputs)
    np.testing.assert_array_equal(splits.part("test").targets, other.targets)
    assert any(WARNING in warning for warning in splits.warnings)
    np.testing.assert_array_equal(
        load_chosen(chosen, NOWHERE).inputs[splits.part("test").rows], other.inputs
    )


def test_dev_and_test_from_one_source_share_it():
    splits = load_splits(choice("data", "moons", dev_from=NOISY, test_from=NOISY), NOWHERE)
    other = load_dataset(**NOISY, data_dir=NOWHERE)
    dev, test = splits.part("dev"), splits.part("test")
    assert len(splits.train.rows) == 1000 and len(dev.rows) == len(test.rows) == 50
    assert dev.targets.bincount().tolist() == [25, 25]
    both = np.concatenate([dev.inputs, test.inputs])
    np.testing.assert_array_equal(np.sort(both, axis=0), np.sort(other.inputs, axis=0))
    assert splits.warnings == ()


def test_dev_rows_from_elsewhere_leave_the_test_rows():
    splits = load_splits(choice("data", "moons", dev_from=NOISY), NOWHERE)
    assert [len(part.rows) for part in splits.parts.values()] == [800, 100, 200]
    assert any(WARNING in warning for warning in splits.warnings)


@pytest.mark.parametrize(
    "options",
    [{"dev_from": NOISY, "split": {"test": 0}}, {"test_from": NOISY, "split": {"dev": 0}}],
)
def test_one_part_alone_comes_from_no_different_source(options):
    splits = load_splits(choice("data", "moons", **options), NOWHERE)
    assert len(splits.parts) == 2
    assert splits.warnings == ()


def test_nothing_of_the_other_source_is_fitted():
    options = {"standardize": True, "split": {"dev": 100}}
    plain = load_splits(choice("data", "moons", test_from={**NOISY, "seed": 1}, **options), NOWHERE)
    other = load_splits(choice("data", "moons", test_from={**NOISY, "seed": 2}, **options), NOWHERE)
    for name in ("train", "dev"):
        np.testing.assert_array_equal(plain.part(name).inputs, other.part(name).inputs)
    assert (plain.part("test").inputs != other.part("test").inputs).any()


def test_parts_of_their_own(table):
    own, other = replace(table, test_rows=20), replace(table, name="other", test_rows=15)
    both = hold_out(own, other, other, same=True, seed=0)
    assert (len(both.targets), both.dev_rows, both.test_rows) == (40 + 45 + 15, 45, 15)
    assert hold_out(own, None, other, same=False, seed=0).test_rows == 15
    kept = hold_out(own, other, None, same=False, seed=0)
    assert (kept.dev_rows, kept.test_rows) == (45, 20)
    np.testing.assert_array_equal(kept.inputs[-20:], table.inputs[-20:])


def test_pixels_and_numbers():
    pixels = np.full((20, 2, 2), 51, np.uint8)
    first = Dataset("pixels", pixels, np.arange(20) % 2, ("a", "b"))
    other = replace(first, name="numbers", inputs=np.full((20, 2, 2), 0.2, np.float32))
    splits = prepare(hold_out(first, None, other, same=False, seed=0))
    assert (splits.train.inputs == splits.part("test").inputs[0]).all()


def test_classes_are_matched_by_name(table):
    other = replace(table, name="other", classes=("blue", "red", "green"))
    made = hold_out(table, None, other, same=False, seed=0)
    names = np.array(table.classes)[made.targets[60:]]
    np.testing.assert_array_equal(names, np.array(other.classes)[table.targets])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"classes": ("red", "green", "pink")},
            r"data\.test_from: other has class 'pink', which table lacks \(it has red, green, b",
        ),
        ({"inputs": np.zeros((60, 2), np.float32)}, r"of other have shape \(2,\), those of table"),
        (
            {"features": ("width", "hight", "depth")},
            "other has the feature 'hight' where table has 'height'",
        ),
        (
            {"classes": None, "targets": np.zeros((60, 1), np.float32)},
            "the targets of other differ in kind or number from those of table",
        ),
        ({"table": Table((), (), np.arange(60))}, "other is a table; name a file for each part"),
        ({"shared_splits": True}, "the rows of other are train, dev and test at once"),
    ],
)
def test_sources_that_do_not_fit(table, changes, message):
    with pytest.raises(DataError, match=message):
        hold_out(table, None, replace(table, name="other", **changes), same=False, seed=0)


def test_a_source_takes_its_own_options_and_no_split():
    with pytest.raises(ConfigError, match=r"data\.test_from\.split: unknown key .*allowed: name"):
        load({"data": {"name": "moons", "test_from": {**NOISY, "split": "auto"}}})
    with pytest.raises(ConfigError, match=r"data\.dev_from.*'mons'.*did you mean 'moons'"):
        load({"data": {"name": "moons", "dev_from": "mons"}})


def test_the_saved_config_reads_the_same():
    config = load({"data": {"name": "moons", "test_from": NOISY, "train_dev": 0.1}})
    assert "test_from: {name: moons, rows: 100, noise: 0.5, seed: 0}" in dump(config)


def test_a_count_beside_rows_from_elsewhere():
    chosen = choice("data", "moons", dev_from=NOISY, split={"dev": 10})
    with pytest.raises(DataError, match=r"split\.dev: moons brings its own dev part of 100 rows"):
        load_splits(chosen, NOWHERE)

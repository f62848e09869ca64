"""Arrays of the user's own as data sets: npz, npy and idx."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlx.config.load import load
from dlx.data.dataset import check, task_of
from dlx.data.pipeline import load as load_splits
from dlx.data.pipeline import load_dataset
from dlx.data.sources.arrays import dataset_of
from dlx.errors import ConfigError, DataError
from tests.data.made import NOWHERE

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(20, 3)).astype(np.float32)
T = np.arange(20) % 3 * 5


@pytest.fixture(params=["npz", "npy", "idx"])
def saved(request, tmp_path, write_idx) -> Any:
    """Return a function that saves named arrays in one of the forms, and gives data's options."""

    def save(**arrays: Any) -> dict[str, Any]:
        if request.param == "npz":
            np.savez(tmp_path / "set.npz", **arrays)
            names = {name: name for name in arrays}
            return {"name": "npz", "path": str(tmp_path / "set.npz"), **names}
        for name, array in arrays.items():
            if request.param == "npy":
                np.save(tmp_path / f"{name}.npy", array)
            else:
                write_idx(tmp_path / f"{name}.idx.gz", array)
        suffix = ".npy" if request.param == "npy" else ".idx.gz"
        paths = {name: str(tmp_path / f"{name}{suffix}") for name in arrays}
        return {"name": request.param, **paths}

    return save


def read(options: dict[str, Any]) -> Any:
    paths = {k: Path(v) if "/" in v else v for k, v in options.items() if k != "name"}
    return load_dataset(options["name"], NOWHERE, **paths)


def test_a_table_with_classes(saved):
    made = read(saved(inputs=X, targets=T.astype("i4")))
    check(made)
    np.testing.assert_array_equal(made.inputs, X)
    assert made.targets.tolist() == (T // 5).tolist()
    assert made.classes == ("0", "5", "10")
    [note] = made.notes
    assert note.endswith(
        ": 3 different whole numbers from 0 to 10 are taken as classes; data.task: regression "
        "predicts a number"
    )


def test_pixels_and_a_test_part_of_its_own(saved):
    pixels = GENERATOR.integers(0, 256, (20, 4, 5), dtype=np.uint8)
    more = {"test_inputs": pixels[:6], "test_targets": T[:6].astype("u1")}
    options = saved(inputs=pixels, targets=T.astype("u1"), **more)
    made = read(options)
    assert made.inputs.dtype == np.uint8 and made.inputs.shape == (26, 4, 5)
    assert made.test_rows == 6 and task_of(made).input_shape == (4, 5)
    del options["test_targets"]
    with pytest.raises(ConfigError, match=r"data\.test_inputs and data\.test_targets go together"):
        read(options)


def test_numbers_to_predict(saved):
    made = read(saved(inputs=X, targets=X[:, :2].astype("f8")))
    assert made.classes is None
    np.testing.assert_array_equal(made.targets, X[:, :2])
    counted = read(saved(inputs=X, targets=np.arange(20, dtype="i4")))
    assert counted.classes is None
    np.testing.assert_array_equal(counted.targets[:, 0], np.arange(20))
    assert made.standardize_targets and counted.standardize_targets


def test_words_and_booleans_are_classes():
    made = dataset_of("words", {"train": (X, np.array(["no", "yes"])[np.arange(20) % 2])}, "auto")
    assert made.classes == ("no", "yes") and task_of(made).kind == "binary"
    assert made.notes == ()
    assert dataset_of("b", {"train": (X, T > 4)}, "auto").classes == ("False", "True")
    assert dataset_of("f", {"train": (X, T / 1)}, "classification").classes == ("0", "5", "10")


@pytest.mark.parametrize(
    ("x", "t", "task", "message"),
    [
        (X, T[1:], "auto", r"bad: inputs of shape \(20, 3\) and targets of shape \(19,\); inputs"),
        (X[:, 0], T, "auto", r"inputs of shape \(20,\) and .* inputs are \(N, I\) or"),
        (X.astype(str), T, "auto", "the inputs are <U32 words, not numbers"),
        (X, X.astype(str), "regression", "targets of bad are words, and data.task says regression"),
        (X, X[:, None, None], "auto", r"bad: shape \(20, 1, 1, 3\) instead of \(N,\) or \(N, T\)"),
    ],
)
def test_arrays_that_are_no_data_set(x, t, task, message):
    with pytest.raises(DataError, match=message):
        dataset_of("bad", {"train": (x, t)}, task)


PIXELS = np.zeros((20, 3, 1), np.uint8)


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ((X, T), (X[:, :2], T), r"inputs of float32, a row of shape \(2,\), but .* shape \(3,\)"),
        ((X, T), (X[1:], T), r"inputs of shape \(19, 3\) and targets of shape \(20,\)"),
        ((X, T), (X, T / 1), "targets of float64, .* but those to train on are int64"),
        ((PIXELS, T), (PIXELS / 255, T), "inputs of float64, .* but those to train on are uint8"),
        ((X, T), (X[:0], T[:0]), "it has no rows; give it some or leave it out"),
    ],
)
def test_a_test_part_that_does_not_fit(train, test, message):
    with pytest.raises(DataError, match=f"bad: test part: {message}"):
        dataset_of("bad", {"train": train, "test": test}, "auto")


def test_a_number_too_large_for_32_bits_is_named():
    big = X.astype(np.float64)
    big[4, 1] = 1e300
    with pytest.raises(DataError, match=r"row 4 .* input column 1: inf is not a finite number"):
        check(dataset_of("big", {"train": (big, T)}, "auto"))


def test_targets_that_64_bits_hardly_tell_apart_are_warned_of():
    targets = np.arange(20, dtype=np.uint64) + 2**60
    (warning,) = dataset_of("ids", {"train": (X, targets)}, "regression").warnings
    assert warning.startswith("ids, target 0: its numbers, near 1.15e+18, are told apart in steps")


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.float64])
def test_large_numbers_keep_their_digits_or_are_warned_of(dtype):
    numbers = (20_240_100_001 + np.arange(40)).astype(dtype)[:, None]
    made = dataset_of("orders", {"train": (np.arange(40.0)[:, None], numbers)}, "regression")
    assert made.targets.tolist() == numbers.tolist() and made.warnings == ()
    made = dataset_of("orders", {"train": (numbers, np.arange(40.0))}, "regression")
    assert made.warnings == (
        "orders: 40 different numbers of input 0 (the first is 0) become 1 in 32 bits; subtract "
        "from the array what all of them share",
    )
    few = dataset_of("few", {"train": (X.astype(np.float64), X[:, 0].astype(np.float64))}, "auto")
    assert few.targets.dtype == np.float32 and few.warnings == ()
    pair = np.column_stack([np.arange(40.0), np.full(40, 5.0)])  # a column of one number
    made = dataset_of("pair", {"train": (np.arange(40.0)[:, None], pair)}, "regression")
    assert made.targets.dtype == np.float32


def test_paths_are_relative_to_the_config(tmp_path, monkeypatch):
    (tmp_path / "sets").mkdir()
    np.save(tmp_path / "sets/x.npy", X)
    np.save(tmp_path / "sets/t.npy", T)
    config = tmp_path / "mine.yaml"
    config.write_text("data: {name: npy, inputs: sets/x.npy, targets: sets/t.npy}\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    splits = load_splits(load(config).data, NOWHERE)
    assert splits.name == "x.npy" and len(splits.train.inputs) == 12
    assert splits.train.inputs.is_contiguous()
    config.write_text("data: {name: npy, inputs: sets/y.npy, targets: sets/t.npy}\n")
    with pytest.raises(DataError, match=r"sets/y\.npy: cannot be read \(No such file"):
        load_splits(load(config).data, NOWHERE)


# Images that differ in height, width and channels, channels first.
IMAGES = GENERATOR.integers(0, 256, (20, 3, 5, 6), dtype=np.uint8)


@pytest.mark.parametrize(
    ("array", "channels", "expected", "said"),
    [
        (IMAGES, "auto", IMAGES, r"\(N, 3, 5, 6\) are images with channels first; .*: last"),
        (IMAGES / 255, "auto", IMAGES / 255, "channels first"),
        (
            np.moveaxis(IMAGES, 1, 3),
            *("auto", IMAGES, r"\(N, 5, 6, 3\) are images with channels last; .*: first"),
        ),
        (IMAGES[:, :1], "auto", IMAGES[:, 0], "channels first"),
        (np.moveaxis(IMAGES[:, :1], 1, 3), "auto", IMAGES[:, 0], "channels last"),
        (IMAGES[:, :, :4, :4], "auto", IMAGES[:, :, :4, :4], "channels first"),
        (IMAGES[:, :2], "auto", IMAGES[:, :2], None),
        (np.moveaxis(IMAGES[:, :2], 1, 3), "last", IMAGES[:, :2], None),
        (IMAGES[:, :, :, :3], "first", IMAGES[:, :, :, :3], None),
        (np.moveaxis(IMAGES[:, :, :3], 1, 3), "last", IMAGES[:, :, :3], None),
        (IMAGES[:, 0], "auto", IMAGES[:, 0], None),
    ],
)
def test_channels_first_or_last(array, channels, expected, said):
    made = dataset_of("x", {"train": (array, T)}, "auto", channels)
    np.testing.assert_array_equal(made.inputs, expected.astype(made.inputs.dtype))
    notes = [note for note in made.notes if "channels" in note]
    assert len(notes) == (said is not None)
    assert said is None or re.search(said, notes[0])


def test_channels_that_may_be_first_or_last():
    message = r"x: inputs of shape \(N, 3, 5, 3\) may be images .*; write data\.channels: first or"
    with pytest.raises(DataError, match=message):
        dataset_of("x", {"train": (IMAGES[..., :3], T)}, "auto")

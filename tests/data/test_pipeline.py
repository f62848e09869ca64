import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dlx.config.types import choice
from dlx.data import default_directory
from dlx.data.dataset import Dataset, Task
from dlx.data.pipeline import load, load_dataset, prepare
from dlx.data.splits import split_rows
from dlx.errors import ConfigError, DataError


def test_parts_hold_the_rows_they_name(table):
    splits = prepare(table, standardize=True)
    assert splits.task == Task("multiclass", 3, 3, ("red", "green", "blue"), (3,), 36, (18, 12, 6))
    assert splits.features == ("width", "height", "depth")
    for part in (splits.train, splits.dev, splits.test):
        assert part is not None
        assert (part.inputs.dtype, part.targets.dtype) == (torch.float32, torch.int64)
        raw = torch.from_numpy(table.inputs[part.rows])
        assert torch.equal(part.inputs, splits.preprocessing(raw))
        np.testing.assert_array_equal(part.targets.numpy(), table.targets[part.rows])
    torch.testing.assert_close(splits.train.inputs.mean(dim=0), torch.zeros(3))
    torch.testing.assert_close(splits.train.inputs.std(dim=0, correction=0), torch.ones(3))


def test_scale_brings_the_training_rows_to_0_1(table):
    train = prepare(table, scale=True).train.inputs
    assert torch.equal(train.amin(dim=0), torch.zeros(3))
    torch.testing.assert_close(train.amax(dim=0), torch.ones(3))


def test_the_data_set_itself_is_left_alone(table):
    before = table.inputs.copy()
    prepare(table, standardize=True)
    np.testing.assert_array_equal(table.inputs, before)


def test_pixels_are_divided_by_255_and_flattened():
    pixels = np.arange(40, dtype=np.uint8).reshape(10, 2, 2) * 6
    made = Dataset("pixels", pixels, np.arange(10) % 2, ("a", "b"))
    splits = prepare(made)
    assert splits.task == Task("binary", 4, 1, ("a", "b"), (2, 2), 6, (3, 3))
    expected = torch.from_numpy(pixels.reshape(10, 4)[splits.train.rows]) / 255
    assert torch.equal(splits.train.inputs, expected)


def test_regression():
    values = np.arange(20, dtype=np.float32).reshape(10, 2)
    splits = prepare(Dataset("line", values, values * 2, None))
    known = splits.train.inputs.numpy() * 2
    shift, scale = known.mean(0, np.float64), known.std(0, dtype=np.float64)
    assert splits.task == Task(
        *("regression", 2, 2, None, (2,)), target_shift=(*shift,), target_scale=(*scale,)
    )
    expected = ((known - shift) / scale).astype(np.float32)
    np.testing.assert_array_equal(splits.train.targets.numpy(), expected)
    np.testing.assert_allclose(splits.task.in_units(expected), known, atol=1e-5)


def test_targets_that_are_standardized_tell_their_data_from_those_of_before():
    values = np.arange(20, dtype=np.float32).reshape(10, 2)
    made = Dataset("line", values, values * 2, None)
    plain = replace(made, standardize_targets=False)
    assert prepare(plain).task == Task("regression", 2, 2, None, (2,))
    assert prepare(plain).fingerprint != prepare(made).fingerprint


def labelled(targets: object) -> Dataset:
    labels = np.array(targets, dtype=np.int64)
    inputs = np.arange(len(labels), dtype=np.float32).reshape(-1, 1)
    return Dataset("tags", inputs, labels, ("big", "old"))


def test_several_labels():
    held = np.arange(20).reshape(-1, 1) % [2, 3] == 0
    splits = prepare(labelled(held))
    counts = tuple(held[splits.train.rows].sum(0).tolist())
    assert splits.task == Task("multilabel", 1, 2, ("big", "old"), (1,), 12, counts)
    assert splits.train.targets.dtype == torch.int64
    np.testing.assert_array_equal(splits.train.targets.numpy(), held[splits.train.rows])


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (
            [[0, 1], [1, 2], [1, 0]],
            r"'tags', row 1 \(the first is 0\), label 'old': 2 is neither 0 nor 1; write 1 where",
        ),
        ([[0, 1, 0]] * 4, "has 3 columns of labels but 2 names for them; name every column"),
        ([[0, 1], [1, 1]] * 9, "every training row has label 'old': there is nothing to learn"),
        ([[0, 1], [0, 0]] * 9, "no training row has class 'big'; take fewer rows for dev"),
    ],
)
def test_labels_that_cannot_be_learned(targets, message):
    with pytest.raises(DataError, match=message):
        prepare(labelled(targets))


def test_parts_without_rows_are_none(table):
    splits = prepare(table, split={"dev": 0, "test": 0})
    assert splits.dev is None and splits.test is None
    assert len(splits.train.rows) == 60


def test_to_moves_every_tensor(table):
    splits = prepare(table, split={"dev": 0}, scale=True).to("meta")
    assert splits.dev is None and splits.test is not None
    tensors = [splits.train.inputs, splits.train.targets, splits.test.inputs, splits.test.targets]
    tensors += splits.preprocessing.tensors().values()
    assert {tensor.device.type for tensor in tensors} == {"meta"}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_named(table, value):
    inputs = table.inputs.copy()
    inputs[7, 1] = value
    message = rf"'table', row 7 \(the first is 0\), input column 'height': {value} is not a finite"
    with pytest.raises(DataError, match=message):
        prepare(replace(table, inputs=inputs))
    with pytest.raises(DataError, match=r"row 7 .* input column 1: "):
        prepare(replace(table, inputs=inputs, features=None))
    targets = np.zeros((60, 2), dtype=np.float32)
    targets[3, 0] = value
    with pytest.raises(DataError, match=r"row 3 .* target column 0: "):
        prepare(replace(table, targets=targets, classes=None))


def test_bad_data_sets(table):
    with pytest.raises(DataError, match=r"label -1 is out of range, the 3 classes are 0 to 2"):
        prepare(replace(table, targets=np.where(np.arange(60) == 9, -1, table.targets)))
    with pytest.raises(DataError, match=r"row 5 \(the first is 0\): label 3 is out of range"):
        prepare(replace(table, targets=np.where(np.arange(60) == 5, 3, table.targets)))
    with pytest.raises(DataError, match="60 rows of inputs but 59 of targets"):
        prepare(replace(table, targets=table.targets[1:]))
    with pytest.raises(DataError, match="has no rows"):
        prepare(replace(table, inputs=table.inputs[:0], targets=table.targets[:0]))
    with pytest.raises(DataError, match=r"has no inputs: its rows are of shape \(0,\)"):
        prepare(replace(table, inputs=table.inputs[:, :0]))
    with pytest.raises(DataError, match="has too few classes to tell apart"):
        prepare(replace(table, targets=np.zeros(60, dtype=np.int64), classes=("only",)))
    with pytest.raises(ConfigError, match="exclude each other"):
        prepare(table, standardize=True, scale=True)


def test_a_class_without_a_training_row_is_an_error(table):
    with pytest.raises(DataError, match="no training row has class 'black'"):
        prepare(replace(table, classes=(*table.classes, "black")))
    with pytest.raises(DataError, match="class 'c3', 'c4', 'c5', 'c6', 'c7' and 2 more"):
        prepare(replace(table, classes=tuple(f"c{i}" for i in range(10))))


def test_a_class_without_a_dev_or_test_row_is_a_warning(table):
    targets = table.targets.copy()
    targets[targets == 2] = 0
    targets[0] = 2
    splits = prepare(replace(table, targets=targets))
    assert splits.warnings == (
        "no dev row of 'table' has class 'blue'",
        "no test row of 'table' has class 'blue'",
    )
    assert prepare(table).warnings == ()


def test_the_fingerprint_sees_inputs_targets_and_split(table):
    inputs, targets = table.inputs.copy(), table.targets.copy()
    inputs[0, 0] += 1
    targets[[0, 1]] = targets[[1, 0]] if targets[0] != targets[1] else (targets[0] + 1) % 3
    prints = [
        prepare(table).fingerprint,
        prepare(table, split_seed=1).fingerprint,
        prepare(table, split={"dev": 11}).fingerprint,
        prepare(replace(table, inputs=inputs)).fingerprint,
        prepare(replace(table, targets=targets)).fingerprint,
    ]
    assert len(set(prints)) == len(prints)
    assert prepare(table, standardize=True).fingerprint == prints[0]
    strided = np.asfortranarray(table.inputs)
    assert prepare(replace(table, inputs=strided)).fingerprint == prints[0]


def test_the_fingerprint_is_the_same_in_another_process():
    code = (
        "from pathlib import Path; from dlx.data.pipeline import load_dataset, prepare;"
        "print(prepare(load_dataset('iris', Path()), split_seed=3).fingerprint)"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    here = prepare(load_dataset("iris", Path()), split_seed=3).fingerprint
    assert output.stdout.strip() == here


def test_load_takes_the_options_of_a_choice():
    chosen = choice("data", "iris", split={"dev": 0.1}, split_seed=5, standardize=True)
    splits = load(chosen, Path())
    iris = load_dataset("iris", Path())
    rows = split_rows(iris, split={"dev": 0.1}, split_seed=5, test_seed=0)
    np.testing.assert_array_equal(splits.train.rows, rows.train)
    assert splits.preprocessing.shift is not None
    assert load(choice("data", "iris"), Path()).preprocessing.shift is None


def test_default_directory(monkeypatch, tmp_path):
    monkeypatch.setenv("DLX_DATA", str(tmp_path))
    assert default_directory() == tmp_path
    monkeypatch.setenv("DLX_DATA", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert default_directory() == tmp_path / "cache/dlx"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_directory() == tmp_path / ".cache/dlx"
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # a user without a home
    assert default_directory() == Path(tempfile.gettempdir()) / "dlx"


def test_mnist_loads_fast(mnist_dir):
    chosen = choice("data", "mnist", split={"dev": 10000})
    start = time.process_time()
    splits = load(chosen, mnist_dir)
    assert time.process_time() - start < 2  # takes 0.3 s; room for a busy machine
    assert splits.dev is not None and splits.test is not None
    assert splits.train.inputs.shape == (50000, 784)
    assert splits.dev.inputs.shape == splits.test.inputs.shape == (10000, 784)
    counts = torch.bincount(splits.train.targets) / 50000
    torch.testing.assert_close(
        counts, torch.bincount(splits.dev.targets) / 10000, atol=1e-4, rtol=0
    )
    assert splits.train.inputs.min() == 0 and splits.train.inputs.max() == 1


@pytest.mark.parametrize(
    ("options", "in_unit_interval"),
    [({}, False), ({"scale": True}, True), ({"standardize": True}, False)],
)
def test_splits_whose_targets_are_their_inputs(
    options: dict[str, Any], in_unit_interval: bool
) -> None:
    splits = prepare(load_dataset("iris", Path("unused")), **options).reconstructing()
    for part in splits.parts.values():
        assert part.targets.equal(part.inputs)
    task = splits.task
    assert (task.kind, task.num_outputs, task.classes) == ("reconstruction", 4, None)
    assert task.in_unit_interval == in_unit_interval
    assert splits.reconstructing() is splits
    raw = prepare(load_dataset("iris", Path("unused"))).train.inputs
    np.testing.assert_allclose(task.in_units(splits.train.inputs.numpy()), raw, rtol=1e-5)


def test_rows_that_are_training_rows_too_are_said() -> None:
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(200, 3)).astype(np.float32)
    inputs[150:] = inputs[:50]
    targets = np.tile([0, 1], 100)
    copied = Dataset("copied", inputs, targets, ("a", "b"))
    warnings = [text for text in prepare(copied).warnings if "training rows too" in text]
    assert len(warnings) == 1
    counts = {}
    rows = split_rows(copied)
    for part in ("dev", "test"):
        own = getattr(rows, part)
        counts[part] = sum((inputs[rows.train] == inputs[row]).all(1).any() for row in own)
        assert f"{counts[part]} of 40 {part} rows" in warnings[0]
    targets[150:] = 1 - targets[:50]
    assert not prepare(replace(copied, targets=targets)).warnings, "other answers: other rows"
    assert not prepare(Dataset("own", inputs[:150], targets[:150], ("a", "b"))).warnings

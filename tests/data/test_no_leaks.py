"""Law 4: nothing is fitted on dev or test rows; changing them changes no training byte."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dlx import registry
from dlx.data.dataset import Dataset
from dlx.data.parts import Splits
from dlx.data.pipeline import Pool, load_dataset, prepare
from dlx.data.splits import split_rows
from tests.data.made import BUNDLED, GATES, MADE


def assert_same_training(first: Splits, second: Splits) -> None:
    assert first.train.inputs.numpy().tobytes() == second.train.inputs.numpy().tobytes()
    assert first.train.targets.numpy().tobytes() == second.train.targets.numpy().tobytes()
    np.testing.assert_array_equal(first.train.rows, second.train.rows)
    assert first.preprocessing.tensors().keys() == second.preprocessing.tensors().keys()
    for name, tensor in first.preprocessing.tensors().items():
        assert torch.equal(tensor, second.preprocessing.tensors()[name])
    assert first.task == second.task


def spoil(dataset: Dataset, rows: np.ndarray, *, labels: bool) -> Dataset:
    """Replace the inputs of some rows by much larger ones and, if asked, move the labels on."""
    inputs, targets = dataset.inputs.copy(), dataset.targets.copy()
    noise = np.random.default_rng(1).normal(size=inputs[rows].shape)
    inputs[rows] = 1e6 * noise if inputs.dtype == np.float32 else 255 - inputs[rows]
    if labels and dataset.classes:
        targets[rows] = (targets[rows] + 1) % len(dataset.classes)
    elif labels:
        targets[rows] += 1e6
    return replace(dataset, inputs=inputs, targets=targets)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"standardize": True},
        {"scale": True},
        {"labels": 50, "standardize": True},
        {"train_dev": 0.2, "limit": 50, "label_noise": 0.3, "standardize": True},
    ],
)
@pytest.mark.parametrize("name", (*BUNDLED, *MADE))
def test_inputs_of_dev_and_test_rows(name, options):
    dataset = load_dataset(name, Path())
    clean = prepare(dataset, **options)
    assert clean.dev is not None and clean.test is not None
    held_out = np.concatenate([clean.part(name).rows for name in list(clean.parts)[1:]])
    spoilt = prepare(spoil(dataset, held_out, labels=False), **options)
    assert_same_training(clean, spoilt)
    assert clean.fingerprint != spoilt.fingerprint


@given(st.integers(0, 1000), st.sampled_from(["standardize", "scale"]), st.booleans())
def test_labels_too_once_the_rows_are_drawn(seed, option, is_regression):
    """Who is drawn has to know the labels, for the classes to be stratified; nothing else may."""
    generator = np.random.default_rng(seed)
    inputs = generator.normal(size=(40, 3)).astype(np.float32)
    labels = generator.permutation(np.arange(40) % 4)
    dataset = Dataset("made", inputs, labels, ("a", "b", "c", "d"))
    if is_regression:
        dataset = replace(dataset, targets=inputs[:, :1] * 2, classes=None)
    rows = split_rows(dataset, split_seed=seed)
    options = {"standardize": False, "scale": False, option: True}
    clean = Pool(dataset).assemble(rows, standardize=options["standardize"], scale=options["scale"])
    held_out = np.concatenate([rows.dev, rows.test])
    assert_same_training(
        clean,
        Pool(spoil(dataset, held_out, labels=True)).assemble(
            rows, standardize=options["standardize"], scale=options["scale"]
        ),
    )


def test_labels_of_a_sets_own_test_part(table):
    table = replace(table, test_rows=20)
    own_test = np.arange(40, 60)
    assert_same_training(
        prepare(table, standardize=True),
        prepare(spoil(table, own_test, labels=True), standardize=True),
    )


def test_the_gates_are_exempt_and_say_so():
    for name in registry.names("data"):
        if name in (*GATES, *BUNDLED, *MADE):
            dataset = load_dataset(name, Path())
            assert dataset.shared_splits == (name in GATES)
            assert prepare(dataset).shared == (name in GATES)
            assert ("train, dev and test" in dataset.description) == (name in GATES)

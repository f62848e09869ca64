import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlx.data.dataset import check, task_of
from dlx.data.describe import describe
from dlx.data.pipeline import load_dataset
from dlx.errors import ConfigError, DataError
from tests.data.made import MADE, NOWHERE


@pytest.mark.parametrize("name", MADE)
def test_the_rows_are_a_function_of_the_seed_alone(name):
    np.random.seed(1)
    first = load_dataset(name, NOWHERE, rows=16)
    np.random.seed(2)
    second = load_dataset(name, NOWHERE, rows=16)
    other = load_dataset(name, NOWHERE, rows=16, seed=1)
    np.testing.assert_array_equal(first.inputs, second.inputs)
    np.testing.assert_array_equal(first.targets, second.targets)
    assert (first.inputs != other.inputs).any() or name == "parity"


@pytest.mark.parametrize("name", MADE)
def test_they_are_whole_data_sets(name):
    dataset = load_dataset(name, NOWHERE)
    check(dataset)
    assert dataset.inputs.dtype == np.float32
    assert dataset.targets.dtype == (np.int64 if dataset.classes else np.float32)
    assert len(dataset.features or ()) == dataset.inputs.shape[1] == task_of(dataset).num_inputs
    assert describe(dataset)["rows"] == len(dataset.inputs)


@pytest.mark.parametrize("name", ["moons", "circles", "blobs", "spirals", "classification"])
def test_the_classes_share_the_rows(name):
    dataset = load_dataset(name, NOWHERE, rows=301)
    counts = np.bincount(dataset.targets)
    assert counts.sum() == 301
    assert counts.max() - counts.min() <= (1 if name != "classification" else 10)


def test_moons_and_circles_without_noise_are_where_they_should_be():
    moons = load_dataset("moons", NOWHERE, noise=0)
    centers = np.array([[0, 0], [1, 0.5]])[moons.targets]
    np.testing.assert_allclose(np.linalg.norm(moons.inputs - centers, axis=1), 1, atol=1e-6)
    circles = load_dataset("circles", NOWHERE, noise=0, factor=0.3)
    radii = np.where(circles.targets == 1, 0.3, 1)
    np.testing.assert_allclose(np.linalg.norm(circles.inputs, axis=1), radii, atol=1e-6)


@given(st.integers(2, 7), st.floats(0.1, 4), st.integers(0, 100))
def test_a_spiral_turns_with_its_radius(arms, turns, seed):
    made = load_dataset("spirals", NOWHERE, arms=arms, turns=turns, rows=50, noise=0, seed=seed)
    radius = np.linalg.norm(made.inputs.astype(np.float64), axis=1)
    angle = 2 * math.pi * (turns * radius + made.targets / arms)
    expected = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    np.testing.assert_allclose(made.inputs, expected, atol=1e-4)
    assert made.classes == tuple(map(str, range(arms)))


def test_blobs_have_their_spread():
    made = load_dataset("blobs", NOWHERE, rows=30_000, classes=3, features=4, std=0.5)
    for label in range(3):
        cloud = made.inputs[made.targets == label]
        np.testing.assert_allclose(cloud.std(axis=0), 0.5, rtol=0.03)


def test_the_informative_columns_of_a_regression_say_all_but_the_noise():
    options = {"rows": 5000, "features": 8, "informative": 3, "targets": 2, "noise": 0.5}
    made = load_dataset("regression", NOWHERE, **options)
    np.testing.assert_allclose(made.targets.var(axis=0), 1, rtol=0.1)
    weights, *_ = np.linalg.lstsq(made.inputs, made.targets, rcond=None)
    rest = made.targets - made.inputs @ weights
    np.testing.assert_allclose(rest.var(axis=0), 0.25 / 1.25, rtol=0.1)
    assert ((np.abs(weights) > 0.05).any(axis=1)).sum() == 3


def test_impossible_tables():
    with pytest.raises(ConfigError, match=r"data\.informative: received 9 of 8 features; lower it"):
        load_dataset("regression", NOWHERE, features=8, informative=9)
    with pytest.raises(ConfigError, match="2 columns tell at most 4 classes apart, not 5"):
        load_dataset("classification", NOWHERE, informative=2, classes=5)


def test_fewer_rows_than_classes():
    made = load_dataset("spirals", NOWHERE, rows=2, arms=3)
    check(made)
    with pytest.raises(DataError, match="has class '2'"):
        from dlx.data.pipeline import prepare

        prepare(made, split={"dev": 0, "test": 0})

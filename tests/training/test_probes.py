"""Probes beside scikit-learn by hand."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from dlx.errors import ConfigError, DataError
from dlx.training.probes import Features, labelled, score_classes, score_numbers

CLASSES = ("a", "b", "c")
GENERATOR = np.random.default_rng(0)
TRAIN = np.repeat([0, 1, 2], [120, 60, 20])
TEST = np.repeat([0, 1, 2], 50)
CENTRES = np.array([[0, 0, 0, 0], [2, 0, 0, 0], [0, 2, 0, 0]])


def blobs(targets: np.ndarray) -> np.ndarray:
    scales = [1, 1, 5, 0.1]
    return (CENTRES[targets] + GENERATOR.standard_normal((len(targets), 4)) * scales).astype("f4")


FEATURES = Features(blobs(TRAIN), blobs(TEST))


def test_labelled_rows_are_stratified_and_depend_on_the_seed_alone() -> None:
    rows = labelled(TRAIN, CLASSES, 50, 3)
    assert np.bincount(TRAIN[rows]).tolist() == [30, 15, 5]
    assert np.array_equal(rows, labelled(TRAIN, CLASSES, 50, 3))
    assert not np.array_equal(rows, labelled(TRAIN, CLASSES, 50, 4))
    assert np.array_equal(rows, np.unique(rows))
    numbers = labelled(np.zeros((200, 2), np.float32), None, 50, 3)
    assert len(np.unique(numbers)) == 50


def test_too_many_labels_and_a_class_with_too_few() -> None:
    with pytest.raises(ConfigError, match=r"--labels: received 201, but there are 200 training"):
        labelled(TRAIN, CLASSES, 201, 0)
    with pytest.raises(DataError, match=r"class 'c' has 1 of the 10 labelled rows; a probe needs"):
        labelled(TRAIN, CLASSES, 10, 0)


def test_scores_are_those_of_scikit_learn_at_the_best_strength() -> None:
    rows = labelled(TRAIN, CLASSES, 100, 0)
    found = score_classes(FEATURES, FEATURES.standardized(), TRAIN, TEST, rows)
    scaler = StandardScaler().fit(FEATURES.train)
    x, y = scaler.transform(FEATURES.train[rows]), TRAIN[rows]
    at = scaler.transform(FEATURES.test)
    by_strength = {
        strength: LogisticRegression(C=strength).fit(x, y).score(at, TEST)
        for strength in (0.001, 0.01, 0.1, 1, 10)
    }
    assert found["logistic_regression"] in by_strength.values()
    # Few rows of a class are all but ignored under the strongest penalty.
    assert found["logistic_regression"] > by_strength[0.001] + 0.1
    neighbors = KNeighborsClassifier(5).fit(FEATURES.train[rows], y)
    assert found["nearest_neighbors"] == neighbors.score(FEATURES.test, TEST)


def test_the_labels_of_other_rows_are_not_looked_at() -> None:
    rows = labelled(TRAIN, CLASSES, 100, 0)
    changed = np.zeros_like(TRAIN)
    changed[rows] = TRAIN[rows]
    scaled = FEATURES.standardized()
    expected = score_classes(FEATURES, scaled, TRAIN, TEST, rows)
    assert score_classes(FEATURES, scaled, changed, TEST, rows) == expected


def test_features_are_fitted_on_training_rows() -> None:
    other = Features(FEATURES.train, 100 * FEATURES.test)
    for mine, its in (
        (FEATURES.standardized(), other.standardized()),
        (FEATURES.principal_components(2), other.principal_components(2)),
    ):
        assert np.array_equal(mine.train, its.train)
    assert abs(FEATURES.standardized().train.mean(0)).max() < 1e-5
    expected = PCA(2, random_state=0).fit(FEATURES.train).transform(FEATURES.test)
    np.testing.assert_allclose(FEATURES.principal_components(2).test, expected, rtol=1e-5)
    assert FEATURES.principal_components(9).train.shape == (200, 4)


def test_numbers_are_read_by_ridge_and_neighbors() -> None:
    weights = GENERATOR.standard_normal((4, 2))
    train, test = FEATURES.train @ weights + 3, FEATURES.test @ weights + 3
    rows = labelled(train, None, 60, 0)
    found = score_numbers(FEATURES, FEATURES.standardized(), train, test, rows)
    assert found["ridge"] == pytest.approx(1, abs=1e-4)
    assert 0 < found["nearest_neighbors"] < 1
    noise = GENERATOR.standard_normal(train.shape)
    assert score_numbers(FEATURES, FEATURES.standardized(), noise, test, rows)["ridge"] < 0.2

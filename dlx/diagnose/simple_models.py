"""What simple models answer to rows that they were not fitted on.

# N rows, M other rows, I inputs, C classes, T targets
"""

import warnings
from typing import NamedTuple

import numpy as np

from dlx.denormals import flushed_denormals
from dlx.training.linear_model import fitted

_NEIGHBORS = 5


class Answers(NamedTuple):
    """Probabilities of classes, (N, C) and (M, C), or numbers, (N, T) and (M, T)."""

    own: np.ndarray  # to the given rows, of which none was fitted on itself
    others: np.ndarray  # to the other rows


@flushed_denormals()
def simple_answers(
    inputs: np.ndarray, targets: np.ndarray, are_classes: bool, others: np.ndarray
) -> dict[str, Answers]:
    """Return what a linear model and the nearest neighbours answer, by name.

    Two linear models answer, each for the half that the other one was fitted on, and the first of
    them to other rows, (M, I); for a row the nearest five others do. Inputs are (N, I), targets
    (N,) class numbers or (N, T) numbers. It is empty where a half may know no two classes.
    """
    from sklearn.model_selection import KFold, StratifiedKFold
    from sklearn.neighbors import NearestNeighbors

    if are_classes and (np.bincount(targets) > 1).sum() < 2:
        return {}
    values = np.eye(targets.max() + 1)[targets] if are_classes else targets
    own, rest = np.zeros(values.shape), np.zeros((len(others), values.shape[1]))
    halves = (StratifiedKFold if are_classes else KFold)(2, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")
        for number, (known, asked) in enumerate(halves.split(inputs, targets)):
            model = fitted(inputs[known], targets[known], are_classes)
            places = np.unique(targets[known]) if are_classes else np.arange(values.shape[1])
            if model is None:
                return {}
            own[asked[:, None], places] = model(inputs[asked])
            if number == 0 and len(others):
                rest[:, places] = model(others)
    index = NearestNeighbors(n_neighbors=min(_NEIGHBORS, len(inputs) - 1)).fit(inputs)
    near = values[index.kneighbors(return_distance=False)].mean(1)
    near_others = rest
    if len(others):
        near_others = values[index.kneighbors(others, return_distance=False)].mean(1)
    return {"a linear model": Answers(own, rest), "nearest neighbours": Answers(near, near_others)}


def errors_of(answers: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the error of each answer: 0 or 1 of classes, else as a share of the variance."""
    if targets.ndim == 1:
        return (answers.argmax(1) != targets).astype(float)
    return np.square(answers - targets).sum(1) / (float(targets.var(0).sum()) or 1.0)

"""What simple models answer to rows that they were not fitted on.

# N rows, M other rows, I inputs, C classes, T targets
"""

import warnings
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from dlx.denormals import flushed_denormals
from dlx.training.linear_model import fitted

_NEIGHBORS = 5


class Answers(NamedTuple):
    """Probabilities of classes, (N, C) and (M, C), or numbers, (N, T) and (M, T)."""

    own: np.ndarray  # to the given rows, of which none was fitted on itself
    others: np.ndarray  # to the other rows


class SimpleModels(NamedTuple):
    """What simple models answer, and what would be right."""

    by_name: Mapping[str, Answers]
    targets: np.ndarray  # (N,) class numbers or (N, T) numbers
    others: np.ndarray  # (M,) or (M, T), of the other rows


@flushed_denormals()
def simple_answers(
    inputs: np.ndarray,
    targets: np.ndarray,
    are_classes: bool,
    others: np.ndarray,
    *,
    linear: bool = True,
) -> dict[str, Answers]:
    """Return what nearest neighbours answer and, if asked for, a linear model, by name.

    Two linear models answer, each for the half that the other one was fitted on, and the first of
    them to other rows, (M, I); for a row the nearest five others do. Inputs are (N, I), targets
    (N,) class numbers or (N, T) numbers. It is empty where a half may know no two classes.
    """
    if are_classes and (np.bincount(targets) > 1).sum() < 2:
        return {}
    values = np.eye(targets.max() + 1)[targets] if are_classes else targets
    near = [values[_nearest(inputs, rows)].mean(1) for rows in (None, others)]
    model = _linear(inputs, targets, values, others) if linear else None
    by_name = {"nearest neighbours": Answers(*near)}
    return by_name if model is None else {"a linear model": model} | by_name


def _linear(
    inputs: np.ndarray, targets: np.ndarray, values: np.ndarray, others: np.ndarray
) -> Answers | None:
    from sklearn.model_selection import KFold, StratifiedKFold

    are_classes = targets.ndim == 1
    own, rest = np.zeros(values.shape), np.zeros((len(others), values.shape[1]))
    halves = (StratifiedKFold if are_classes else KFold)(2, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")
        for number, (known, asked) in enumerate(halves.split(inputs, targets)):
            model = fitted(inputs[known], targets[known], are_classes)
            if model is None:
                return None
            places = np.unique(targets[known]) if are_classes else np.arange(values.shape[1])
            own[asked[:, None], places] = model(inputs[asked])
            if number == 0:
                rest[:, places] = model(others)
    return Answers(own, rest)


def _nearest(known: np.ndarray, asked: np.ndarray | None) -> np.ndarray:
    """Return the places of the five known rows next to each asked one, or to each other: (M, 5)."""
    known = known.astype(np.float64)  # squares of single precision overflow
    rows = known if asked is None else asked.astype(np.float64)
    far = (known**2).sum(1) - 2 * (rows @ known.T)
    if asked is None:
        np.fill_diagonal(far, np.inf)
    count = min(_NEIGHBORS, len(known) - 1)
    return np.argpartition(far, count - 1, axis=1)[:, :count]


def errors_of(answers: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the error of each answer: 0 or 1 of classes, else as a share of the variance."""
    if targets.ndim == 1:
        return (answers.argmax(1) != targets).astype(float)
    return np.square(answers - targets).sum(1) / (float(targets.var(0).sum()) or 1.0)

"""Rows whose labels are likely wrong, classes that are told wrong, and how sure a network may be.

# N rows of a part, C classes
"""

import math
from typing import Any, NamedTuple

import numpy as np

from dlx.diagnose.evidence import Evidence, places

_SURE = 0.99
_FEWEST = 50  # rows that say something of labels


class Suspects(NamedTuple):
    """Rows of a part that are likely of another class than their labels say, the surest first."""

    part: str
    rows: np.ndarray  # (N,) their places in the part
    likely: np.ndarray  # (N,) their likely classes
    sure: np.ndarray  # (N,) the probabilities of these
    of: int  # rows that were looked at
    by: str  # what says so
    errors: tuple[float, float] | None = None  # of that model, on training and on judged rows


def suspects(e: Evidence) -> list[Suspects]:
    """Return the suspects of the judged part and of the training rows, where there are some."""
    found = (_judged(e), _trained_on(e))
    return [part for part in found if part is not None]


def _judged(e: Evidence) -> Suspects | None:
    """Return the rows that the network, which did not see them, is sure are of another class.

    They count if they are three, 2 % of the rows, and five times what its probabilities allow.
    """
    if e.judged is None or e.is_shared or e.judged not in e.said:
        return None
    outputs, targets = e.said[e.judged]
    if len(targets) < _FEWEST or e.errors[e.judged].mean > 0.3:
        return None
    most = outputs.max(1)
    wrong = (most > _SURE) & (outputs[np.arange(len(targets)), targets] < (1 - _SURE) / 2)
    expected = float((1 - most[most > _SURE]).sum())
    if wrong.sum() < max(3, 0.02 * len(targets), 5 * expected):
        return None
    return _suspects(e, e.judged, wrong, outputs, "the network")


def _trained_on(e: Evidence) -> Suspects | None:
    """Return the training rows of which a simple model, fitted on others, says another class.

    Wrong labels of training rows alone show in its errors: those on training rows that it was not
    fitted on are above those on judged rows, by five points and three standard errors. A row is a
    suspect if a class other than its label is at least as probable as it usually is for rows with
    that class's label.

    Reference:
        Northcutt, Jiang and Chuang (2021), Confident learning: estimating uncertainty in dataset
        labels
    """
    # Where there are train_dev rows, dev rows are of another kind.
    if e.judged is None or e.is_shared or "train_dev" in e.errors:
        return None
    if e.task.get("kind") not in ("binary", "multiclass") or not (e.simple and e.simple.by_name):
        return None
    by_name, targets, others = e.simple
    if min(len(targets), len(others)) < _FEWEST:
        return None
    wrong = {name: np.mean(of.others.argmax(1) != others) for name, of in by_name.items()}
    name, error = min(wrong.items(), key=lambda item: item[1])
    answers = by_name[name].own
    own = float(np.mean(answers.argmax(1) != targets))
    variance = own * (1 - own) / len(targets) + error * (1 - error) / len(others)
    if own - error < max(0.05, 3 * math.sqrt(variance)):
        return None
    usual = np.array([_mean(answers[targets == c, c]) for c in range(answers.shape[1])])
    outputs = np.where(answers >= usual, answers, 0.0)
    is_other = (outputs.max(1) > 0) & (outputs.argmax(1) != targets)
    return _suspects(e, "train", is_other, outputs, name, (own, float(error)))


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else math.inf


def _suspects(
    e: Evidence,
    part: str,
    chosen: np.ndarray,
    outputs: np.ndarray,
    by: str,
    errors: tuple[float, float] | None = None,
) -> Suspects:
    shown = np.flatnonzero(chosen)
    sure = outputs[shown].max(1)
    order = np.argsort(-sure, kind="stable")
    likely = outputs[shown[order]].argmax(1)
    assert e.splits is not None
    rows = places(e.splits.part(part), len(outputs))[shown[order]]
    return Suspects(part, rows, likely, sure[order], len(outputs), by, errors)


def confident(e: Evidence, most: int) -> tuple[str, np.ndarray] | None:
    """Return a part and the places in it of rows that are told wrong, the surest answers first.

    Of numbers they are those with the largest errors. None: there is no such row, or the network
    says neither one class with its probability nor numbers.
    """
    part = e.judged or ("train" if "train" in e.errors else None)
    if part is None or e.splits is None:
        return None
    if part in e.said:
        outputs, targets = e.said[part]
        worth = np.where(outputs.argmax(1) != targets, outputs.max(1), 0.0)
    elif e.task.get("kind") == "regression":
        worth = e.errors[part].rows
    else:
        return None
    order = np.argsort(-worth, kind="stable")[:most]
    order = order[worth[order] > 0]
    return (part, places(e.splits.part(part), len(worth))[order]) if len(order) else None


def worst_classes(outputs: np.ndarray, targets: np.ndarray, most: int) -> list[dict[str, Any]]:
    """Return the classes with the largest shares of rows that are told wrong.

    Outputs are (N, C) probabilities, targets (N,) classes. Each has `class`, its number, `rows`,
    `missed`, the share that is told wrong, and `taken_for`, the class that most of these are
    taken for.
    """
    said, classes = outputs.argmax(1), []
    for number in np.unique(targets):
        own = said[targets == number]
        others = np.bincount(own[own != number], minlength=1)
        missed = float(others.sum() / len(own))
        named = {"class": int(number), "rows": len(own), "missed": missed}
        classes.append(named | {"taken_for": int(others.argmax())})
    wrong = [row for row in classes if row["missed"] > 0]
    return sorted(wrong, key=lambda row: -row["missed"])[:most]


class Bin(NamedTuple):
    """The rows for which the largest probability lies in a tenth of 0 to 1."""

    low: float
    rows: int
    sure: float  # the mean of these probabilities
    right: float  # the share of right answers


def calibration_bins(outputs: np.ndarray, targets: np.ndarray) -> list[Bin]:
    """Return the bins that have rows; outputs are (N, C) probabilities, targets (N,) classes."""
    sure, right = outputs.max(1), outputs.argmax(1) == targets
    numbers = np.minimum((sure * 10).astype(int), 9)
    return [
        Bin(n / 10, int(own.sum()), float(sure[own].mean()), float(right[own].mean()))
        for n in np.unique(numbers).tolist()
        for own in [numbers == n]
    ]


def calibration_error(outputs: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
    """Return the expected calibration error in ten bins, and what chance alone makes of it.

    ECE = sum over bins of n_b / N |right_b - sure_b|, see `calibration_bins`.

    Reference:
        Guo, Pleiss, Sun and Weinberger (2017), On calibration of modern neural networks
    """
    error = noise = 0.0
    for b in calibration_bins(outputs, targets):
        error += b.rows / len(targets) * abs(b.right - b.sure)
        noise += b.rows / len(targets) * math.sqrt(max(b.sure * (1 - b.sure), 0.0) / b.rows)
    return error, noise

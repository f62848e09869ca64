"""Probes: what simple models can read from features, told the labels of a few training rows.

# N rows, F features, T targets
"""

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import log_loss, r2_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.preprocessing import StandardScaler

from dlx.data import randomness
from dlx.data.splits import draw
from dlx.errors import ConfigError, DataError
from dlx.training.linear_model import one_thread

NEIGHBORS = 5
FEWEST_OF_A_CLASS = 2  # one to fit on, one to choose C by
_STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)  # C, the inverse of the penalty's weight
_PENALTIES = np.logspace(-2, 4, 7)
_HELD_BACK = 0.2  # of the labelled rows, to choose C by


@dataclass(frozen=True)
class Features:
    """Features of the rows that probes are fitted on and of those that they are judged on."""

    train: np.ndarray  # (N, F) of all training rows
    test: np.ndarray  # (M, F)

    def standardized(self) -> "Features":
        """Return z-scores: mean and standard deviation are those of all training rows."""
        scaler = StandardScaler().fit(self.train)
        scaled = (np.asarray(scaler.transform(rows)) for rows in (self.train, self.test))
        return Features(*scaled)

    def principal_components(self, number: int) -> "Features":
        """Return the first principal components, losses in all training rows.

        Of F features of N rows there are no more than either.
        """
        number = min(number, *self.train.shape)
        pca = PCA(number, random_state=0).fit(self.train)
        return Features(pca.transform(self.train), pca.transform(self.test))


def labelled(
    targets: np.ndarray,
    classes: tuple[str, ...] | None,
    number: int,
    seed: int,
    key: str = "--labels",
) -> np.ndarray:
    """Return which training rows have labels, drawn at random: row numbers, ascending.

    Classes are stratified. The draw depends on targets, number and seed alone. Targets are (N,)
    numbers of the named classes, or (N, T) numbers; `key` is what asks for so many, for messages.
    """
    if number > len(targets):
        raise ConfigError(
            f"{key}: received {number:,}, but there are {len(targets):,} training rows; lower it"
        )
    strata = np.zeros(len(targets), np.int64) if classes is None else targets
    order = randomness.generator("probe", seed).permutation(len(targets))
    rows, _ = draw(order, strata, number)
    if classes is not None:
        counts = np.bincount(targets[rows], minlength=len(classes))
        fewest = int(counts.argmin())
        if counts[fewest] < FEWEST_OF_A_CLASS:
            raise DataError(
                f"class {classes[fewest]!r} has {counts[fewest]} of the {number:,} labelled rows; "
                f"a probe needs {FEWEST_OF_A_CLASS} of each class: raise {key}, or probe a run of "
                "more rows"
            )
    return rows


def score_classes(
    plain: Features, scaled: Features, train: np.ndarray, test: np.ndarray, rows: np.ndarray
) -> dict[str, float]:
    """Return the accuracy of logistic regression and of nearest neighbors.

    Logistic regression sees z-scores (see `logistic`). The 5 nearest neighbors are those of the
    features as they are, whose distances mean something.

    Args:
        plain: the features
        scaled: their z-scores
        train: (N,) classes of the training rows
        test: (M,) classes of the others
        rows: the training rows whose classes are known
    """
    known = train[rows]
    model = logistic(scaled.train[rows], known)
    neighbors = KNeighborsClassifier(min(NEIGHBORS, len(rows))).fit(plain.train[rows], known)
    return {
        "logistic_regression": float(np.mean(model.predict(scaled.test) == test)),
        "nearest_neighbors": float(np.mean(neighbors.predict(plain.test) == test)),
    }


def logistic(x: np.ndarray, classes: np.ndarray) -> LogisticRegression:
    """Return logistic regression fitted on labelled rows.

    The weight of its L2 penalty is the one of 0.001, 0.01, 0.1, 1 and 10 (C, the least first where
    they tie) with the lowest cross-entropy on a fifth of the rows, after which it is fitted on all.

    Args:
        x: (L, F) z-scores
        classes: (L,) class numbers, two or more rows of each
    """
    held_back, kept = draw(np.arange(len(x)), classes, round(_HELD_BACK * len(x)))
    losses = []
    for strength in _STRENGTHS:
        model = _logistic(strength, x[kept], classes[kept])
        said = model.predict_proba(x[held_back])
        losses.append(log_loss(classes[held_back], said, labels=model.classes_))
    return _logistic(_STRENGTHS[int(np.argmin(losses))], x, classes)


def score_numbers(
    plain: Features, scaled: Features, train: np.ndarray, test: np.ndarray, rows: np.ndarray
) -> dict[str, float]:
    """Return r2 of ridge regression and of nearest neighbors, the mean over the targets.

    Ridge sees z-scores; its penalty, from 0.01 to 10,000, is chosen by leave-one-out on the
    labelled rows. Arguments are those of `score_classes`, with numbers (N, T) for classes.
    """
    known = train[rows]
    ridge = RidgeCV(_PENALTIES).fit(scaled.train[rows], known)
    neighbors = KNeighborsRegressor(min(NEIGHBORS, len(rows))).fit(plain.train[rows], known)
    return {
        "ridge": float(r2_score(test, ridge.predict(scaled.test))),
        "nearest_neighbors": float(r2_score(test, neighbors.predict(plain.test))),
    }


def _logistic(strength: float, x: np.ndarray, classes: np.ndarray) -> LogisticRegression:
    with warnings.catch_warnings(), one_thread():
        # Of rows that a weak penalty all but separates: by then what it says changes no more.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LogisticRegression(C=strength, max_iter=1000).fit(x, classes)

"""Equivalence: that a difference is smaller than what matters, which no large p of a test shows."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr

from dlx.ablation.statistics.intervals import present, standard_error

RARE = 0.1
"""The share of seeds whose deviation may go unseen where all pairs are equal."""


def two_one_sided(paired: ArrayLike, margin: float, *, overlap: float = 0.0) -> float:
    """Return p of two one-sided paired t tests that |mean difference| >= margin.

    p = max(P(T > (mean + margin) / e), P(T < (mean - margin) / e)), T of N - 1 degrees of freedom,
    e the standard error. Small p: the difference is inside ±margin. Without any variance p is 0
    inside and 1 outside.

    Args:
        paired: (N,) differences; NaNs are left out
        margin: largest difference that does not matter, in the metric's units
        overlap: see `intervals.standard_error`

    Returns:
        p; NaN of fewer than two pairs

    Reference:
        Schuirmann 1987, A comparison of the two one-sided tests procedure and the power approach,
        Journal of Pharmacokinetics and Biopharmaceutics 15.
    """
    held = present(paired)
    if len(held) < 2:
        return np.nan
    mean, error = float(held.mean()), standard_error(held, overlap)
    if not error:
        return float(abs(mean) >= margin)
    freedom = len(held) - 1
    above = stdtr(freedom, -(mean + margin) / error)
    below = stdtr(freedom, (mean - margin) / error)
    return float(max(above, below))


def alike_by_chance(values: ArrayLike) -> float:
    """Return p that a variant that is not equivalent has the same value as its baseline in N pairs.

    Where all pairs are equal, their variance says nothing of the seeds that were not tried. Two
    things may be behind it. Two runs that have nothing to do with each other may have met the same
    value, by a chance of sum of q^2 a pair, q being the share of the runs with each value: small
    where values vary from seed to seed, so that equal pairs are equal networks. Or it is the value
    nearly all runs have, such as an accuracy of 1, and a tenth of the seeds that deviates was not
    met, (1 - RARE)^N. p is the smaller one: of accuracies of 1.0 throughout, 29 pairs come below
    0.05.

    Args:
        values: (N,) of the baseline in these pairs
    """
    counts = np.unique(np.asarray(values, float), return_counts=True)[1]
    n = int(counts.sum())
    return min(float((counts / n) @ (counts / n)), 1 - RARE) ** n


def most_unseen(n: int, *, confidence: float = 0.95) -> float:
    """Return the largest share of deviating seeds that n pairs without one leave possible.

    1 - (1 - confidence)^(1/n), the exact form of the rule of three.

    Reference:
        Hanley and Lippman-Hand 1983, If nothing goes wrong, is everything all right?, JAMA 249.
    """
    return 1 - (1 - confidence) ** (1 / n)

"""Equivalence: whether a difference is too small to matter, which a large p does not show."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlx.ablation.statistics.intervals import CONFIDENCE, Spread, present, spread_of

RARE = 0.1
"""The share of deviating seeds that equal pairs have to rule out."""


def two_one_sided(paired: ArrayLike, margin: float, spread: Spread) -> float:
    """Return p of two one-sided paired t tests of the hypothesis |mean difference| >= margin.

    p = max(P(T > (mean + margin) / e), P(T < (mean - margin) / e)), with N - 1 degrees of freedom
    and the standard error e. A small p means that the difference is inside ±margin. Where all
    differences are equal, p is 0 inside and 1 outside; it is NaN for fewer than two pairs.

    Args:
        paired: (N,) differences; NaNs are left out
        margin: largest difference that does not matter, in the metric's units
        spread: of the differences

    Reference:
        Schuirmann 1987, A comparison of the two one-sided tests procedure and the power approach,
        Journal of Pharmacokinetics and Biopharmaceutics 15.
    """
    values = present(paired)
    if len(values) < 2:
        return np.nan
    return spread.p_above(margin - abs(float(values.mean())))


def within_share(
    paired: NDArray[np.float64], margins: NDArray[np.float64], spread: Spread
) -> float:
    """Return p of two one-sided tests against a margin that is known no better than the baseline.

    A margin of 10 % of the baseline's error varies from seed to seed as the error does. So what is
    tested is the mean of d + m, and that of d - m, with the difference d and the margin m of each
    pair: the margin's own noise is a part of theirs.

    Args:
        paired: (N,) differences
        margins: (N,) at the same pairs
        spread: of the differences; what other variants lend it is lent to both sums too

    Reference:
        Hauschke, Kieser, Diletti and Burke 1999, Sample size determination for proving equivalence
        based on the ratio of two means for normally distributed data, Statistics in Medicine 18.
    """
    if len(paired) < 2:
        return np.nan
    own = spread_of(paired)
    lent = spread.variance / own.variance if own.variance else 1.0

    def p_above(sums: NDArray[np.float64]) -> float:
        known = replace(spread, variance=spread_of(sums).variance * lent)
        return known.p_above(float(sums.mean()))

    return max(p_above(margins + paired), p_above(margins - paired))


def chance_alike(values: ArrayLike) -> float:
    """Return how likely a pair of a variant that is not equivalent is equal by chance, (N,) values.

    Equal pairs have no variance, which says nothing about seeds that were not tried. They can be
    equal by chance in two ways. Independent runs have the same value with a probability of the sum
    of q², q being the share of the runs with each value. It is small where values vary from seed to
    seed. Or nearly all runs have the same value, such as an accuracy of 1, and none of the N seeds
    is among the share RARE that deviates: 1 - RARE. The result is the smaller of the two; its N-th
    power is p of N equal pairs. If all accuracies are 1.0, it takes 29 pairs for p < 0.05.
    """
    counts = np.unique(np.asarray(values, float), return_counts=True)[1]
    shares = counts / counts.sum()
    return min(float(shares @ shares), 1 - RARE)


def most_unseen(n: int) -> float:
    """Return the largest share of deviating seeds that is possible where n pairs show none.

    1 - (1 - CONFIDENCE)^(1/n), the exact form of the rule of three.

    Reference:
        Hanley and Lippman-Hand 1983, If nothing goes wrong, is everything all right?, JAMA 249.
    """
    return 1 - (1 - CONFIDENCE) ** (1 / n)

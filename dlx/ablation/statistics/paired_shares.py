"""Paired yes or no: whether a variant succeeds more often than its baseline at the same seeds."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr

from dlx.ablation.statistics.intervals import share_interval
from dlx.ablation.statistics.paired import Difference

# N pairs of outcomes, 1 for success and 0


def _counts(variant: ArrayLike, baseline: ArrayLike) -> tuple[int, int, int, int]:
    """Count the pairs: both succeeded, the variant alone, the baseline alone, neither."""
    mine, other = np.asarray(variant, float), np.asarray(baseline, float)
    whole = ~(np.isnan(mine) | np.isnan(other))
    mine, other = mine[whole] == 1, other[whole] == 1
    both, alone, lost = mine & other, mine & ~other, ~mine & other
    return int(both.sum()), int(alone.sum()), int(lost.sum()), int((~mine & ~other).sum())


def paired_shares(
    counts: tuple[int, int, int, int], *, confidence: float = 0.95
) -> tuple[float, float]:
    """Return the interval of the difference of two paired shares.

    Each share's Wilson interval, put together by squares and the correlation of the pairs. It has
    a width where all pairs agree too.

    Args:
        counts: both succeeded, the variant alone, the baseline alone, neither
        confidence: of the interval

    Reference:
        Newcombe 1998, Improved confidence intervals for the difference between binomial
        proportions based on paired data, Statistics in Medicine 17, method 10.
    """
    both, alone, lost, neither = counts
    n = sum(counts)
    mine = share_interval(both + alone, n, confidence=confidence)
    other = share_interval(both + lost, n, confidence=confidence)
    product = (both + alone) * (lost + neither) * (both + lost) * (alone + neither)
    association = both * neither - alone * lost
    if association > 0:
        association = max(association - n / 2, 0)
    correlation = association / product**0.5 if product else 0.0

    def width(a: float, b: float) -> float:
        return max(a * a - 2 * correlation * a * b + b * b, 0.0) ** 0.5

    difference = mine.mean - other.mean
    low = difference - width(mine.mean - mine.low, other.high - other.mean)
    return low, difference + width(mine.high - mine.mean, other.mean - other.low)


def mcnemar(variant: ArrayLike, baseline: ArrayLike, *, confidence: float = 0.95) -> Difference:
    """Return McNemar's exact test: of the pairs that differ, half should be the variant's.

    p = min(1, 2 P(Binomial(m, 1/2) <= k)), of m pairs that differ, k of them the one way and m - k
    >= k the other. It takes six such pairs to come below 0.05.

    Args:
        variant: (N,) 1, 0 or NaN
        baseline: (N,) at the same seeds
        confidence: of the interval of the difference of the shares

    Reference:
        McNemar 1947, Note on the sampling error of the difference between correlated proportions,
        Psychometrika 12.
    """
    counts = _counts(variant, baseline)
    _, alone, lost, _ = counts
    n = sum(counts)
    if n < 2:
        mean = float((alone - lost) / n) if n else np.nan
        return Difference(mean, np.nan, np.nan, np.nan, np.nan, n, "McNemar exact")
    p = min(1.0, 2 * float(bdtr(min(alone, lost), alone + lost, 0.5)))
    low, high = paired_shares(counts, confidence=confidence)
    return Difference((alone - lost) / n, low, high, p, p, n, "McNemar exact")


def equivalent_shares(variant: ArrayLike, baseline: ArrayLike, margin: float) -> float:
    """Return p that two paired shares differ by margin or more.

    The p at which the interval of `paired_shares` of confidence 1 - 2 p just reaches ±margin: two
    one-sided tests. For ten successes against ten and a margin of 0.005 it is near 0.5, since ten
    runs cannot tell shares so finely.
    """
    from scipy.optimize import brentq  # a fifth of a second that only this needs

    counts = _counts(variant, baseline)
    if sum(counts) < 2:
        return np.nan

    def room(p: float) -> float:
        low, high = paired_shares(counts, confidence=1 - 2 * p)
        return min(low + margin, margin - high)

    if room(0.5) <= 0:
        return 1.0
    if room(1e-12) >= 0:
        return 0.0
    return float(brentq(room, 1e-12, 0.5))  # type: ignore[arg-type]

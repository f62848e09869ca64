"""Whether a variant succeeds more often than its baseline at the same seeds."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr

from dlx.ablation.statistics.intervals import CONFIDENCE, share_interval
from dlx.ablation.statistics.paired import Difference

# N pairs of outcomes: 1 success, 0 none, NaN no run


def _counts(variant: ArrayLike, baseline: ArrayLike) -> tuple[int, int, int, int]:
    """Count the pairs: both succeeded, the variant alone, the baseline alone, neither."""
    pairs = np.stack([np.asarray(variant, float), np.asarray(baseline, float)])
    a, b = pairs[:, ~np.isnan(pairs).any(0)] == 1
    return int((a & b).sum()), int((a & ~b).sum()), int((~a & b).sum()), int((~a & ~b).sum())


def paired_shares(
    counts: tuple[int, int, int, int], *, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Return the interval of the difference of two paired shares, from `_counts`.

    It combines the Wilson intervals of the shares, by their squared widths and the correlation of
    the pairs. It has a width even if all pairs agree.

    Reference:
        Newcombe 1998, Improved confidence intervals for the difference between binomial
        proportions based on paired data, Statistics in Medicine 17, method 10.
    """
    both, variant_alone, baseline_alone, neither = counts
    n, num_variant, num_baseline = sum(counts), both + variant_alone, both + baseline_alone
    variant = share_interval(num_variant, n, confidence=confidence)
    baseline = share_interval(num_baseline, n, confidence=confidence)
    product = num_variant * (n - num_variant) * num_baseline * (n - num_baseline)
    association = both * neither - variant_alone * baseline_alone
    if association > 0:
        association = max(association - n / 2, 0)
    correlation = association / product**0.5 if product else 0.0

    def width(a: float, b: float) -> float:
        return max(a * a - 2 * correlation * a * b + b * b, 0.0) ** 0.5

    difference = variant.mean - baseline.mean
    low = difference - width(variant.mean - variant.low, baseline.high - baseline.mean)
    high = difference + width(variant.high - variant.mean, baseline.mean - baseline.low)
    return low, high


def mcnemar(
    variant: ArrayLike, baseline: ArrayLike, *, confidence: float = CONFIDENCE
) -> Difference:
    """Return McNemar's mid-p test of two paired shares, (N,) outcomes at the same seeds each.

    m pairs differ, and in k of them the rarer one of the two succeeded. Of what is observed half
    is counted: p = 2 P(X <= k) - P(X = k), X being Binomial(m, 1/2). The exact test counts all of
    it, and so stays far below the error rate that it may have: it takes six such pairs for
    p < 0.05, this one five.

    Reference:
        McNemar 1947, Note on the sampling error of the difference between correlated proportions,
        Psychometrika 12; Fagerland, Lydersen and Laake 2013, The McNemar test for binary
        matched-pairs data: mid-p and asymptotic are better than exact conditional, BMC Medical
        Research Methodology 13, where the mid-p test stays below 5 % nearly everywhere.
    """
    counts = _counts(variant, baseline)
    _, variant_alone, baseline_alone, _ = counts
    n = sum(counts)
    mean = (variant_alone - baseline_alone) / n if n else np.nan
    low = high = p = np.nan
    if n > 1:
        fewer, differing = min(variant_alone, baseline_alone), variant_alone + baseline_alone
        p = 1.0
        if fewer < differing - fewer:
            below = bdtr(fewer - 1, differing, 0.5) if fewer else 0.0
            p = float(below + bdtr(fewer, differing, 0.5))
        low, high = paired_shares(counts, confidence=confidence)
    return Difference(mean, low, high, p, p, n, "McNemar mid-p")


def equivalent_shares(variant: ArrayLike, baseline: ArrayLike, margin: float) -> float:
    """Return p of the hypothesis that two paired shares differ by margin or more.

    It is the p at which the interval of `paired_shares` with confidence 1 - 2 p just reaches
    ±margin, which stands for two one-sided tests. For 10 of 10 successes in both and a margin of
    0.005 it is near 0.5: ten runs cannot tell shares so close.
    """
    from scipy.optimize import brentq  # takes a fifth of a second to import

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

"""Confidence intervals of a mean, of a share and of a median."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, ndtri, stdtrit

# N values


@dataclass(frozen=True)
class Estimate:
    """A mean, a share or a median with its confidence interval.

    Attributes:
        mean: the value that is estimated; NaN of no values
        low: end of the interval; NaN where there is none, as of a single value
        high: its other end
        n: how many values it is of
    """

    mean: float
    low: float
    high: float
    n: int

    def within(self, low: float, high: float) -> "Estimate":
        """Return it with its interval cut to the values that are possible, which loses none."""
        ends = np.clip([self.low, self.high], low, high)
        return replace(self, low=float(ends[0]), high=float(ends[1]))


def present(values: ArrayLike) -> NDArray[np.float64]:
    """Return the values that are not missing, as float64."""
    array = np.asarray(values, float)
    return array[~np.isnan(array)]


def standard_error(values: NDArray[np.float64], overlap: float = 0.0) -> float:
    """Return the standard error of a mean, s sqrt(1/N + overlap), exactly 0 of equal values.

    Args:
        values: (N,), N > 1
        overlap: of folds of one cross-validation, the rows a fold is tested on per row that it is
            trained on, 1 / (folds - 1); 0 of independent values

    Reference:
        Nadeau and Bengio 2003, Inference for the generalization error, Machine Learning 52. The
        folds share most of their training rows, so that their values vary less than those of
        fresh data would: 1/N alone is too sure.
    """
    # Rounding makes a deviation of 1e-17 of values that are all 0.95.
    if np.ptp(values) <= 1e-12 * np.abs(values).max():
        return 0.0
    return float(np.std(values, ddof=1)) * (1 / len(values) + overlap) ** 0.5


def mean_interval(values: ArrayLike, *, confidence: float = 0.95, overlap: float = 0.0) -> Estimate:
    """Return the mean and its t interval, mean ± t(N - 1) s sqrt(1/N + overlap).

    Args:
        values: (N,); NaNs are left out
        confidence: of the interval
        overlap: see `standard_error`

    Reference:
        Student 1908, The probable error of a mean, Biometrika 6.
    """
    held = present(values)
    if len(held) == 0:
        return Estimate(np.nan, np.nan, np.nan, 0)
    mean = float(held.mean())
    if len(held) == 1:
        return Estimate(mean, np.nan, np.nan, 1)
    width = float(stdtrit(len(held) - 1, (1 + confidence) / 2)) * standard_error(held, overlap)
    return Estimate(mean, mean - width, mean + width, len(held))


def share_interval(count: int, n: int, *, confidence: float = 0.95) -> Estimate:
    """Return the share count / n and its Wilson interval.

    It has a width where all or none of n succeeded too: 10 of 10 is 0.72 to 1.

    Args:
        count: of successes
        n: of runs
        confidence: of the interval

    Reference:
        Wilson 1927, Probable inference, Journal of the American Statistical Association 22. Of the
        intervals for a share it keeps closest to its confidence at small n (Agresti and Coull
        1998); Clopper and Pearson's is wider than it has to be.
    """
    if n == 0:
        return Estimate(np.nan, np.nan, np.nan, 0)
    share, z = count / n, float(ndtri((1 + confidence) / 2))
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    width = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    low = 0.0 if count == 0 else middle - width
    high = 1.0 if count == n else middle + width
    return Estimate(share, low, high, n)


def median_interval(values: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Return the median and an interval that holds for any distribution.

    Its ends are the k-th smallest and k-th largest value, for the largest k with
    2 P(Binomial(N, 1/2) < k) <= 1 - confidence. Fewer than six values have none at 95 %.

    Args:
        values: (N,); infinity is later than all (a threshold that was never reached)
        confidence: at least, of the interval

    Reference:
        Conover 1999, Practical Nonparametric Statistics, section 3.2.
    """
    held = np.sort(present(values))
    if len(held) == 0:
        return Estimate(np.nan, np.nan, np.nan, 0)
    middle = held[(len(held) - 1) // 2 : len(held) // 2 + 1]
    below = np.arange((len(held) + 1) // 2)
    # Values before the k-th, k = 1, 2, …: at most so many of them may be below the median.
    fitting = int((2 * bdtr(below, len(held), 0.5) <= 1 - confidence).sum())
    low, high = (held[fitting - 1], held[-fitting]) if fitting else (np.nan, np.nan)
    return Estimate(float(middle.mean()), float(low), float(high), len(held))

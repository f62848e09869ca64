"""Confidence intervals of means, shares and medians."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, ndtri, stdtr, stdtrit

# N values

CONFIDENCE = 0.95
"""Of all intervals that an ablation shows; 1 - CONFIDENCE is the error rate of its verdicts."""


_LEAST_LOG_P = -300.0  # smaller p are not told apart


@dataclass(frozen=True)
class Estimate:
    """A mean, a share or a median with its confidence interval."""

    mean: float  # the estimate; NaN without any value
    low: float  # lower end of the interval; NaN if there is none, as for a single value
    high: float  # upper end
    n: int  # number of values

    def within(self, low: float, high: float) -> "Estimate":
        """Return the estimate with its interval cut to the possible values."""
        ends = np.clip([self.low, self.high], low, high)
        return replace(self, low=float(ends[0]), high=float(ends[1]))


def present(values: ArrayLike) -> NDArray[np.float64]:
    """Return the values that are not NaN, as float64."""
    array = np.asarray(values, float)
    return array[~np.isnan(array)]


def mean_of_present(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of each column's values that are not NaN: (N,) from (M, N).

    NaN where a column has none. (NumPy's nanmean would warn of it.)
    """
    is_present = ~np.isnan(rows)
    total, count = np.where(is_present, rows, 0.0).sum(0), is_present.sum(0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


@dataclass(frozen=True)
class Spread:
    """The variance of a mean of N paired differences, and what is known of it."""

    variance: float  # s², of the differences about their mean
    freedom: float  # its degrees of freedom, N - 1 of the pairs alone
    share: float  # of s² that is the variance of the mean: 1/N, more where the pairs overlap
    of_rows: float = 0.0  # variance that the choice of the judged rows adds, see `rows.with_rows`
    row_freedom: float = np.inf  # its degrees of freedom

    @property
    def of_seeds(self) -> float:
        """The variance of the mean that seeds make: s² share."""
        return self.variance * self.share

    @property
    def row_share(self) -> float:
        """The share of the variance that rows make; 0 without any variance."""
        total = self.of_seeds + self.of_rows
        return self.of_rows / total if total > 0 else 0.0

    @property
    def error(self) -> float:
        """The standard error of the mean."""
        return (self.of_seeds + self.of_rows) ** 0.5

    def width(self, confidence: float = CONFIDENCE) -> float:
        """Return the half of the interval: sqrt(t² s² share + t'² v) with the variance v of rows.

        t and t' are the quantiles of each variance's own degrees of freedom.

        Reference:
            Howe 1974, Approximate confidence limits on the mean of X + Y, JASA 69; Graybill and
            Wang 1980, Confidence intervals on nonnegative linear combinations of variances, JASA
            75.
        """
        return self._width((1 - confidence) / 2)

    def _width(self, tail: float) -> float:
        """Return the half of the interval outside of which a share `tail` lies on each side."""
        quantiles = stdtrit([self.freedom, self.row_freedom], tail)
        return float(np.hypot(*(quantiles * np.sqrt([self.of_seeds, self.of_rows]))))

    def p(self, distance: float) -> float:
        """Return the two-sided p of a mean so far from the true one: 1 - the interval's confidence.

        Without any variance it is 0, and 1 for no distance.
        """
        if not self.error:
            return 0.0 if distance else 1.0
        if not self.of_rows:
            return 2 * float(stdtr(self.freedom, -abs(distance) / self.error))
        return self._p_of_both(abs(distance))

    def _p_of_both(self, distance: float) -> float:
        """Return the p at which an interval of two variances is so wide."""
        from scipy.optimize import brentq  # takes a fifth of a second to import

        def excess(log_p: float) -> float:
            return self._width(np.exp(log_p) / 2) - distance

        if excess(0.0) >= 0:
            return 1.0
        if excess(_LEAST_LOG_P) <= 0:
            return float(np.exp(_LEAST_LOG_P))
        log_p: float = brentq(excess, _LEAST_LOG_P, 0.0, xtol=1e-12)  # type: ignore
        return float(np.exp(log_p))

    def p_above(self, mean: float) -> float:
        """Return the one-sided p of the hypothesis that the true mean is not above 0.

        Without any variance it is 0 for a mean above 0, and 1 for another.
        """
        if not self.error:
            return float(mean <= 0)
        two_sided = self.p(mean)
        return two_sided / 2 if mean > 0 else 1 - two_sided / 2


def spread_of(paired: ArrayLike, *, overlap: float = 0.0) -> Spread:
    """Return the spread that N pairs show themselves; NaNs are left out.

    Args:
        paired: (N,) differences
        overlap: for the folds of a cross-validation, a fold's test rows per training row,
            1 / (folds - 1); 0 for independent pairs

    Reference:
        Nadeau and Bengio 2003, Inference for the generalization error, Machine Learning 52. Folds
        share most of their training rows, so that their values vary less than those of new data
        would: with 1/N alone the error would be too small.
    """
    values = present(paired)
    n = len(values)
    if n < 2:
        return Spread(np.nan, np.nan, np.nan)
    # Rounding makes a deviation of 1e-17 from values that are all 0.95.
    is_constant = np.ptp(values) <= 1e-12 * np.abs(values).max()
    return Spread(0.0 if is_constant else float(values.var(ddof=1)), n - 1, 1 / n + overlap)


def mean_interval(
    values: ArrayLike, *, confidence: float = CONFIDENCE, spread: Spread | None = None
) -> Estimate:
    """Return the mean and its t interval, mean ± t(N - 1) s / sqrt(N); NaNs are left out.

    A given `spread` is that of the interval.

    Reference:
        Student 1908, The probable error of a mean, Biometrika 6.
    """
    array = present(values)
    if len(array) == 0:
        return Estimate(np.nan, np.nan, np.nan, 0)
    mean = float(array.mean())
    if len(array) == 1:
        return Estimate(mean, np.nan, np.nan, 1)
    width = (spread or spread_of(array)).width(confidence)
    return Estimate(mean, mean - width, mean + width, len(array))


def share_interval(count: float, n: float, *, confidence: float = CONFIDENCE) -> Estimate:
    """Return the share count / n and its Wilson interval.

    It has a width even if all or none of n succeeded: 10 of 10 is 0.72 to 1. Counts need not be
    whole, where runs depend on each other and n of them are worth fewer.

    Reference:
        Wilson 1927, Probable inference, Journal of the American Statistical Association 22. At
        small n its coverage is closest to the confidence (Agresti and Coull 1998); Clopper and
        Pearson's interval is wider than needed.
    """
    if n == 0:
        return Estimate(np.nan, np.nan, np.nan, 0)
    share, z = count / n, float(ndtri((1 + confidence) / 2))
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    width = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    low = 0.0 if count == 0 else middle - width
    high = 1.0 if count == n else middle + width
    return Estimate(share, low, high, int(n))


def median_interval(values: ArrayLike) -> Estimate:
    """Return the median and an interval that holds for any distribution.

    Its ends are the k-th smallest and the k-th largest value, for the largest k with
    2 P(Binomial(N, 1/2) < k) <= 1 - CONFIDENCE. It takes six values. A value is infinite for a
    threshold that was never reached.

    Reference:
        Conover 1999, Practical Nonparametric Statistics, section 3.2.
    """
    array = np.sort(present(values))
    if len(array) == 0:
        return Estimate(np.nan, np.nan, np.nan, 0)
    middle = array[(len(array) - 1) // 2 : len(array) // 2 + 1]
    below = np.arange((len(array) + 1) // 2)  # k - 1
    k = int((2 * bdtr(below, len(array), 0.5) <= 1 - CONFIDENCE).sum())
    low, high = (array[k - 1], array[-k]) if k else (np.nan, np.nan)
    return Estimate(float(middle.mean()), float(low), float(high), len(array))

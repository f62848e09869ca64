"""The paired comparison of a variant with its baseline: value against value at equal seeds."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlx.ablation.statistics.intervals import CONFIDENCE, Spread, present, spread_of

# N pairs


@dataclass(frozen=True)
class Difference:
    """The mean of paired differences, variant minus baseline."""

    mean: float  # of the differences; NaN without any pair
    low: float  # lower end of its confidence interval; NaN for fewer than two pairs
    high: float  # upper end
    p: float  # two-sided, of no difference; NaN for fewer than two pairs
    p_coarse: float  # p with a correction for values that repeat, which verdicts use
    n: int  # number of pairs
    test: str  # its name


def differences(variant: ArrayLike, baseline: ArrayLike) -> NDArray[np.float64]:
    """Return variant - baseline for the pairs that have both values: (N,), without NaNs.

    A difference by rounding alone is 0.
    """
    values, others = np.asarray(variant, float), np.asarray(baseline, float)
    paired = values - others
    paired[np.abs(paired) <= 1e-12 * np.maximum(np.abs(values), np.abs(others))] = 0.0
    return present(paired)


def step(paired: NDArray[np.float64]) -> float:
    """Return the step between values on a coarse scale; 0 if no two differences are equal.

    It is the least distance between any two of 0 and the absolute differences: 0.25 for accuracies
    of XOR, one row's share for accuracies on many rows.
    """
    largest = np.abs(paired).max(initial=0.0)
    if not largest:
        return 0.0
    distinct = np.unique(np.round(np.abs(paired) / largest, 9))
    if len(distinct) == len(paired):
        return 0.0
    return float(np.diff(distinct, prepend=0.0)[distinct > 0].min() * largest)


def paired_t(
    paired: ArrayLike,
    *,
    overlap: float = 0.0,
    spread: Spread | None = None,
    confidence: float = CONFIDENCE,
) -> Difference:
    """Return Student's t test of paired differences: t = mean / (s sqrt(1/N + overlap)).

    Where two variants do not differ, their differences are distributed symmetrically about 0,
    however skewed the metric is. For values on a coarse scale, such as accuracies of 0.5 and 1,
    `p_coarse` has a continuity correction, |mean| - step / 2N in place of |mean|.

    If all differences are equal, p is 1 if they are 0, else 0. NaNs are left out. `overlap`, see
    `spread_of`, gives the corrected resampled t test for folds. A given `spread` is that of the
    interval and of `p_coarse`; p has no variance that other variants lend. `confidence` is that of
    the interval.

    Reference:
        Student 1908; with overlap, Nadeau and Bengio 2003.
    """
    values = present(paired)
    test = "paired t, corrected for folds" if overlap else "paired t"
    mean, n = float(values.mean()) if len(values) else np.nan, len(values)
    if n < 2:
        return Difference(mean, np.nan, np.nan, np.nan, np.nan, n, test)
    alone = spread_of(values, overlap=overlap)
    spread = spread or alone
    if np.isfinite(spread.row_freedom):
        test = "paired t, over seeds and rows"
        alone = replace(alone, of_rows=spread.of_rows, row_freedom=spread.row_freedom)
    width, least = spread.width(confidence), max(abs(mean) - step(values) / (2 * n), 0.0)
    p, p_coarse = alone.p(mean), spread.p(least)
    return Difference(mean, mean - width, mean + width, p, p_coarse, n, test)

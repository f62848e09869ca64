"""The paired comparison of a variant with its baseline: at equal seed, value against value."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr

from dlx.ablation.statistics.intervals import mean_interval, present, standard_error

# N pairs


@dataclass(frozen=True)
class Difference:
    """The mean of paired differences, variant minus baseline.

    Attributes:
        mean: of the differences; NaN of no pairs
        low: end of its confidence interval; NaN of fewer than two pairs
        high: its other end
        p: two-sided, of no difference; NaN of fewer than two pairs
        p_coarse: p with the allowance for values that repeat, which verdicts go by
        n: pairs
        test: its name
    """

    mean: float
    low: float
    high: float
    p: float
    p_coarse: float
    n: int
    test: str


def differences(variant: ArrayLike, baseline: ArrayLike) -> NDArray[np.float64]:
    """Return variant - baseline of the pairs that are whole: (N,), without NaNs.

    What is rounding alone is 0.
    """
    mine, other = np.asarray(variant, float), np.asarray(baseline, float)
    found = mine - other
    found[np.abs(found) <= 1e-12 * np.maximum(np.abs(mine), np.abs(other))] = 0.0
    return present(found)


def step(paired: NDArray[np.float64]) -> float:
    """Return the step of a scale on which differences repeat, 0 if all are distinct.

    The least distance between two of 0 and the absolute differences: 0.25 of XOR's accuracies, one
    row of accuracies on many rows.
    """
    largest = np.abs(paired).max(initial=0.0)
    if not largest:
        return 0.0
    distinct = np.unique(np.round(np.abs(paired) / largest, 9))
    if len(distinct) == len(paired):
        return 0.0
    return float(np.diff(distinct, prepend=0.0)[distinct > 0].min() * largest)


def paired_t(paired: ArrayLike, *, confidence: float = 0.95, overlap: float = 0.0) -> Difference:
    """Return Student's t test of paired differences: t = mean / (s sqrt(1/N + overlap)).

    Two variants that do not differ have differences that are distributed symmetrically about 0,
    however skewed the metric is, and for symmetric differences with heavy tails t is cautious: it
    keeps its rate. It does not for values that take few steps, as accuracies of 0.5 and 1: there
    4 variants with 10 seeds were decided falsely in 6.7 % of ablations. `p_coarse` has a
    continuity correction, |mean| - step / 2N for |mean|, which brings it to 5.2 % at most
    (`benchmarks/calibration.py`) and changes nothing where no values repeat.

    It says nothing sure of a variant that is as good on average but of another shape, with some
    runs far off, until there are some dozens of pairs.

    Without any variance p is 0 where the difference is not 0, else 1.

    Args:
        paired: (N,) differences, variant minus baseline; NaNs are left out
        confidence: of the interval
        overlap: of folds of one cross-validation, see `intervals.standard_error`: the corrected
            resampled t test

    Reference:
        Student 1908; with overlap, Nadeau and Bengio 2003.
    """
    held = present(paired)
    test = "paired t, corrected for folds" if overlap else "paired t"
    mean = mean_interval(held, confidence=confidence, overlap=overlap)
    if mean.n < 2:
        return Difference(mean.mean, np.nan, np.nan, np.nan, np.nan, mean.n, test)
    error = standard_error(held, overlap)
    p, p_coarse = (
        _p(max(abs(mean.mean) - lost, 0.0), error, mean.n)
        for lost in (0.0, step(held) / (2 * mean.n))
    )
    return Difference(mean.mean, mean.low, mean.high, p, p_coarse, mean.n, test)


def _p(distance: float, error: float, n: int) -> float:
    if not error:
        return 0.0 if distance else 1.0
    return 2 * float(stdtr(n - 1, -distance / error))

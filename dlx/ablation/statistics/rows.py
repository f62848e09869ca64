"""What the choice of the judged rows adds to the variance of a mean over seeds."""

# S seeds, each judged on n rows of its own or of all; R rows that are judged at all

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dlx.ablation.statistics.intervals import Spread

TRAINED_TOO = 0.5
"""What a judged row for each training row adds to the rows' variance: other rows to train on.

No number of seeds shows it, since all of them train on much the same rows. Measured
(`benchmarks/data_sets.py`): with it intervals hold what is true of other data sets.
"""


@dataclass(frozen=True)
class Judgement:
    """What one run makes of each row that it is judged on."""

    rows: NDArray[np.int64]  # (n,) numbers in the data set, ascending
    values: NDArray[np.float64]  # (n,) whose mean is the judged metric
    num_train: int  # rows that it was trained on


def with_rows(spread: Spread, seeds: Sequence[Judgement]) -> Spread:
    """Return the spread of a mean over seeds, with what other rows would change.

    The mean over S seeds of a mean over n rows varies with the seeds and with the rows. Its
    variance is that of the seeds' means about their own mean, s² / S, and the covariance C of two
    seeds, which no number of seeds takes away: where one seed is good at a row, others are too.

        C = Σ_i (t_i² - Σ_s e_si²) / (n² S (S - 1)),   t_i = Σ_s e_si

    with e_si the value of row i at seed s minus the mean of all, over the rows i that seeds share.
    It is taken R / (R - 1) times, as R rows show it, and 1 + TRAINED_TOO R / N times for other rows
    to train on, of which there are N. An estimate below 0 is 0.

    Reference:
        Nadeau and Bengio 2003, Inference for the generalization error, Machine Learning 52, for the
        two sources; Bouthillier et al. 2021, Accounting for variance in machine learning
        benchmarks, MLSys 3.
    """
    if len(seeds) < 2 or np.isnan(spread.variance):
        return spread
    names, places = np.unique(np.concatenate([seed.rows for seed in seeds]), return_inverse=True)
    if len(names) < 2:
        return spread
    means = np.array([seed.values.mean() for seed in seeds])
    residuals = np.concatenate([seed.values for seed in seeds]) - means.mean()
    totals = np.bincount(places, residuals)
    n, count = float(np.mean([len(seed.rows) for seed in seeds])), len(seeds)
    shared = float(totals @ totals - residuals @ residuals) / (n * n * count * (count - 1))
    num_train = float(np.mean([seed.num_train for seed in seeds]))
    share = 1 + TRAINED_TOO * len(names) / num_train
    variance = max(shared, 0.0) * len(names) / (len(names) - 1) * share
    return replace(spread, of_rows=variance, row_freedom=float(len(names) - 1))


def of_outcomes(added: float) -> float:
    """Return what share of s² other judged rows add if values are outcomes, 1 or 0.

    Of what the outcomes are told by, they add the share `added`, so that two seeds correlate by
    r = added / (1 + added). Two outcomes, each a normal variable above its mean or below, then
    correlate by (2 / π) arcsin r, and by less at any other threshold.

    Reference:
        Sheppard 1899, On the application of the theory of error to cases of normal distribution,
        Philosophical Transactions A 192.
    """
    correlation = 2 / np.pi * float(np.arcsin(added / (1 + added)))
    return correlation / (1 - correlation)


def difference(variant: Judgement, baseline: Judgement) -> Judgement:
    """Return what a variant makes of each row more than its baseline at the same seed."""
    assert np.array_equal(variant.rows, baseline.rows)
    return replace(variant, values=variant.values - baseline.values)

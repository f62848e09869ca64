"""The mean learning curve of each variant's runs, with an interval at every step.

# R runs of a variant, T steps
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from dlx.ablation.results import RunResult
from dlx.nn.metrics import is_rising, scale_of


@dataclass(frozen=True)
class Band:
    """A variant's mean curve."""

    steps: np.ndarray  # (T,)
    mean: np.ndarray  # (T,) over the runs that have a value at the step
    low: np.ndarray  # (T,) lower end of the interval of the mean; NaN for one run
    high: np.ndarray  # (T,) upper end
    runs: np.ndarray  # (T,) how many have a value

    @property
    def whole(self) -> int:
        """The number of steps, from the first one, that all runs reached."""
        return int((self.runs == self.runs.max()).nonzero()[0][-1]) + 1


def bands(results: Sequence[RunResult], metric: str, confidence: float) -> dict[str, Band]:
    """Return the mean curve of every variant that has one.

    Runs that diverged or failed are left out, since their last values would hide the others'. A
    curve ends where fewer than half of the variant's runs still train.
    """
    families: dict[str, list[RunResult]] = {}
    for result in results:
        if result.is_scored and result.curve.of(metric):
            families.setdefault(result.variant, []).append(result)
    all_bands = {name: _band(runs, metric, confidence) for name, runs in families.items()}
    return {name: band for name, band in all_bands.items() if len(band.steps)}


def _band(runs: Sequence[RunResult], metric: str, confidence: float) -> Band:
    tag = metric.partition(".")[2]
    first = runs[0].curve.steps
    if all(run.curve.steps == first for run in runs):
        steps = np.array(first)
        values = np.array([run.curve.of(metric) for run in runs])
    else:
        steps = np.unique(np.concatenate([run.curve.steps for run in runs]))
        values = np.full((len(runs), len(steps)), np.nan)
        for row, run in zip(values, runs, strict=True):
            row[np.searchsorted(steps, run.curve.steps)] = run.curve.of(metric)
    values = np.where(np.isfinite(values), values, np.nan)
    count = np.isfinite(values).sum(0)
    kept = count >= max(1, -(-len(runs) // 2))
    steps, values, count = steps[kept], values[:, kept], count[kept]
    mean, low, high = mean_band(values, confidence=confidence)
    if scale_of(tag):
        low, high = within_range(mean, high - mean, 1.0)
    elif not is_rising(tag) and np.nanmin(values) >= 0:  # costs and errors
        low, high = within_range(mean, high - mean)
    return Band(steps, mean, low, high, count)


def within_range(
    mean: NDArray[np.float64], width: NDArray[np.float64], most: float | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ends of intervals that do not leave the range of a share, or of a cost.

    They are the values m' with (m - m')² ≤ h² v(m') / v(m), for the half width h of a mean m: its
    error is taken to change with the mean as that of a share does, v = m (1 - m), or of a
    cost, v = m. Where the mean lies at an end of the range, or outside, they are m ± h.

    Args:
        mean: (T,)
        width: (T,) half of the symmetric interval
        most: largest possible value; None: there is none, but 0 is the smallest

    Reference:
        Wilson 1927, Probable inference, JASA 22, for shares.
    """
    inside = (mean > 0) & (mean < (np.inf if most is None else most))
    m = np.where(inside, mean, 0.5)
    if most is None:
        c = width**2 / m
        middle, half, scale = m + c / 2, np.sqrt(width**2 + c**2 / 4), 1.0
    else:
        c = width**2 / (m * (most - m))
        middle, half, scale = m + c * most / 2, np.sqrt(width**2 + (c * most) ** 2 / 4), 1 + c
    low = np.where(inside, (middle - half) / scale, mean - width)
    high = np.where(inside, (middle + half) / scale, mean + width)
    return low, high


def mean_band(
    values: NDArray[np.float64], *, confidence: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean and the t interval of every column, see `mean_interval`: (T,) from (R, T).

    NaNs are left out; every column has a number, and of one alone no interval.
    """
    count = np.isfinite(values).sum(0)
    mean = np.nanmean(values, 0)
    spread = np.nansum((values - mean) ** 2, 0)
    # Rounding makes a deviation of 1e-17 from values that are all 0.95.
    equal = np.nanmax(values, 0) - np.nanmin(values, 0) <= 1e-12 * np.nanmax(np.abs(values), 0)
    freedom = np.maximum(count - 1, 1)
    error = np.where(equal, 0.0, np.sqrt(spread / freedom / count))
    width = np.where(count > 1, stdtrit(freedom, (1 + confidence) / 2) * error, np.nan)
    return mean, mean - width, mean + width

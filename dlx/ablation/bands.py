"""The mean learning curve of each variant's runs, with an interval at every step.

# R runs of a variant, T steps
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from dlx.ablation.outcomes import Outcomes
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

    The intervals hold for other seeds, and for other judged rows as far as these are known: what
    rows add to the variance of the mean at the end (`Outcomes.spread`) they add at every step in
    proportion to m (1 - m) of a share m, or to a cost m; where it is a share of s², it is one of
    the s² of every step.
    """
    families: dict[str, list[RunResult]] = {}
    for result in results:
        if result.is_scored and result.curve.of(metric):
            families.setdefault(result.variant, []).append(result)
    folds = max((run.fold or 0 for run in results), default=0) or None
    outcomes = Outcomes(families, (), folds)
    all_bands = {name: _band(outcomes, name, metric, confidence) for name in families}
    return {name: band for name, band in all_bands.items() if len(band.steps)}


def _band(outcomes: Outcomes, variant: str, metric: str, confidence: float) -> Band:
    tag, runs = metric.partition(".")[2], outcomes.ended(variant)
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
    overlap, of_rows, row_freedom = outcomes.redrawn(variant, metric), 0.0, np.inf
    if all(run.judgements.get(metric) for run in runs):
        final = outcomes.values(variant, metric)
        spread, at_end = outcomes.spread(final, variant, metric), _error(final.mean(), tag)
        overlap, row_freedom = 0.0, spread.row_freedom
        of_rows = _error(np.nanmean(values, 0), tag) * (spread.of_rows / at_end if at_end else 0.0)
    mean, low, high = mean_band(
        values, confidence=confidence, overlap=overlap, of_rows=of_rows, row_freedom=row_freedom
    )
    if scale_of(tag):
        low, high = within_range(mean, high - mean, 1.0)
    elif not is_rising(tag) and np.nanmin(values) >= 0:  # costs and errors
        low, high = within_range(mean, high - mean)
    return Band(steps, mean, low, high, count)


def _error(mean: Any, tag: str) -> Any:
    """Return what the variance of a mean over rows is taken to be in proportion to."""
    if scale_of(tag):
        return mean * (1 - mean)
    return np.ones_like(mean) if is_rising(tag) else np.abs(mean)


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
    values: NDArray[np.float64],
    *,
    confidence: float,
    overlap: float = 0.0,
    of_rows: NDArray[np.float64] | float = 0.0,
    row_freedom: float = np.inf,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean and the t interval of every column, see `Spread.width`: (T,) from (R, T).

    NaNs are left out; every column has a number, and of one alone no interval.
    """
    count = np.isfinite(values).sum(0)
    mean = np.nanmean(values, 0)
    squares = np.nansum((values - mean) ** 2, 0)
    # Rounding makes a deviation of 1e-17 from values that are all 0.95.
    equal = np.nanmax(values, 0) - np.nanmin(values, 0) <= 1e-12 * np.nanmax(np.abs(values), 0)
    freedom = np.maximum(count - 1, 1)
    of_seeds = np.where(equal, 0.0, squares / freedom * (1 / count + overlap))
    tail = (1 + confidence) / 2
    width = np.hypot(
        stdtrit(freedom, tail) * np.sqrt(of_seeds), stdtrit(row_freedom, tail) * np.sqrt(of_rows)
    )
    width = np.where(count > 1, width, np.nan)
    return mean, mean - width, mean + width

"""Steps to a threshold, where some runs never reach it: 'never' is later than any step."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlx.ablation.statistics.paired import differences, paired_t

# N pairs; infinity: never reached, NaN: no run


@dataclass(frozen=True)
class Sooner:
    """Whether a variant reaches a threshold sooner than its baseline.

    Attributes:
        difference: of the mean steps, variant minus baseline, a run that did not reach the
            threshold within the horizon counted with the horizon (restricted mean)
        low: end of its t interval; NaN of fewer than two pairs
        high: its other end
        p: two-sided, of the signed-rank test; NaN of fewer than two pairs
        n: pairs
        horizon: steps that both could have taken
    """

    difference: float
    low: float
    high: float
    p: float
    n: int
    horizon: float


def signed_rank_p(paired: ArrayLike) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test, exact at any ties.

    The differences' absolute values are ranked, ties by their mean rank, zeros left out; p is the
    share of the 2^N ways of giving them signs whose sum of positive ranks is as far from its mean.
    Infinite differences share the highest rank. It takes six pairs to come below 0.05.

    Args:
        paired: (N,) differences, infinite where one of the two never got there

    Reference:
        Wilcoxon 1945, Individual comparisons by ranking methods, Biometrics Bulletin 1; exact with
        ties as Hollander, Wolfe and Chicken 2014, section 3.1. (scipy's is exact without ties.)
    """
    from scipy.stats import rankdata  # half a second, which only steps to a threshold cost

    held = np.asarray(paired, float)
    held = held[held != 0]
    if not len(held):
        return 1.0
    doubled = np.rint(2 * rankdata(np.abs(held))).astype(int)  # mean ranks are halves
    total = int(doubled.sum())
    chance = np.zeros(total + 1)  # of each sum of the doubled positive ranks
    chance[0] = 1.0
    for rank in doubled:
        chance[rank:] = (chance[rank:] + chance[:-rank]) / 2
        chance[:rank] /= 2
    positive = int(doubled[held > 0].sum())
    least = min(positive, total - positive)
    return min(1.0, 2 * float(chance[: least + 1].sum()))


def sooner(
    variant: ArrayLike, baseline: ArrayLike, *, horizon: float, confidence: float = 0.95
) -> Sooner:
    """Compare the steps that pairs of runs took to a threshold.

    What took longer than the horizon counts as never, in both: where one variant was trained
    longer, its late arrivals say nothing against the other.

    Args:
        variant: (N,) steps; infinity for never, NaN where there is no run
        baseline: (N,) at the same seeds
        horizon: steps that both could have taken
        confidence: of the interval

    Reference:
        `signed_rank_p` for p; Royston and Parmar 2013, Restricted mean survival time, BMC Medical
        Research Methodology 13, for the difference: a median is unknown as soon as half of the
        runs never arrive.
    """
    mine, other = (_within(each, horizon, np.inf) for each in (variant, baseline))
    whole = ~(np.isnan(mine) | np.isnan(other))
    mine, other = mine[whole], other[whole]
    both_never = np.isinf(mine) & np.isinf(other)
    mine[both_never] = other[both_never] = horizon
    restricted = differences(_within(mine, horizon, horizon), _within(other, horizon, horizon))
    mean = paired_t(restricted, confidence=confidence)
    p = signed_rank_p(mine - other) if mean.n > 1 else np.nan
    return Sooner(mean.mean, mean.low, mean.high, p, mean.n, horizon)


def _within(steps: ArrayLike, horizon: float, otherwise: float) -> NDArray[np.float64]:
    array = np.asarray(steps, float)
    return np.where(array > horizon, otherwise, array)

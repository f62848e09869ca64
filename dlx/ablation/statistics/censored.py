"""Steps to a threshold that some runs never reach: 'never' is later than any step."""

import numpy as np
from numpy.typing import ArrayLike

from dlx.ablation.statistics.intervals import CONFIDENCE
from dlx.ablation.statistics.paired import Difference, differences, paired_t

# N pairs; infinity: never reached, NaN: no run


def signed_rank_p(paired: ArrayLike) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test, exact with ties too.

    The absolute differences are ranked: equal ones get their mean rank, zeros are left out. p is
    the share of the 2^N ways to choose the signs whose sum of positive ranks is at least as far
    from the mean. Infinite differences share the highest rank. It takes six pairs for p < 0.05.

    Args:
        paired: (N,) differences, infinite where one of the two runs never reached the threshold

    Reference:
        Wilcoxon 1945, Individual comparisons by ranking methods, Biometrics Bulletin 1; exact with
        ties as Hollander, Wolfe and Chicken 2014, section 3.1. (scipy's is exact without ties.)
    """
    from scipy.stats import rankdata  # takes half a second to import

    nonzero = np.asarray(paired, float)
    nonzero = nonzero[nonzero != 0]
    if not len(nonzero):
        return 1.0
    doubled = np.rint(2 * rankdata(np.abs(nonzero))).astype(int)  # mean ranks are halves
    total = int(doubled.sum())
    probability = np.zeros(total + 1)  # of each sum of the doubled positive ranks
    probability[0] = 1.0
    for rank in doubled:
        probability[rank:] = (probability[rank:] + probability[:-rank]) / 2
        probability[:rank] /= 2
    positive = int(doubled[nonzero > 0].sum())
    least = min(positive, total - positive)
    return min(1.0, 2 * float(probability[: least + 1].sum()))


def steps_difference(
    variant: ArrayLike, baseline: ArrayLike, *, horizon: float, confidence: float = CONFIDENCE
) -> Difference:
    """Return whether a variant reaches a threshold in fewer steps than its baseline.

    The difference is that of restricted means: a run that did not reach the threshold within the
    horizon counts with the horizon. p is that of `signed_rank_p`, for which such a run never
    reached it. So a variant that trained longer gains nothing by the runs that arrived late.

    Args:
        variant: (N,) steps; infinity: never, NaN: no run
        baseline: (N,) steps at the same seeds
        horizon: steps that runs of both took
        confidence: of the interval

    Reference:
        Royston and Parmar 2013, Restricted mean survival time, BMC Medical Research Methodology 13.
        (A median is unknown as soon as half of the runs never reach the threshold.)
    """
    steps = np.stack([np.asarray(variant, float), np.asarray(baseline, float)])
    steps = steps[:, ~np.isnan(steps).any(0)]
    mean = paired_t(differences(*np.minimum(steps, horizon)), confidence=confidence)
    never = steps > horizon
    ranked = np.where(never, np.inf, steps)
    ranked[:, never.all(0)] = horizon  # infinity minus infinity would be NaN
    p = signed_rank_p(ranked[0] - ranked[1]) if mean.n > 1 else np.nan
    return Difference(mean.mean, mean.low, mean.high, p, p, mean.n, "signed rank, exact")

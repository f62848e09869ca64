"""Variances of several variants, each drawn towards what the others show."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dlx.ablation.statistics.intervals import Spread

# V variants


Array = NDArray[np.float64]

TOO_LARGE, TOO_SMALL = 0.1, 0.01
"""Probabilities of a variance so large, or so small, beside the others, that it stands alone.

Measured (`benchmarks/calibration.py`): with one variant of five times the deviation, false verdicts
stay below 6 %; to let more small variances stand alone would take them beyond it.
"""


def moderated(spreads: Sequence[Spread]) -> list[Spread]:
    """Return the spreads of V variants' differences, each drawn towards what the others show.

    Five seeds say little about how far one variant varies, but ten variants at five seeds say much
    about how far variants vary. The variances of the other variants are taken for draws of a scaled
    inverse chi-squared distribution about s0², with as many degrees of freedom d0 as the spread of
    their logarithms shows; a variance s² of d degrees of freedom becomes
    (d0 s0² + d s²) / (d0 + d), with d0 + d of them. Where variances differ widely, d0 is near 0 and
    they stay. So does one that is far above the others or very far below (by an F test): a variant
    that is less steady than the rest is judged by its own runs alone, and so is the rest.

    All differences have one baseline, so that those of two variants correlate by 1/2 and their
    variances by 1/4. V variances are then worth d V / (1 + (V - 1) / 4) degrees of freedom, which
    no result exceeds: 2.3 d for four of them, and never 4 d.

    A variance of 0 stays 0 and says nothing about others: equal differences are a case of their
    own, see `verdicts.fewest_pairs`.

    Reference:
        Smyth 2004, Linear models and empirical Bayes methods for assessing differential expression
        in microarray experiments, Statistical Applications in Genetics and Molecular Biology 3;
        Phipson, Lee, Majewski, Alexander and Smyth 2016, Robust hyperparameter estimation protects
        against hypervariable genes, Annals of Applied Statistics 10.
    """
    from scipy.special import fdtrc

    told = [i for i, spread in enumerate(spreads) if spread.variance > 0]
    variances = np.array([spreads[i].variance for i in told])
    freedoms = np.array([spreads[i].freedom for i in told])
    if len(told) < 2:
        return list(spreads)
    result, most = list(spreads), worth(freedoms)
    for place, i in enumerate(told):
        own, variance = freedoms[place], variances[place]
        freedom, centre = _prior(np.delete(variances, place), np.delete(freedoms, place))
        if not TOO_LARGE <= fdtrc(own, freedom, variance / centre) <= 1 - TOO_SMALL:
            continue
        drawn = (freedom * centre + own * variance) / (freedom + own)
        known = min(freedom + own, most)
        result[i] = replace(spreads[i], variance=float(drawn), freedom=float(known))
    return result


def _prior(variances: Array, freedoms: Array) -> tuple[float, float]:
    """Return d0 and s0² of the distribution that variances come from."""
    from scipy.optimize import brentq  # takes a fifth of a second to import
    from scipy.special import digamma, polygamma

    half = freedoms / 2
    logs = np.log(variances) - digamma(half) + np.log(half)
    excess = logs.var(ddof=1) - polygamma(1, half).mean() if len(logs) > 1 else 0.0
    most = worth(freedoms)
    if excess <= polygamma(1, most / 2):  # as alike as chance makes them
        return most, float(half @ variances / half.sum())

    def surplus(half: float) -> float:
        return float(polygamma(1, half) - excess)

    prior: float = brentq(surplus, 1e-9, most)  # type: ignore
    return 2 * prior, float(np.exp(logs.mean() + digamma(prior) - np.log(prior)))


def worth(freedoms: Array) -> float:
    """Return the degrees of freedom, all in all, of variances that correlate by 1/4: (V,)."""
    return max(float(freedoms.sum()) / (1 + (len(freedoms) - 1) / 4), float(freedoms.max()))

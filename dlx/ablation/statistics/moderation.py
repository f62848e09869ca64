"""Variances of several variants, each drawn towards what the others show."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dlx.ablation.statistics.intervals import Spread

# V variants


def moderated(spreads: Sequence[Spread]) -> list[Spread]:
    """Return the spreads of V variants' differences, each drawn towards what the others show.

    Five seeds say little about how far one variant varies, but ten variants at five seeds say much
    about how far variants vary. The variances are taken for draws of a scaled inverse chi-squared
    distribution about s0², with as many degrees of freedom d0 as the spread of log s² shows; each
    becomes (d0 s0² + d s²) / (d0 + d), with d0 + d degrees of freedom. Where they are as alike as
    chance makes them, all become s0²; where they differ widely, d0 is near 0 and they stay.

    All differences have one baseline, so that those of two variants correlate by 1/2 and their
    variances by 1/4. V variances are then worth d V / (1 + (V - 1) / 4) degrees of freedom, which
    no result exceeds: 2.3 d for four of them, and never 4 d.

    A variance of 0 stays 0 and says nothing about others: equal differences are a case of their
    own, see `verdicts.fewest_pairs`.

    Reference:
        Smyth 2004, Linear models and empirical Bayes methods for assessing differential expression
        in microarray experiments, Statistical Applications in Genetics and Molecular Biology 3.
    """
    from scipy.optimize import brentq  # takes a fifth of a second to import
    from scipy.special import digamma, polygamma

    told = [i for i, spread in enumerate(spreads) if spread.variance > 0]
    if len(told) < 2:
        return list(spreads)
    variances = np.array([spreads[i].variance for i in told])
    own = np.array([spreads[i].freedom for i in told])
    logs = np.log(variances) - digamma(own / 2) + np.log(own / 2)
    excess = float(logs.var(ddof=1) - polygamma(1, own / 2).mean())
    most = max(own.sum() / (1 + (len(told) - 1) / 4), own.max())
    if excess > polygamma(1, 1e6):
        prior = 2 * float(brentq(lambda half: polygamma(1, half) - excess, 1e-9, 1e6))  # type: ignore
        centre = np.exp(logs.mean() + digamma(prior / 2) - np.log(prior / 2))
        drawn = (prior * centre + own * variances) / (prior + own)
    else:
        prior = np.inf
        drawn = np.full(len(told), own @ variances / own.sum())
    result = list(spreads)
    for place, i in enumerate(told):
        freedom = min(prior + own[place], most)
        result[i] = replace(spreads[i], variance=float(drawn[place]), freedom=float(freedom))
    return result

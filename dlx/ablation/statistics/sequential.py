"""Looks at an ablation while it grows: which p decides at each of them, so that few are wrong.

# K looks, Q points of the quadrature
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from dlx.ablation.statistics.intervals import CONFIDENCE

Array = NDArray[np.float64]

FIRST = 5
"""Seeds before the first look: from so many pairs on, differences that vary are believed."""
GROWTH = 1.2
"""How many times as many seeds each look has as the one before it.

Measured (`benchmarks/sequential.py`): so few are trained in vain, and looks stay few.
"""

LOST = 3
"""Seeds by which the clock of the boundaries is behind.

A variance of few seeds changes from look to look, so that two t values hang together less than two
means do, and more of them would pass. Measured (`benchmarks/sequential.py`): without it 5.5 to
5.9 % of t tests of nothing would pass, with it 4.6 to 5.3.
"""

_LEVELS = np.geomspace(1e-8, 0.5, 40)
"""Error rates of a whole ablation for which boundaries are computed; others lie between them."""
_POINTS = 161


def planned_looks(most: int) -> tuple[int, ...]:
    """Return after how many seeds there is a look: FIRST, then GROWTH times as many, up to `most`.

    A last batch of less than half of the one before joins it.
    """
    looks = [FIRST]
    while looks[-1] < most:
        looks.append(min(max(round(GROWTH * looks[-1]), looks[-1] + 1), most))
    if len(looks) > 2 and 2 * (looks[-1] - looks[-2]) < looks[-2] - looks[-3]:
        del looks[-2]
    return tuple(looks)


def spent(looks: Sequence[int], level: float) -> Array:
    """Return how much of an error rate each of K looks may use up: (K,), whose sum is `level`.

    All looks have the same part, and the first one, which has the most seeds of its own, twice
    that. Since looks are further and further apart, half of it is spent within the first few seeds.
    It was chosen by measurement: parts in proportion to the seeds, or as Pocock's boundaries spend
    them, take more seeds for small effects, and O'Brien and Fleming's several times as many for
    plain ones.

    Reference:
        Slud and Wei 1982, Two-sample repeated significance tests based on the modified Wilcoxon
        statistic, Journal of the American Statistical Association 77; Lan and DeMets 1983, Discrete
        sequential boundaries for clinical trials, Biometrika 70.
    """
    parts = np.ones(len(looks))
    parts[0] = 2.0
    return level * parts / parts.sum()


@dataclass(frozen=True)
class Schedule:
    """When an ablation is looked at, and what is enough."""

    looks: tuple[int, ...]  # numbers of seeds, ascending; the last is the most
    # The half of the interval that is enough, in the metric's units; None: a verdict is.
    half_width: float | None = None

    def confidence(self, seeds: int) -> float:
        """Return the confidence of an interval at a look, so that 95 % hold at all looks at once.

        Reference:
            Jennison and Turnbull 1989, Interim analyses: the repeated confidence interval approach,
            Journal of the Royal Statistical Society B 51.
        """
        levels, nominal = _boundaries(self.looks)
        own = nominal[:, self.looks.index(seeds)]
        alpha = np.exp(np.interp(np.log(1 - CONFIDENCE), np.log(levels), np.log(own)))
        return 1 - float(alpha)

    def reached(self, seeds: int) -> int:
        """Return the newest look with so many seeds; the first one before it."""
        return max((look for look in self.looks if look <= seeds), default=self.looks[0])

    def least_confidence(self, seeds: int) -> float:
        """Return the least confidence of the intervals at a look and after it."""
        return min(self.confidence(look) for look in self.looks if look >= seeds)

    def overall(self, p: float, seeds: int) -> float:
        """Return the p of the whole ablation for the p of a two-sided test at one of its looks.

        It is the least error rate at which this p decides there, if every look spends its part of
        it (`spent`). So the smallest of all looks is a p value however often one looked, and Holm's
        correction may be made of such ones.

        Reference:
            Liu and Anderson 2008, On adaptive extensions of group sequential trials for clinical
            investigations, Journal of the American Statistical Association 103; for several tests
            Maurer and Bretz 2013, Multiple testing in group sequential trials using graphical
            approaches, Statistics in Biopharmaceutical Research 5. Boundaries of a normal
            distribution are compared with p of t: Jennison and Turnbull 2000, Group Sequential
            Methods, section 4.4.
        """
        levels, nominal = _boundaries(self.looks)
        own = nominal[:, self.looks.index(seeds)]
        if not p > own[0]:  # or NaN
            return p * float(levels[0] / own[0])
        places, values = np.log([*own, 1.0]), np.log([*levels, 1.0])
        return min(float(np.exp(np.interp(np.log(p), places, values))), 1.0)

    def overall_one_sided(self, p: float, seeds: int) -> float:
        """Return the same for the p of a one-sided test, as those of equivalence are."""
        return self.overall(min(2 * p, 1.0), seeds) / 2


@cache
def _boundaries(looks: tuple[int, ...]) -> tuple[Array, Array]:
    """Return error rates, and the p that decides for each of them at each look: (40, K)."""
    nominal = np.array([nominal_levels(looks, level) for level in _LEVELS])
    return _LEVELS, np.maximum.accumulate(nominal)


def nominal_levels(looks: Sequence[int], level: float) -> Array:
    """Return the two-sided p that decides at each of K looks, so that `level` errs in all.

    The sum of the differences of n seeds has independent increments. Of those that have
    not been decided at a look its density is known at Q points; at the next one the boundary is
    where as much of it lies beyond as may be spent there.

    Reference:
        Armitage, McPherson and Rowe 1969, Repeated significance tests on accumulating data, Journal
        of the Royal Statistical Society A 132.
    """
    from scipy.optimize import brentq  # takes a fifth of a second to import

    clock = np.asarray(looks, float) - min(LOST, looks[0] - 1)
    shares, budget = clock / clock[-1], spent(looks, level)
    nodes, weights = np.polynomial.legendre.leggauss(_POINTS)
    bound = -float(ndtri(budget[0] / 2)) * shares[0] ** 0.5
    nominal = [float(budget[0])]
    x = bound * nodes
    density = np.exp(-(x**2) / (2 * shares[0])) / np.sqrt(2 * np.pi * shares[0])
    for before, share, own in zip(shares, shares[1:], budget[1:], strict=False):
        deviation, mass = (share - before) ** 0.5, bound * weights * density

        def excess(bound: float, x=x, mass=mass, deviation=deviation, own=own) -> float:
            beyond = ndtr((x - bound) / deviation) + ndtr((-bound - x) / deviation)
            return float(mass @ beyond) - own

        bound = float(brentq(excess, 0.0, 40 * share**0.5, xtol=1e-12))  # type: ignore
        nominal.append(2 * float(ndtr(-bound / share**0.5)))
        y = bound * nodes
        kernel = np.exp(-((y[:, None] - x) ** 2) / (2 * deviation**2))
        density = kernel @ mass / (deviation * np.sqrt(2 * np.pi))
        x = y
    return np.array(nominal)

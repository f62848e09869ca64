"""What a verdict comes to in words, and how many seeds would decide what is undecided."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from dlx.ablation.statistics.failures import Failures
from dlx.ablation.statistics.intervals import CONFIDENCE, Spread
from dlx.ablation.statistics.moderation import worth

POWER = 0.8
"""With so many seeds as would do, the chance of a verdict if the difference is what it seems."""
MOST_SEEDS = 10_000


@dataclass(frozen=True)
class Evidence:
    """What is known of an undecided difference, and what it has to pass."""

    mean: float  # the difference
    spread: Spread  # of it
    n: int  # number of pairs
    limit: float  # margin; NaN: there is none
    num_tests: int  # of differences in the family, that share ALPHA
    num_equivalences: int  # of equivalence
    fewest: int  # pairs that it takes to believe any difference


def enough_pairs(evidence: Evidence) -> int | None:
    """Return how many pairs of runs would decide; None: no number of them would.

    It is the smallest number at which a difference as large as the one seen is told from 0, or
    shown to be within the margin, in four of five ablations: with the quantile of POWER beside that
    of the test, by the variances that were found. What folds share does not shrink with it.
    """
    if np.isnan(evidence.spread.variance) or not np.isfinite(evidence.mean):
        return evidence.fewest
    first = max(evidence.n + 1, evidence.fewest)
    return first_number(lambda n: _decides(evidence, n), first)


def is_beyond_seeds(evidence: Evidence) -> bool:
    """Say whether no number of seeds decides, by what the choice of the rows leaves uncertain.

    With ever more seeds the mean goes somewhere into its interval over the seeds alone, and the
    variance that rows add stays. So it is if nothing in that interval is told from 0 or shown to be
    within the margin by the rows' part of an interval.
    """
    spread = evidence.spread
    if not spread.of_rows > 0:  # or NaN
        return False
    reach, of_rows = replace(spread, of_rows=0.0).width(), replace(spread, share=0.0)
    least, most = max(abs(evidence.mean) - reach, 0.0), abs(evidence.mean) + reach
    alpha = 1 - CONFIDENCE
    told = most > of_rows.width(1 - alpha / evidence.num_tests)
    # Two one-sided tests at alpha make an interval at 1 - 2 alpha.
    within = evidence.limit - least > of_rows.width(1 - 2 * alpha / evidence.num_equivalences)
    return not (told or within)


def smallest_effect(
    num_variants: int, num_tests: float, n: int, *, overlap: float = 0.0
) -> float | None:
    """Return the difference that n seeds find in four of five ablations; None: they find none.

    In standard deviations of the differences of pairs, which are taken to be alike for all variants
    and are known only when some have been trained.

    Args:
        num_variants: that are compared with the baseline
        num_tests: of differences in the family
        n: seeds, or folds
        overlap: of folds, see `intervals.spread_of`
    """
    if n < 2:
        return None
    freedom = worth(np.full(num_variants, n - 1.0))
    return _found(Spread(1.0, freedom, 1 / n + overlap), num_tests)


def enough_outcomes(gains: int, losses: int, n: int, num_tests: int) -> int | None:
    """Return how many seeds would decide between two success rates; None: no number of them.

    The share of seeds at which only one succeeds is taken to be what it was.

    Args:
        gains: pairs of which the variant alone succeeded
        losses: pairs of which the baseline alone succeeded
        n: all pairs
        num_tests: of the family
    """
    differing = (gains + losses) / n
    distance = abs(gains - losses) / n
    if not distance:
        return None
    z = -ndtri((1 - CONFIDENCE) / 2 / num_tests)
    error = z * differing**0.5 + ndtri(POWER) * max(differing - distance**2, 0.0) ** 0.5
    seeds = int(np.ceil((error / distance) ** 2))
    return max(seeds, n + 1) if seeds <= MOST_SEEDS else None


def enough_runs(failures: Failures, num_tests: int) -> int | None:
    """Return how many seeds would tell two rates of divergence apart; None: no number of them.

    It is the smallest number at which Fisher's test does if the rates stay as they are, and at
    least that of the normal approximation with POWER.
    """
    rate, other = failures.rates
    distance = abs(rate - other)
    if not distance:
        return None
    alpha = (1 - CONFIDENCE) / num_tests
    mean = (rate + other) / 2
    alike, apart = 2 * mean * (1 - mean), rate * (1 - rate) + other * (1 - other)
    error = -ndtri(alpha / 2) * alike**0.5 + ndtri(POWER) * apart**0.5
    least = max(int(np.ceil((error / distance) ** 2)), failures.variant[1] + 1)
    tried = range(least, least + MOST_SEEDS)
    return next((runs for runs in tried if failures.is_told_at(runs, alpha)), None)


def enough_alike(chance: float, num_equivalences: int) -> int:
    """Return how many equal pairs are not equal by chance, see `equivalence.chance_alike`."""
    return int(np.ceil(np.log((1 - CONFIDENCE) / num_equivalences) / np.log(chance)))


def first_number(decides: Callable[[int], bool], first: int) -> int | None:
    """Return the smallest number from `first` on that decides, as more seeds always do."""
    if not decides(MOST_SEEDS):
        return None
    low, high = first - 1, MOST_SEEDS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if decides(middle) else (middle, high)
    return high


def _decides(evidence: Evidence, n: int) -> bool:
    spread = evidence.spread
    overlap = spread.share - 1 / evidence.n
    freedom = spread.freedom * (n - 1) / max(evidence.n - 1, 1)
    more = replace(spread, freedom=freedom, share=1 / n + overlap)
    distance = abs(evidence.mean)
    if distance > _found(more, evidence.num_tests):
        return True
    # Two one-sided tests at ALPHA make an interval at 1 - 2 ALPHA.
    return evidence.limit - distance > _found(more, evidence.num_equivalences / 2)


def _found(spread: Spread, num_tests: float) -> float:
    """Return the distance that is found with POWER, by the first of so many tests of Holm's."""
    return spread.width(1 - (1 - CONFIDENCE) / num_tests) + float(ndtri(POWER)) * spread.error

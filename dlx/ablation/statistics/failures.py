"""Whether a variant's runs diverge more often, or less often, than its baseline's."""

from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class Failures:
    """How often two variants' runs diverged."""

    variant: tuple[int, int]  # how many runs diverged, and of how many
    baseline: tuple[int, int]  # likewise
    p: float  # two-sided, of equal rates
    least_p: float  # the smallest p of Fisher's test with so many diverged runs in both together

    @property
    def rates(self) -> tuple[float, float]:
        """The variant's and the baseline's shares of runs that diverged."""
        return self.variant[0] / self.variant[1], self.baseline[0] / self.baseline[1]

    @property
    def excess(self) -> float:
        """The variant's rate minus the baseline's."""
        return self.rates[0] - self.rates[1]

    def is_told_at(self, runs: int, alpha: float) -> bool:
        """Whether Fisher's test at alpha tells these rates apart with so many runs of each."""
        diverged = [round(rate * runs) for rate in self.rates]
        return _fisher(diverged[0], runs, diverged[1], runs) <= alpha


FAILURES = "Boschloo exact"

_MOST_RUNS = 400
"""Of two variants: from here on the two tests hardly differ, and the search takes seconds."""


@lru_cache(maxsize=4096)
def _boschloo(diverged: int, runs: int, other_diverged: int, other_runs: int) -> float:
    """Return p of Boschloo's test; of Fisher's for very many runs."""
    from scipy.stats import boschloo_exact  # takes half a second to import

    if runs + other_runs > _MOST_RUNS:
        return _fisher(diverged, runs, other_diverged, other_runs)
    table = [[diverged, other_diverged], [runs - diverged, other_runs - other_diverged]]
    return float(boschloo_exact(table).pvalue)


@lru_cache(maxsize=4096)
def _fisher(diverged: int, runs: int, other_diverged: int, other_runs: int) -> float:
    from scipy.stats import fisher_exact  # takes half a second to import

    table = [[diverged, runs - diverged], [other_diverged, other_runs - other_diverged]]
    return float(fisher_exact(table)[1])  # type: ignore


def failure_difference(variant: tuple[int, int], baseline: tuple[int, int]) -> Failures | None:
    """Return Boschloo's exact test of two failure rates; None if one of the two has no runs.

    Its statistic is Fisher's one-sided p, and its own p is the largest probability, over all rates
    that the two may share, of a statistic so small, twice for two sides. It is exact as Fisher's
    test is, and decides more: 4 of 5 against 0 of 5 has p = 0.014, where Fisher's is 0.048.
    Leaving out the pairing is cautious, since runs of equal seeds tend to diverge together.

    Each rate is how many runs diverged, and of how many.

    Reference:
        Boschloo 1970, Raised conditional level of significance for the 2 x 2-table when testing the
        equality of two probabilities, Statistica Neerlandica 24.
    """
    if not variant[1] or not baseline[1]:
        return None
    total = variant[0] + baseline[0]
    ends = {min(total, variant[1]), max(0, total - baseline[1])}
    least = min(_fisher(k, variant[1], total - k, baseline[1]) for k in ends) if total else 1.0
    p = min(_boschloo(*variant, *baseline), 1.0) if total else 1.0
    return Failures(variant, baseline, p, least)

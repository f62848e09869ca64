"""Whether a variant's runs diverge more often, or less often, than its baseline's."""

from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class Failures:
    """How often two variants' runs diverged."""

    variant: tuple[int, int]  # how many runs diverged, and of how many
    baseline: tuple[int, int]  # likewise
    p: float  # two-sided, of equal rates
    least_p: float  # the smallest p possible with this number of diverged runs in both together

    @property
    def excess(self) -> float:
        """The variant's rate minus the baseline's."""
        return self.variant[0] / self.variant[1] - self.baseline[0] / self.baseline[1]


@lru_cache(maxsize=4096)
def _fisher(diverged: int, runs: int, other_diverged: int, other_runs: int) -> float:
    from scipy.stats import fisher_exact  # takes half a second to import

    table = [[diverged, runs - diverged], [other_diverged, other_runs - other_diverged]]
    return float(fisher_exact(table)[1])  # type: ignore


def failure_difference(variant: tuple[int, int], baseline: tuple[int, int]) -> Failures | None:
    """Return Fisher's exact test of two failure rates; None if one of the two has no runs.

    Fisher's test is used, not Barnard's or the paired McNemar test, for three reasons. It is exact
    at every n without a search over the unknown rate. It decides 5 of 5 against 0 of 5 (p = 0.008),
    where McNemar's test needs six pairs that differ. And leaving out the pairing is cautious, since
    runs of equal seeds tend to diverge together.

    Each rate is how many runs diverged, and of how many.

    Reference:
        Fisher 1935, The logic of inductive inference, Journal of the Royal Statistical Society 98.
    """
    if not variant[1] or not baseline[1]:
        return None
    total = variant[0] + baseline[0]
    ends = {min(total, variant[1]), max(0, total - baseline[1])}
    least = min(_fisher(k, variant[1], total - k, baseline[1]) for k in ends) if total else 1.0
    p = _fisher(*variant, *baseline) if total else 1.0
    return Failures(variant, baseline, p, least)

"""Whether a variant's runs diverge more often, or less, than those of its baseline."""

from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class Failures:
    """How often two variants' runs diverged.

    Attributes:
        variant: diverged, of so many
        baseline: diverged, of so many
        p: two-sided, of equal rates
        least_p: the smallest that p could be with so many diverged in both together
    """

    variant: tuple[int, int]
    baseline: tuple[int, int]
    p: float
    least_p: float

    @property
    def excess(self) -> float:
        """The variant's rate minus the baseline's."""
        return self.variant[0] / self.variant[1] - self.baseline[0] / self.baseline[1]


@lru_cache(maxsize=4096)
def _fisher(mine: int, runs: int, other: int, other_runs: int) -> float:
    from scipy.stats import fisher_exact  # half a second, which only a divergence costs

    return float(fisher_exact([[mine, runs - mine], [other, other_runs - other]])[1])  # type: ignore


def failure_difference(variant: tuple[int, int], baseline: tuple[int, int]) -> Failures | None:
    """Return Fisher's exact test of two failure rates.

    Of Fisher's, Barnard's and the paired McNemar test it is Fisher's for three reasons: it is exact
    at every n without a search over the unknown rate; 5 of 5 against 0 of 5 is decided (p =
    0.008), where McNemar's test needs six pairs that differ before it says anything; and leaving
    out the pairing errs to the safe side, since equal seeds diverge together rather than apart.

    Args:
        variant: diverged, of so many
        baseline: diverged, of so many

    Returns:
        None where one of them has no runs

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

"""Which difference so many seeds find, by a variance that a few seeds have shown."""

from dataclasses import dataclass, replace

from scipy.special import nctdtrit

from dlx.ablation.statistics.conclusions import POWER, first_number
from dlx.ablation.statistics.intervals import CONFIDENCE, Spread


@dataclass(frozen=True)
class Shown:
    """The spread of a variant's differences from the baseline, as n pairs have shown it."""

    spread: Spread
    n: int  # pairs

    def at(self, n: int) -> Spread:
        """Return what the same variance would be worth with n pairs; that of rows stays."""
        freedom = self.spread.freedom * (n - 1) / (self.n - 1)
        return replace(self.spread, freedom=freedom, share=1 / n)

    def freedom_at(self, n: int) -> float:
        """Return the degrees of freedom of the error with n pairs, as well as it is known now.

        Reference:
            Satterthwaite 1946, An approximate distribution of estimates of variance components,
            Biometrics Bulletin 2.
        """
        planned, rows = self.at(n), self.spread.of_rows
        known = planned.of_seeds**2 / self.spread.freedom + rows**2 / self.spread.row_freedom
        return (planned.of_seeds + rows) ** 2 / known


def found_difference(shown: Shown, n: int, num_tests: float) -> float:
    """Return the difference that n pairs tell from 0 in four of five ablations.

    A variance of three pairs may be several times too small. So what is found is not the test's
    quantile k plus that of POWER, in standard errors, but the quantile of POWER of the noncentral t
    distribution with noncentrality k and the degrees of freedom of the variance that was shown:
    on the average over all that could have been shown, POWER of the ablations find it. What the
    choice of the judged rows adds does not shrink with n.

    Args:
        shown: of a pilot, or of an earlier ablation
        n: pairs of the ablation that is planned
        num_tests: of differences in its family, that share the error rate

    Reference:
        Harris, Horvitz and Mood 1948, On the determination of sample sizes in designing
        experiments, Journal of the American Statistical Association 43.
    """
    planned = shown.at(n)
    quantile = planned.width(1 - (1 - CONFIDENCE) / num_tests) / planned.error
    return float(nctdtrit(shown.freedom_at(n), quantile, POWER)) * planned.error


def seeds_to_find(difference: float, shown: Shown, num_tests: float, fewest: int) -> int | None:
    """Return how many seeds find a difference in four of five ablations; None: no number of them.

    `fewest` is the number of pairs without which nothing is believed.
    """
    return first_number(
        lambda n: found_difference(shown, n, num_tests) <= difference, max(fewest, 2)
    )

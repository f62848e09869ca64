"""The verdict on every variant of an ablation: better, worse, equivalent or undecided."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dlx.ablation.statistics.equivalence import alike_by_chance, two_one_sided
from dlx.ablation.statistics.failures import Failures, failure_difference
from dlx.ablation.statistics.multiple import holm
from dlx.ablation.statistics.paired import Difference, differences, paired_t
from dlx.ablation.statistics.paired_shares import equivalent_shares, mcnemar

# N pairs

Word = Literal["better", "worse", "equivalent", "undecided"]
Basis = Literal["difference", "divergence", "margin", "conflict", "few pairs", "alike", "nothing"]


@dataclass(frozen=True)
class Comparison:
    """A variant and its baseline, run by run at the same seeds.

    Attributes:
        variant: (N,) values of the judged metric; NaN where the run has none
        baseline: (N,) likewise
        rising: larger values are better
        margin: largest difference that does not matter
        is_binary: the values are outcomes, 1 or 0
        diverged: runs of the variant that diverged, of those that did not fail to run; (0, 0) where
            the metric counts them already, as success does
        baseline_diverged: likewise of the baseline
        overlap: of folds of one cross-validation, see `intervals.standard_error`
    """

    variant: NDArray[np.float64]
    baseline: NDArray[np.float64]
    rising: bool
    margin: float
    is_binary: bool = False
    diverged: tuple[int, int] = (0, 0)
    baseline_diverged: tuple[int, int] = (0, 0)
    overlap: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """What a comparison showed.

    Attributes:
        word: better, worse, equivalent or undecided
        basis: what decided it. `difference`: of the metric; `divergence`: of the failure rates;
            `margin`: the difference is inside it; `conflict`: the metric and the divergences
            point to different ways; `few pairs`: too few for the difference they show; `alike`: all
            pairs are equal, which few pairs may be by chance; `nothing`: noise
        difference: of the metric, with the unadjusted p
        p: of the difference, Holm-adjusted over all tests of the ablation
        p_equivalent: of a difference of margin or more, Holm-adjusted over the variants
        failures: of the runs, with the unadjusted p; None where a variant has no runs
        p_failures: Holm-adjusted with the differences
        wins: pairs in which the variant is better
    """

    word: Word
    basis: Basis
    difference: Difference
    p: float
    p_equivalent: float
    failures: Failures | None
    p_failures: float
    wins: int


def fewest_pairs(num_comparisons: int, *, alpha: float = 0.05) -> int:
    """Return how many pairs a difference of means needs before it can be believed.

    Two runs of the same distribution differ by the same amount c > 0 with a chance of at most 1/4
    (that of 0.5 and 1.0 at even odds, as XOR's accuracies), so N pairs do, c or -c, by a chance of
    2 / 4^N, and then have no variance: to t they are as sure as can be. The smallest N is returned
    for which 2 / 4^N times the comparisons is at most alpha: 3 of one, 4 of two to six.
    """
    pairs = 2
    while 2 * 4.0**-pairs * num_comparisons > alpha:
        pairs += 1
    return pairs


def judge(comparisons: Sequence[Comparison], *, confidence: float = 0.95) -> list[Verdict]:
    """Judge all variants of an ablation: no false `better` or `worse` but with a chance of 5 %.

    1. The metric is compared in the pairs in which both runs ended (paired t; McNemar's exact test
       of outcomes), the failure rates by Fisher's exact test where so many diverged that it could
       decide. Holm's correction is over all of these tests of all variants; a second one over the
       tests of equivalence.
    2. Failure rates that differ decide: what diverges more often is worse, unless its survivors
       are better, which is left undecided.
    3. A difference surely inside the margin is equivalent, even where it is surely not 0.
    4. A difference that is not 0 is better or worse, from `fewest_pairs` on.
    5. Survivors alone never decide against the divergences: 3 and 4 are left undecided where the
       variant that would gain by them diverged more often, be it by chance.

    Args:
        comparisons: of every variant with its baseline
        confidence: of the intervals; 1 - confidence is the error rate of the whole ablation
    """
    alpha = 1 - confidence
    differing = [_difference(each, confidence) for each in comparisons]
    failing = [failure_difference(each.diverged, each.baseline_diverged) for each in comparisons]
    # Which tests of failures are made depends on how many diverged in all, which Fisher's test
    # holds fixed, and not on who did: choosing them does not bend it (Tarone 1990).
    tests = [each.p_coarse for each in differing] + [
        each.p if each and each.least_p <= alpha else np.nan for each in failing
    ]
    adjusted = holm(tests)
    equivalent = holm([_equivalence(each) for each in comparisons])
    needed = fewest_pairs(sum(not np.isnan(each.p) for each in differing), alpha=alpha)
    verdicts = []
    for i, each in enumerate(comparisons):
        gains = differences(each.variant, each.baseline) * (1 if each.rising else -1)
        failures, p_failures = failing[i], float(adjusted[len(comparisons) + i])
        word, basis = _decide(
            direction=_direction(differing[i], each, adjusted[i], alpha),
            equivalent=bool(equivalent[i] <= alpha),
            excess=failures.excess if failures else 0.0,
            fails=bool(p_failures <= alpha),
            is_enough=each.is_binary or differing[i].n >= needed,
            is_alike=gains.size > 1 and not gains.any(),
        )
        verdicts.append(
            Verdict(
                word=word,
                basis=basis,
                difference=differing[i],
                p=float(adjusted[i]),
                p_equivalent=float(equivalent[i]),
                failures=failures,
                p_failures=p_failures if failures and failures.least_p <= alpha else 1.0,
                wins=int((gains > 0).sum()),
            )
        )
    return verdicts


def _difference(comparison: Comparison, confidence: float) -> Difference:
    if comparison.is_binary:
        return mcnemar(comparison.variant, comparison.baseline, confidence=confidence)
    return paired_t(
        differences(comparison.variant, comparison.baseline),
        confidence=confidence,
        overlap=comparison.overlap,
    )


def _equivalence(comparison: Comparison) -> float:
    if comparison.is_binary:
        return equivalent_shares(comparison.variant, comparison.baseline, comparison.margin)
    found = differences(comparison.variant, comparison.baseline)
    p = two_one_sided(found, comparison.margin, overlap=comparison.overlap)
    if not len(found) or found.any():
        return p
    held = comparison.baseline[~np.isnan(comparison.variant - comparison.baseline)]
    return max(p, alike_by_chance(held))


def _direction(found: Difference, comparison: Comparison, p: float, alpha: float) -> int:
    """Return 1 if the variant is surely better, -1 if surely worse, else 0."""
    if not p <= alpha:
        return 0
    return int(np.sign(found.mean)) * (1 if comparison.rising else -1)


def _decide(
    *,
    direction: int,
    equivalent: bool,
    excess: float,
    fails: bool,
    is_enough: bool,
    is_alike: bool,
) -> tuple[Word, Basis]:
    """Put the tests together, as `judge` says."""
    believed = direction if is_enough and not equivalent else 0
    if fails:
        verdict: Word = "worse" if excess > 0 else "better"
        return ("undecided", "conflict") if believed * excess > 0 else (verdict, "divergence")
    if equivalent and is_enough:
        return ("undecided", "conflict") if excess else ("equivalent", "margin")
    if believed:
        if believed * excess > 0:
            return "undecided", "conflict"
        return ("better" if believed > 0 else "worse"), "difference"
    if direction or (equivalent and not is_enough):
        return "undecided", "few pairs"
    return "undecided", "alike" if is_alike else "nothing"

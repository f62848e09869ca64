"""The verdict on every variant: better, worse, equivalent or undecided; also over data sets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dlx.ablation.statistics.equivalence import alike_by_chance, two_one_sided
from dlx.ablation.statistics.failures import Failures, failure_difference
from dlx.ablation.statistics.intervals import CONFIDENCE, present
from dlx.ablation.statistics.multiple import holm
from dlx.ablation.statistics.paired import Difference, differences, paired_t
from dlx.ablation.statistics.paired_shares import equivalent_shares, mcnemar

# N pairs, at each of D data sets

ALPHA = 1 - CONFIDENCE

Word = Literal["better", "worse", "equivalent", "undecided"]
Basis = Literal["difference", "divergence", "margin", "conflict", "few pairs", "alike", "nothing"]


@dataclass(frozen=True)
class Comparison:
    """A variant and its baseline, run by run at the same seeds."""

    variant: NDArray[np.float64]  # (N,) values of the judged metric; NaN where the run has none
    baseline: NDArray[np.float64]  # (N,) likewise
    rising: bool  # whether larger values are better
    margin: float  # largest difference that does not matter
    is_binary: bool = False  # whether the values are outcomes, 1 or 0
    # How many of the variant's runs diverged, and of how many, failed ones left out; (0, 0) where
    # the metric counts divergence itself, as success does.
    diverged: tuple[int, int] = (0, 0)
    baseline_diverged: tuple[int, int] = (0, 0)  # likewise of the baseline
    overlap: float = 0.0  # for the folds of a cross-validation, see `intervals.standard_error`


@dataclass(frozen=True)
class Verdict:
    """The result of a comparison."""

    word: Word  # better, worse, equivalent or undecided
    # Why. `difference`: of the metric; `divergence`: of the failure rates; `margin`: the difference
    # is inside it; `conflict`: metric and failure rates disagree; `few pairs`: too few for the
    # difference that they show; `alike`: all pairs are equal, which a few pairs may be by chance;
    # `nothing`: noise.
    basis: Basis
    difference: Difference  # of the metric, with the unadjusted p
    p: float  # of the difference, Holm-adjusted over all tests of the ablation
    p_equivalent: float  # of a difference of margin or more, Holm-adjusted over the variants
    # The failure rates, with the unadjusted p; None if one of the two has no runs.
    failures: Failures | None
    p_failures: float  # Holm-adjusted together with the differences
    wins: int  # number of pairs in which the variant is better


def fewest_pairs(num_comparisons: int) -> int:
    """Return how many pairs it takes to believe a difference of means.

    A few pairs can have the same difference by chance; without variance the t test then takes it
    for certain. A difference of just c > 0 between two equal variants has a probability of at most
    1/4 (XOR's accuracies of 0.5 and 1.0 at even odds), so that N pairs all differ by c, or all by
    -c, with a probability of at most 2 / 4^N. The result is the smallest N for which 2 / 4^N times
    the number of comparisons is at most ALPHA: 3 for one comparison, 4 for two to six.
    """
    pairs = 2
    while 2 * 4.0**-pairs * num_comparisons > ALPHA:
        pairs += 1
    return pairs


def judge(comparisons: Sequence[Comparison]) -> list[Verdict]:
    """Return the verdicts on all variants of an ablation.

    The probability of any false `better` or `worse` is at most ALPHA.

    1. The metric is compared in the pairs in which both runs ended, by the paired t test (outcomes:
       by McNemar's exact test). Failure rates are compared by Fisher's exact test, if enough runs
       diverged for it to decide. Holm's correction is over all of these tests of all variants, and
       a second one over the tests of equivalence.
    2. If failure rates differ, they decide: the variant that diverges more often is worse. If its
       surviving runs are better, it is undecided.
    3. A difference that is certainly inside the margin means equivalent, even if it is not 0.
    4. A difference that is not 0 means better or worse, from `fewest_pairs` on.
    5. Survivors alone never decide against the failure rates: 3 and 4 give undecided if the
       variant that would gain by them diverged more often, even if by chance.
    """
    tests = [_difference(comparison) for comparison in comparisons]
    rates = [failure_difference(pair.diverged, pair.baseline_diverged) for pair in comparisons]
    # Which failure rates are tested depends on how many runs diverged in all. Fisher's test holds
    # that number fixed, so that the choice does not change its error rate (Tarone 1990).
    is_tested = [failures is not None and failures.least_p <= ALPHA for failures in rates]
    p_failures = [
        failures.p if failures and tested else np.nan
        for failures, tested in zip(rates, is_tested, strict=True)
    ]
    adjusted = holm([test.p_coarse for test in tests] + p_failures)
    equivalent = holm([_equivalence(comparison) for comparison in comparisons])
    needed = fewest_pairs(sum(not np.isnan(test.p) for test in tests))
    verdicts = []
    for i, (comparison, test, failures) in enumerate(zip(comparisons, tests, rates, strict=True)):
        sign = 1 if comparison.rising else -1
        gains = sign * differences(comparison.variant, comparison.baseline)
        p, p_failure = float(adjusted[i]), float(adjusted[len(comparisons) + i])
        word, basis = _decide(
            direction=sign * int(np.sign(test.mean)) if p <= ALPHA else 0,
            equivalent=bool(equivalent[i] <= ALPHA),
            excess=failures.excess if failures else 0.0,
            fails=p_failure <= ALPHA,
            is_enough=comparison.is_binary or test.n >= needed,
            is_alike=gains.size > 1 and not gains.any(),
        )
        verdicts.append(
            Verdict(
                word=word,
                basis=basis,
                difference=test,
                p=p,
                p_equivalent=float(equivalent[i]),
                failures=failures,
                p_failures=p_failure if is_tested[i] else 1.0,
                wins=int((gains > 0).sum()),
            )
        )
    return verdicts


def _difference(comparison: Comparison) -> Difference:
    pairs = comparison.variant, comparison.baseline
    if comparison.is_binary:
        return mcnemar(*pairs)
    return paired_t(differences(*pairs), overlap=comparison.overlap)


def _equivalence(comparison: Comparison) -> float:
    if comparison.is_binary:
        return equivalent_shares(comparison.variant, comparison.baseline, comparison.margin)
    paired = differences(comparison.variant, comparison.baseline)
    p = two_one_sided(paired, comparison.margin, overlap=comparison.overlap)
    if not len(paired) or paired.any():
        return p
    values = comparison.baseline[~np.isnan(comparison.variant - comparison.baseline)]
    return max(p, alike_by_chance(values))


def _decide(
    *, direction: int, equivalent: bool, excess: float, fails: bool, is_enough: bool, is_alike: bool
) -> tuple[Word, Basis]:
    """Return the verdict that follows from the tests, by the rules of `judge`.

    Args:
        direction: 1: the variant is certainly better, -1: worse, 0: neither
        equivalent: whether the difference is certainly inside the margin
        excess: of the variant's failure rate over the baseline's
        fails: whether the failure rates certainly differ
        is_enough: whether there are enough pairs to believe a difference
        is_alike: whether all pairs are equal
    """
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


def pooled(comparisons: Sequence[Comparison], *, is_share: bool) -> Comparison:
    """Return the comparison of a variant with its baseline over several data sets.

    At each of the N seeds the differences are averaged over the data sets; these means are tested.
    So the verdict is about these data sets at any seed, not about other data sets. (For those the
    data sets would be the pairs, and at least six would be needed; Demšar 2006.) Costs have another
    scale on each data set, so that their differences and the margin are divided by the mean of the
    baseline on it.

    Reference:
        Demšar 2006, Statistical comparisons of classifiers over multiple data sets, JMLR 7.
    """
    differences, margins = [], []
    for comparison in comparisons:
        baseline = np.abs(present(comparison.baseline))
        scale = 1.0 if is_share or not len(baseline) else float(baseline.mean()) or 1.0
        differences.append((comparison.variant - comparison.baseline) / scale)
        margins.append(comparison.margin / scale)
    # NaN where a data set has no pair at the seed: the mean of the others would not compare.
    mean = np.mean(np.stack(differences), axis=0)
    return Comparison(
        variant=mean,
        baseline=np.zeros_like(mean),
        rising=comparisons[0].rising,
        margin=float(np.mean(margins)),
        diverged=_sums([comparison.diverged for comparison in comparisons]),
        baseline_diverged=_sums([comparison.baseline_diverged for comparison in comparisons]),
        overlap=comparisons[0].overlap,
    )


def _sums(counts: Sequence[tuple[int, int]]) -> tuple[int, int]:
    return sum(count for count, _ in counts), sum(n for _, n in counts)


def overall(verdict: Verdict, words: Sequence[Word]) -> Word:
    """Return the verdict over all data sets: undecided if the word on one contradicts it."""
    opposite: dict[Word, set[Word]] = {
        "better": {"worse"},
        "worse": {"better"},
        "equivalent": {"better", "worse"},
    }
    return "undecided" if opposite.get(verdict.word, set()) & set(words) else verdict.word

"""The verdict on every variant: better, worse, equivalent or undecided; also over data sets."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dlx.ablation.statistics.conclusions import (
    Evidence,
    enough_alike,
    enough_outcomes,
    enough_pairs,
    enough_runs,
    is_beyond_seeds,
)
from dlx.ablation.statistics.equivalence import chance_alike, two_one_sided, within_share
from dlx.ablation.statistics.failures import Failures, failure_difference
from dlx.ablation.statistics.intervals import CONFIDENCE, Spread, present, spread_of
from dlx.ablation.statistics.moderation import moderated
from dlx.ablation.statistics.multiple import holm
from dlx.ablation.statistics.paired import Difference, differences, paired_t
from dlx.ablation.statistics.paired_shares import equivalent_shares, mcnemar
from dlx.ablation.statistics.sequential import Schedule

# N pairs, at each of D data sets

ALPHA = 1 - CONFIDENCE

Word = Literal["better", "worse", "equivalent", "undecided"]
Conclusion = Literal[
    "better",
    "better within the margin",
    "worse",
    "worse within the margin",
    "equivalent",
    "too few seeds",
    "too few rows",
    "mixed",
    "other dev rows",
    "nothing to compare",
]
"""What people read: a verdict with what would decide it; docs/statistics.md defines each."""
Basis = Literal[
    "difference", "divergence", "margin", "conflict", "few pairs", "alike", "other rows", "nothing"
]


@dataclass(frozen=True)
class Comparison:
    """A variant and its baseline, run by run at the same seeds."""

    variant: NDArray[np.float64]  # (N,) values of the judged metric; NaN where the run has none
    baseline: NDArray[np.float64]  # (N,) likewise
    rising: bool  # whether larger values are better
    # Largest difference that does not matter: at most this, and at most this share of the
    # baseline's own values; but never less than the least.
    margin: float
    relative: NDArray[np.float64] | None = None  # (N,)
    least: float = 0.0
    is_binary: bool = False  # whether the values are outcomes, 1 or 0
    # How many of the variant's runs diverged, and of how many, failed ones left out; (0, 0) where
    # the metric counts divergence itself, as success does.
    diverged: tuple[int, int] = (0, 0)
    baseline_diverged: tuple[int, int] = (0, 0)  # likewise of the baseline
    overlap: float = 0.0  # for the folds of a cross-validation, see `intervals.spread_of`
    same_rows: bool = True  # whether both were judged on the same rows; else there are no values
    # What other judged rows add to the variance of the mean difference, see `rows.with_rows`.
    of_rows: float = 0.0
    row_freedom: float = np.inf
    # Where seeds are added until a verdict: how many both have, and the confidence of the interval,
    # see `sequential.Schedule`.
    seeds: int = 0
    confidence: float = CONFIDENCE

    @property
    def limit(self) -> float:
        """The margin as a number; NaN if it is a share of what the baseline has not."""
        if self.relative is None:
            return self.margin
        own = present(self.relative)
        return max(min(self.margin, float(own.mean())), self.least) if len(own) else np.nan


@dataclass(frozen=True)
class Verdict:
    """The result of a comparison."""

    word: Word  # better, worse, equivalent or undecided
    # Why. `difference`: of the metric; `divergence`: of the failure rates; `margin`: the difference
    # is inside it; `conflict`: metric and failure rates disagree; `few pairs`: too few for the
    # difference that they show; `alike`: all pairs are equal, which a few pairs may be by chance;
    # `other rows`: judged on other rows; `nothing`: noise.
    basis: Basis
    difference: Difference  # of the metric, with the unadjusted p
    p: float  # of the difference, Holm-adjusted over all tests of the ablation
    p_equivalent: float  # of a difference of margin or more, Holm-adjusted over the variants
    # The failure rates, with the unadjusted p; None if one of the two has no runs.
    failures: Failures | None
    p_failures: float  # Holm-adjusted together with the differences
    spread: Spread  # of the mean difference
    of_rows: float  # share of its variance that the choice of the rows makes
    wins: int  # number of pairs in which the variant is better
    conclusion: Conclusion
    enough: int | None  # seeds that would decide, if there are too few
    is_beyond_seeds: bool = False  # whether no number of seeds decides, see `conclusions`


@dataclass(frozen=True)
class Family:
    """All comparisons of an ablation, after so many seeds."""

    groups: Sequence[Sequence[Comparison]]  # of each metric, of every variant in the same order
    over: Sequence[Comparison] = ()  # over several data sets; their rates of divergence are own
    others: Sequence[tuple[float, float]] = ()  # p and mean difference of further tests
    seeds: int = 0  # a comparison that has fewer is the one of an earlier look

    @property
    def comparisons(self) -> list[Comparison]:
        """All comparisons of means."""
        return [comparison for group in [*self.groups, self.over] for comparison in group]


Judgement = tuple[list[list[Verdict]], list[Verdict], NDArray[np.float64]]
"""The verdicts of each group; those over several data sets; the adjusted p of further tests."""


FEWEST_VARYING = 5
"""Pairs from which on differences that are not all equal are believed, whatever their number.

Their own variance then stands against a chance difference. Measured (`benchmarks/calibration.py`):
with 5 seeds and 36 variants false verdicts stay below 6 %.
"""


def fewest_pairs(num_comparisons: int) -> int:
    """Return how many pairs it takes to believe a difference of means that is the same in all.

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
    """Return the verdicts on all variants of an ablation by one metric, see `judge_together`."""
    (verdicts,), _, _ = judge_together([comparisons])
    return verdicts


def judge_together(
    groups: Sequence[Sequence[Comparison]],
    over: Sequence[Comparison] = (),
    others: Sequence[float] = (),
) -> Judgement:
    """Return the verdicts on all variants of an ablation by all its metrics: one family of tests.

    The probability of any false `better` or `worse`, of any variant by any metric, is at most
    ALPHA; so is that of any false `equivalent`.

    1. The metric is compared in the pairs in which both runs ended, by the paired t test with
       variances that the variants share (outcomes: by McNemar's mid-p test too). Failure rates are
       compared by Boschloo's test, if enough runs diverged for it to decide, or if there is no
       pair to compare. Holm's correction is over all of these tests of all variants, and a second
       one over the tests of equivalence.
    2. If failure rates differ, they decide: the variant that diverges more often is worse. If its
       surviving runs are better, it is undecided.
    3. A difference that is certainly inside the margin means equivalent, even if it is not 0.
    4. A difference that is not 0 means better or worse, from `fewest_pairs` on; one that varies
       from `FEWEST_VARYING` on.
    5. Survivors alone never decide against the failure rates: 3 and 4 give undecided if the
       variant that would gain by them diverged more often, even if by chance.

    Args:
        groups: of each metric, the comparison of every variant, in the same order
        over: comparisons over several data sets, which have rates of divergence of their own
        others: p of further tests of the family, whose verdicts follow from p alone
    """
    [judgement] = judge_in_turn([Family(groups, over, [(p, 1.0) for p in others])])
    return judgement


def judge_in_turn(looks: Iterable[Family], schedule: Schedule | None = None) -> Iterator[Judgement]:
    """Give the verdicts after every look, which err as seldom as `judge_together`'s in all.

    A p of a look is made one of the whole ablation (`Schedule.overall`), and the smallest of those
    up to a look is corrected by Holm's method. One of an earlier look counts as long as the
    difference has kept its sign or, of equivalence, is inside the margin. Without a schedule there
    is one look.
    """
    tests: list[_Tests] = []
    for family in looks:
        tests.append(_Tests.of(family, schedule))
        yield _judged(family, tests)


@dataclass(frozen=True)
class _Tests:
    """The tests of a family, each p as one of the whole ablation, not corrected for the others."""

    spreads: Sequence[Spread]  # of each comparison
    differences: Sequence[Difference]  # likewise
    rates: Sequence[Failures | None]  # likewise
    subjects: Sequence[Hashable]  # whose rates these are
    p: Mapping[Any, float]  # of all tests of differences and rates
    directions: Mapping[Any, float]  # 1 or -1 where a variant is above its baseline or below
    equivalences: Sequence[float]  # p, of each comparison
    is_inside: Sequence[bool]  # whether each difference is inside the margin, surely or not
    is_new: Sequence[bool]  # whether each comparison has runs that earlier looks had not

    @classmethod
    def of(cls, family: Family, schedule: Schedule | None) -> "_Tests":
        comparisons = family.comparisons
        groups, over = family.groups, family.over
        spreads = [spread for group in [*groups, over] for spread in _spreads(group)]
        tests = list(map(_difference, comparisons, spreads))
        rates = [failure_difference(pair.diverged, pair.baseline_diverged) for pair in comparisons]
        is_new = [pair.seeds >= family.seeds for pair in comparisons]
        # A variant diverges by one rate, whatever the metric: it is tested once.
        subjects: list[Hashable] = [(False, row) for group in groups for row in range(len(group))]
        subjects += [(True, row) for row in range(len(over))]
        p: dict[Any, float] = {place: test.p_coarse for place, test in enumerate(tests)}
        directions: dict[Any, float] = {place: test.mean for place, test in enumerate(tests)}
        for subject, failures, test in zip(subjects, rates, tests, strict=True):
            if failures is None:
                continue
            directions[subject] = failures.excess
            if failures.least_p <= ALPHA or not test.n:
                p[subject] = failures.p
        for place, (p_other, mean) in enumerate(family.others):
            p["other", place], directions["other", place] = p_other, mean
        equivalences = list(map(_equivalence, comparisons, spreads))
        is_inside = [own < 0.5 for own in equivalences]
        if schedule is not None:
            p = {key: schedule.overall(own, family.seeds) for key, own in p.items()}
            equivalences = [schedule.overall_one_sided(own, family.seeds) for own in equivalences]
        return cls(
            spreads,
            tests,
            rates,
            subjects,
            p,
            {key: float(np.sign(value)) for key, value in directions.items()},
            equivalences,
            is_inside,
            is_new,
        )

    def is_told(self, key: Any) -> bool:
        """Say whether a test is of runs that earlier looks had not."""
        place = key if isinstance(key, int) else None
        if place is None and key in self.subjects:
            place = self.subjects.index(key)
        return place is None or self.is_new[place]


def _least_p(looks: Sequence[_Tests]) -> dict[Any, float]:
    """Return the p of all differences and rates, the least of all looks."""
    *before, now = looks
    p = {key: own if now.is_told(key) else np.nan for key, own in now.p.items()}
    for look in before:
        for key, own in look.p.items():
            if look.is_told(key) and look.directions[key] == now.directions[key]:
                p[key] = float(np.fmin(p.get(key, np.nan), own))
    return p


def _least_equivalence(looks: Sequence[_Tests]) -> list[float]:
    """Return the p of equivalence of each comparison, the least of all looks."""
    *before, now = looks
    p = np.where(now.is_new, now.equivalences, np.nan)
    for look in before:
        counts = np.array(look.is_new) & now.is_inside
        p = np.fmin(p, np.where(counts, look.equivalences, np.nan))
    return p.tolist()


def _judged(family: Family, looks: Sequence[_Tests]) -> Judgement:
    comparisons, now = family.comparisons, looks[-1]
    spreads, tests, rates, subjects = now.spreads, now.differences, now.rates, now.subjects
    least = _least_p(looks)
    adjusted = holm(list(least.values()))
    by_key = dict(zip(least, adjusted.tolist(), strict=True))
    equivalent = holm(_least_equivalence(looks))
    num_tests = max(int((~np.isnan(adjusted)).sum()), 1)
    num_equivalences = max(int((~np.isnan(equivalent)).sum()), 1)
    needed = fewest_pairs(sum(not np.isnan(test.p) for test in tests))
    fewest = min(fewest_pairs(len(comparisons)), FEWEST_VARYING)
    verdicts = []
    for place, comparison in enumerate(comparisons):
        test, failures = tests[place], rates[place]
        sign = 1 if comparison.rising else -1
        gains = sign * differences(comparison.variant, comparison.baseline)
        p, p_failures = by_key[place], by_key.get(subjects[place], 1.0)
        word, basis = _decide(
            direction=sign * int(np.sign(test.mean)) if p <= ALPHA else 0,
            equivalent=bool(equivalent[place] <= ALPHA),
            excess=failures.excess if failures else 0.0,
            fails=p_failures <= ALPHA,
            is_enough=comparison.is_binary
            or test.n >= needed
            or (test.n >= FEWEST_VARYING and bool(np.ptp(gains) > 0)),
            is_alike=gains.size > 1 and not gains.any(),
            same_rows=comparison.same_rows,
        )
        evidence = Evidence(
            mean=test.mean,
            spread=spreads[place],
            n=test.n,
            limit=comparison.limit,
            num_tests=num_tests,
            num_equivalences=num_equivalences,
            fewest=fewest,
        )
        conclusion, enough = _conclude(
            word, basis, comparison, evidence, failures, is_sure=p <= ALPHA
        )
        verdicts.append(
            Verdict(
                word=word,
                basis=basis,
                difference=test,
                p=p,
                p_equivalent=float(equivalent[place]),
                failures=failures,
                p_failures=p_failures,
                spread=spreads[place],
                of_rows=spreads[place].row_share,
                wins=int((gains > 0).sum()),
                conclusion=conclusion,
                enough=enough,
                is_beyond_seeds=is_beyond_seeds(evidence),
            )
        )
    in_order = iter(verdicts)
    of_groups = [[next(in_order) for _ in group] for group in family.groups]
    of_others = [by_key["other", place] for place in range(len(family.others))]
    return of_groups, list(in_order), np.array(of_others)


def _spreads(comparisons: Sequence[Comparison]) -> list[Spread]:
    """Return how far the mean difference of each comparison varies, in the light of the others."""
    return moderated(
        [
            replace(
                spread_of(differences(pair.variant, pair.baseline), overlap=pair.overlap),
                of_rows=pair.of_rows,
                row_freedom=pair.row_freedom,
            )
            for pair in comparisons
        ]
    )


def _difference(comparison: Comparison, spread: Spread) -> Difference:
    """Return the test of a difference; of outcomes the more careful one of two, if rows count.

    McNemar's test knows nothing of rows. The paired t test needs the continuity correction of
    `paired_t`, half of 1/N, in its interval too.
    """
    pairs = comparison.variant, comparison.baseline
    confidence = comparison.confidence
    test = paired_t(
        differences(*pairs), overlap=comparison.overlap, spread=spread, confidence=confidence
    )
    if not comparison.is_binary:
        return test
    exact = mcnemar(*pairs, confidence=confidence)
    if not spread.of_rows > 0:  # NaN without two pairs
        return exact
    return replace(
        exact,
        low=max(min(exact.low, test.low - 0.5 / exact.n), -1.0),
        high=min(max(exact.high, test.high + 0.5 / exact.n), 1.0),
        p=max(exact.p, test.p),
        p_coarse=max(exact.p, test.p_coarse),
        test=f"{exact.test} and {test.test}",
    )


def _equivalence(comparison: Comparison, spread: Spread) -> float:
    paired = differences(comparison.variant, comparison.baseline)
    if comparison.is_binary:
        p = equivalent_shares(comparison.variant, comparison.baseline, comparison.margin)
        by_rows = two_one_sided(paired, comparison.margin, spread)
        return max(p, by_rows) if spread.of_rows > 0 else p
    p = 0.0
    if np.isfinite(comparison.margin):
        p = two_one_sided(paired, comparison.margin, spread)
    if comparison.relative is not None:
        has_both = ~np.isnan(comparison.variant - comparison.baseline)
        p = max(p, within_share(paired, comparison.relative[has_both], spread))
        if comparison.least:
            p = min(p, two_one_sided(paired, comparison.least, spread))
    if not len(paired) or paired.any():
        return p
    values = _paired_baseline(comparison)
    return max(p, chance_alike(values) ** len(values))


def _paired_baseline(comparison: Comparison) -> NDArray[np.float64]:
    """Return the baseline's values in the pairs."""
    return comparison.baseline[~np.isnan(comparison.variant - comparison.baseline)]


def _decide(
    *,
    direction: int,
    equivalent: bool,
    excess: float,
    fails: bool,
    is_enough: bool,
    is_alike: bool,
    same_rows: bool,
) -> tuple[Word, Basis]:
    """Return the verdict that follows from the tests, by the rules of `judge`.

    Args:
        direction: 1: the variant is certainly better, -1: worse, 0: neither
        equivalent: whether the difference is certainly inside the margin
        excess: of the variant's failure rate over the baseline's
        fails: whether the failure rates certainly differ
        is_enough: whether there are enough pairs to believe a difference
        is_alike: whether all pairs are equal
        same_rows: whether both were judged on the same rows
    """
    believed = direction if is_enough and not equivalent else 0
    if fails:
        verdict: Word = "worse" if excess > 0 else "better"
        return ("undecided", "conflict") if believed * excess > 0 else (verdict, "divergence")
    if not same_rows:
        return "undecided", "other rows"
    if equivalent and is_enough:
        return ("undecided", "conflict") if excess else ("equivalent", "margin")
    if believed:
        if believed * excess > 0:
            return "undecided", "conflict"
        return ("better" if believed > 0 else "worse"), "difference"
    if direction or (equivalent and not is_enough):
        return "undecided", "few pairs"
    return "undecided", "alike" if is_alike else "nothing"


def _conclude(
    word: Word,
    basis: Basis,
    comparison: Comparison,
    evidence: Evidence,
    failures: Failures | None,
    *,
    is_sure: bool,
) -> tuple[Conclusion, int | None]:
    """Return the conclusion, and the number of seeds that would do if there are too few.

    Args:
        is_sure: whether the difference is certainly not 0
    """
    if word == "equivalent" and is_sure and evidence.mean:
        rises = (evidence.mean > 0) == comparison.rising
        return ("better within the margin" if rises else "worse within the margin"), None
    if word != "undecided":
        return word, None
    if basis in ("conflict", "other rows"):
        return ("mixed" if basis == "conflict" else "other dev rows"), None
    if basis == "alike":
        chance = chance_alike(_paired_baseline(comparison))
        enough = enough_alike(chance, evidence.num_equivalences)
        return "too few seeds", max(enough, evidence.n + 1)
    if comparison.is_binary and evidence.n > 1:
        gains = differences(comparison.variant, comparison.baseline)
        counts = int((gains > 0).sum()), int((gains < 0).sum())
        enough = enough_outcomes(*counts, evidence.n, evidence.num_tests)
        if not evidence.spread.of_rows:
            return "too few seeds", enough
        pairs = enough_pairs(evidence)
        return ("too few seeds", max(enough or 0, pairs)) if pairs else ("too few rows", None)
    of_rates = enough_runs(failures, evidence.num_tests) if failures else None
    if not evidence.n:
        return ("too few seeds" if of_rates else "nothing to compare"), of_rates
    pairs = enough_pairs(evidence)
    if pairs is None:
        return "too few rows", None
    # Seeds at which a run diverged make no pair; the rates may be told apart sooner.
    enough = -(-pairs * len(comparison.variant) // evidence.n)
    return "too few seeds", min(enough, of_rates or enough)


def pooled(comparisons: Sequence[Comparison], *, is_bounded: bool) -> Comparison:
    """Return the comparison of a variant with its baseline over several data sets.

    At each of the N seeds the differences are averaged over the data sets; these means are tested.
    So the verdict is about these data sets at any seed, not about other data sets. (For those the
    data sets would be the pairs, and at least six would be needed; Demšar 2006.) Costs have another
    scale on each data set, so that their differences and the margin are divided by the mean of the
    baseline on it.

    Reference:
        Demšar 2006, Statistical comparisons of classifiers over multiple data sets, JMLR 7.
    """
    differences, margins, of_rows = [], [], []
    for comparison in comparisons:
        baseline = np.abs(present(comparison.baseline))
        scale = 1.0 if is_bounded or not len(baseline) else float(baseline.mean()) or 1.0
        differences.append((comparison.variant - comparison.baseline) / scale)
        margins.append(comparison.limit / scale)
        of_rows.append(comparison.of_rows / scale**2)
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
        same_rows=all(comparison.same_rows for comparison in comparisons),
        of_rows=float(np.sum(of_rows)) / len(comparisons) ** 2,
        row_freedom=min(comparison.row_freedom for comparison in comparisons),
        seeds=min(comparison.seeds for comparison in comparisons),
        confidence=comparisons[0].confidence,
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

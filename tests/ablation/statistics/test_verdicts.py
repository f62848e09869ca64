from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from dlx.ablation.statistics.verdicts import Comparison, fewest_pairs, judge, judge_together

BASE = np.array([0.90, 0.91, 0.92, 0.89, 0.90, 0.93, 0.91, 0.90, 0.92, 0.91])
NOISE = np.array([21, -33, 42, -14, 15, -46, 37, -28, 19, -10]) / 1e4


def comparison(difference: float = 0.0, **options) -> Comparison:
    settings = {"rising": True, "margin": 0.005, "diverged": (0, 10), "baseline_diverged": (0, 10)}
    return Comparison(BASE + NOISE + difference, BASE, **(settings | options))


def word(*comparisons: Comparison) -> tuple[str, str]:
    first = judge(comparisons)[0]
    return first.word, first.basis


@pytest.mark.parametrize(
    ("difference", "rising", "expected"),
    [
        (0.05, True, ("better", "difference")),
        (-0.05, True, ("worse", "difference")),
        (0.05, False, ("worse", "difference")),
        (-0.05, False, ("better", "difference")),
        (0.0, True, ("equivalent", "margin")),
        (0.002, True, ("equivalent", "margin")),  # surely not 0, and surely too small to matter
    ],
)
def test_the_difference_and_the_margin_decide(difference, rising, expected):
    assert word(comparison(difference, rising=rising)) == expected


def test_noise_is_undecided():
    assert word(comparison(0.0, margin=0.0001)) == ("undecided", "nothing")


def test_p_is_of_the_shared_variance_and_adjusted_over_the_variants():
    verdicts = judge([comparison(0.0011, margin=1e-4), comparison(0.05), comparison(0.06)])
    raw = stats.ttest_rel(BASE + NOISE + 0.0011, BASE)[1]
    assert verdicts[0].difference.p == pytest.approx(raw)
    # Three equal variances, which correlate by 1/4, are worth 3 * 9 / 1.5 degrees of freedom.
    error = NOISE.std(ddof=1) / 10**0.5
    for place, shift, factor in ((0, 0.0011, 1), (1, 0.05, 2)):
        t = (NOISE.mean() + shift) / error
        assert verdicts[place].p == pytest.approx(factor * 2 * stats.t.sf(t, 18), rel=1e-6)
    width = stats.t.ppf(0.975, 18) * error
    test = verdicts[1].difference
    assert (test.mean - test.low, test.high - test.mean) == pytest.approx((width, width))


def test_more_variants_need_more_evidence():
    one = comparison(0.0022, margin=1e-4)
    assert word(one)[0] == "better"
    assert word(one, *[comparison(0.0, margin=1e-4)] * 7) == ("undecided", "nothing")


def test_wins_are_counted_the_way_the_metric_goes():
    gains = int((NOISE > 0).sum())
    assert judge([comparison()])[0].wins == gains
    assert judge([comparison(rising=False)])[0].wins == 10 - gains


def test_one_pair_decides_nothing():
    verdict = judge([Comparison(np.array([1.0]), np.array([0.5]), True, 0.005)])[0]
    assert verdict.word == "undecided"
    assert np.isnan([verdict.p, verdict.p_equivalent, verdict.difference.low]).all()


@pytest.mark.parametrize(("comparisons", "pairs"), [(1, 3), (2, 4), (6, 4), (7, 5), (25, 5)])
def test_the_fewest_pairs_are_those_that_coins_do_not_match_by_chance(comparisons, pairs):
    assert fewest_pairs(comparisons) == pairs
    assert 2 * 4.0**-pairs * comparisons <= 0.05 < 2 * 4.0 ** -(pairs - 1) * comparisons


@pytest.mark.parametrize(
    ("n", "expected"), [(2, ("undecided", "few pairs")), (3, ("worse", "difference"))]
)
def test_a_constant_difference_needs_the_fewest_pairs(n, expected):
    assert word(Comparison(np.full(n, 0.5), np.ones(n), True, 0.005)) == expected


@pytest.mark.parametrize(
    ("n", "expected"), [(10, ("undecided", "alike")), (29, ("equivalent", "margin"))]
)
def test_accuracies_of_1_throughout_need_many_seeds_to_be_equivalent(n, expected):
    assert word(Comparison(np.ones(n), np.ones(n), True, 0.005)) == expected


def test_equal_runs_of_a_metric_that_varies_are_equivalent():
    values = np.array([0.95, 0.96, 0.97, 0.94, 0.93])
    assert word(Comparison(values, values, True, 0.005)) == ("equivalent", "margin")


def test_what_diverges_surely_more_often_is_worse():
    lost = np.r_[np.full(8, np.nan), BASE[8:]]
    one = replace(comparison(), variant=lost, diverged=(8, 10))
    assert word(one) == ("worse", "divergence")
    rare = stats.boschloo_exact([[8, 0], [2, 10]]).pvalue
    assert judge([one])[0].p_failures == pytest.approx(2 * rare)


def test_what_diverges_surely_less_often_is_better():
    lost = np.full(10, np.nan)
    one = replace(comparison(), baseline=lost, baseline_diverged=(10, 10))
    assert word(one) == ("better", "divergence")


def test_survivors_never_outweigh_sure_divergences():
    values = np.r_[np.full(6, np.nan), BASE[6:] + 0.05]
    one = replace(comparison(), variant=values, diverged=(6, 10))
    assert word(one) == ("undecided", "conflict")


@pytest.mark.parametrize(
    ("difference", "expected"),
    [
        (0.05, ("undecided", "conflict")),
        (0.0, ("undecided", "conflict")),
        (-0.05, ("worse", "difference")),
    ],
)
def test_survivors_do_not_decide_for_what_diverged_more_often_by_chance(difference, expected):
    values = np.r_[np.nan, np.nan, (BASE + NOISE)[2:] + difference]
    assert word(replace(comparison(), variant=values, diverged=(2, 10))) == expected


def test_runs_that_all_diverged_on_both_sides_are_undecided():
    lost = np.full(10, np.nan)
    one = Comparison(lost, lost, True, 0.005, diverged=(10, 10), baseline_diverged=(10, 10))
    assert word(one) == ("undecided", "nothing")


def test_divergences_too_few_to_decide_take_no_evidence_from_others():
    values = np.r_[np.nan, (BASE + NOISE)[1:]]
    few = replace(comparison(), variant=values, diverged=(1, 10))
    verdicts = judge([few, comparison(0.05)])
    coarse = verdicts[1].difference.p_coarse
    assert verdicts[1].p == pytest.approx(2 * coarse)
    assert verdicts[0].p_failures == 1


def test_outcomes_are_tested_exactly():
    verdict = judge([Comparison(np.ones(10), np.zeros(10), True, 0.005, is_binary=True)])[0]
    assert (verdict.word, verdict.basis) == ("better", "difference")
    assert verdict.p == pytest.approx(1 / 2**10)
    assert verdict.failures is None


def test_ten_of_ten_against_five_of_ten_is_decided():
    five = np.repeat([0.0, 1.0], 5)
    verdict = judge([Comparison(np.ones(10), five, True, 0.005, is_binary=True)])[0]
    assert (verdict.word, verdict.p) == ("better", pytest.approx(1 / 2**5))


@pytest.mark.parametrize(
    ("of_rows", "expected"),
    [
        (0.0, ("better", "better")),
        (0.02, ("better", "better")),
        (0.2, ("undecided", "too few rows")),
    ],
)
def test_outcomes_of_seeds_with_rows_of_their_own_are_tested_by_rows_too(of_rows, expected):
    five = np.repeat([0.0, 1.0], [6, 4])
    pair = Comparison(np.ones(10), five, True, 0.005, is_binary=True)
    alone = judge([pair])[0].difference
    verdict = judge([replace(pair, of_rows=of_rows, row_freedom=9)])[0]
    assert (verdict.word, verdict.conclusion) == expected
    assert verdict.difference.p >= alone.p
    assert verdict.difference.low <= alone.low < alone.high <= verdict.difference.high <= 1


@pytest.mark.parametrize("pairs", [0, 1])
def test_outcomes_of_too_few_pairs_have_no_interval(pairs):
    values = np.repeat([1.0, np.nan], [pairs, 3 - pairs])
    pair = Comparison(values, np.zeros(3), True, 0.005, is_binary=True, of_rows=np.nan)
    difference = judge([pair])[0].difference
    assert difference.n == pairs and np.isnan(difference.low) and np.isnan(difference.p)


def test_all_groups_are_one_family():
    """Two metrics of one variant and a further p take evidence from each other, once each."""
    one, other = comparison(0.0022, margin=1e-4), comparison(0.0, margin=1e-4)
    alone = judge([one])[0]
    (first, second), _, adjusted = judge_together([[one], [other]], others=[0.001])
    assert alone.word == "better"
    assert first[0].p == pytest.approx(2 * alone.difference.p_coarse)
    assert adjusted.tolist() == pytest.approx([3 * 0.001])
    assert second[0].word != "better"
    diverging = replace(one, diverged=(5, 10), baseline_diverged=(0, 10))
    (first, second), _, _ = judge_together([[diverging], [diverging]])
    rare = stats.boschloo_exact([[5, 0], [5, 10]]).pvalue
    assert first[0].p_failures == pytest.approx(3 * rare), "once for both metrics"
    assert (first[0].basis, second[0].basis) == ("divergence", "divergence")


def test_survivors_that_are_better_by_less_than_the_margin_do_not_outweigh_divergences():
    base, noise = np.tile(BASE, 3), np.tile(NOISE, 3) / 10
    values = np.r_[np.full(15, np.nan), (base + noise + 0.002)[15:]]
    one = Comparison(values, base, True, 0.005, diverged=(15, 30), baseline_diverged=(0, 30))
    assert judge([one])[0].p < 0.05
    assert word(one) == ("worse", "divergence")


def test_folds_are_judged_by_the_corrected_test():
    plain, corrected = (
        judge([comparison(0.002, margin=1e-4)]),
        judge([comparison(0.002, margin=1e-4, overlap=1 / 9)]),
    )
    assert corrected[0].p > plain[0].p
    assert "folds" in corrected[0].difference.test


def test_a_plain_difference_is_told_at_five_seeds_among_many_variants():
    """But the same difference in all five pairs may be chance, with 35 comparisons."""
    generator = np.random.default_rng(0)
    base = generator.normal(0.9, 0.01, 5)
    alike = [Comparison(base + generator.normal(0, 0.01, 5), base, True, 0.005) for _ in range(34)]
    worse = Comparison(base - 0.709 + generator.normal(0, 0.03, 5), base, True, 0.005)
    verdicts = judge([*alike, worse])
    assert verdicts[-1].word == "worse" and verdicts[-1].p < 0.001
    constant = Comparison(np.full(5, 0.5), np.ones(5), True, 0.005)
    verdict = judge([*alike, constant])[-1]
    assert (verdict.word, verdict.basis) == ("undecided", "few pairs")

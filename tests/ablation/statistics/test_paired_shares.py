import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dlx.ablation.statistics.paired_shares import equivalent_shares, mcnemar, paired_shares


def outcomes(both: int, alone: int, lost: int, neither: int) -> tuple[list[float], list[float]]:
    variant = [1.0] * (both + alone) + [0.0] * (lost + neither)
    other = [1.0] * both + [0.0] * alone + [1.0] * lost + [0.0] * neither
    return variant, other


@given(st.tuples(*[st.integers(0, 30)] * 4).filter(lambda counts: sum(counts) > 1))
def test_p_counts_half_of_what_is_observed(counts):
    _, alone, lost, _ = counts
    test = mcnemar(*outcomes(*counts))
    exact, observed = 1.0, 0.0
    if alone != lost:
        exact = stats.binomtest(alone, alone + lost).pvalue
        observed = stats.binom.pmf(alone, alone + lost, 0.5)
    assert test.p == pytest.approx(exact - observed)
    assert test.mean == pytest.approx((alone - lost) / sum(counts))
    assert -1 <= test.low <= test.mean <= test.high <= 1


def test_the_interval_is_newcombes():
    # Newcombe 1998, table II, method 10, of the pairs 36, 12, 2, 0
    assert paired_shares((36, 12, 2, 0)) == pytest.approx((0.0569, 0.3404), abs=5e-5)


def test_pairs_that_hang_together_narrow_the_interval_by_their_corrected_correlation():
    first, other = (stats.binomtest(k, 50).proportion_ci(method="wilson") for k in (32, 22))
    correlation = (20 * 16 - 12 * 2 - 50 / 2) / (32 * 18 * 22 * 28) ** 0.5
    down, up = 32 / 50 - first.low, other.high - 22 / 50
    squared = down**2 - 2 * correlation * down * up + up**2
    low, high = paired_shares((20, 12, 2, 16))
    assert low == pytest.approx(0.2 - squared**0.5)
    assert high - low < (first.high - other.low) - (first.low - other.high)


def test_the_interval_turns_round_with_the_pair():
    low, high = paired_shares((5, 9, 2, 4))
    assert paired_shares((5, 2, 9, 4)) == pytest.approx((-high, -low))


def test_an_interval_of_pairs_that_all_agree_has_a_width():
    low, high = paired_shares((10, 0, 0, 0))
    assert low == pytest.approx(-high)
    assert high == pytest.approx(1 - stats.binomtest(10, 10).proportion_ci(method="wilson").low)


def test_a_missing_outcome_leaves_its_pair_out():
    assert mcnemar([1, np.nan, 0], [0, 1, 0]).n == 2


def test_one_pair_says_nothing():
    test = mcnemar([1], [0])
    assert (test.mean, test.n) == (1, 1)
    assert np.isnan(test.p)
    assert np.isnan(mcnemar([], []).mean)


def test_equivalence_is_where_the_interval_just_reaches_the_margin():
    variant, other = outcomes(120, 6, 5, 69)
    p = equivalent_shares(variant, other, 0.05)
    low, high = paired_shares((120, 6, 5, 69), confidence=1 - 2 * p)
    assert max(-low, high) == pytest.approx(0.05)
    assert 0 < p < 0.05


def test_ten_successes_against_ten_do_not_show_shares_within_half_a_point():
    assert equivalent_shares([1] * 10, [1] * 10, 0.005) > 0.3


def test_shares_further_apart_than_the_margin_are_not_equivalent():
    assert equivalent_shares(*outcomes(5, 5, 0, 0), 0.1) == 1


def test_any_two_shares_are_within_a_margin_of_more_than_1():
    assert equivalent_shares(*outcomes(5, 5, 0, 0), 2.0) == 0


def test_one_pair_of_outcomes_shows_no_equivalence():
    assert np.isnan(equivalent_shares([1], [1], 0.1))

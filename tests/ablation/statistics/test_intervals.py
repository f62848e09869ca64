import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dlx.ablation.statistics.intervals import (
    Estimate,
    mean_interval,
    median_interval,
    share_interval,
    spread_of,
)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=40), st.sampled_from([0.9, 0.95]))
def test_the_interval_of_a_mean_is_scipys(values, confidence):
    if np.ptp(values) <= 1e-9 * np.abs(values).max():
        return
    estimate = mean_interval(values, confidence=confidence)
    reference = stats.ttest_1samp(values, 0).confidence_interval(confidence)
    assert estimate.mean == pytest.approx(np.mean(values))
    assert (estimate.low, estimate.high) == pytest.approx((reference.low, reference.high), abs=1e-9)
    assert estimate.n == len(values)


def test_missing_values_are_left_out():
    assert mean_interval([1.0, np.nan, 3.0]) == mean_interval([1.0, 3.0])


def test_a_single_value_has_no_interval():
    estimate = mean_interval([0.5])
    assert (estimate.mean, estimate.n) == (0.5, 1)
    assert np.isnan([estimate.low, estimate.high]).all()


def test_no_values_have_no_mean():
    estimate = mean_interval([np.nan])
    assert estimate.n == 0
    assert np.isnan([estimate.mean, estimate.low, estimate.high]).all()


def test_equal_values_have_an_interval_without_width_whatever_is_rounded():
    estimate = mean_interval([0.95] * 7)
    assert estimate.low == estimate.high == estimate.mean == pytest.approx(0.95)


def test_folds_of_one_cross_validation_widen_the_interval_as_nadeau_and_bengio_do():
    values = [0.91, 0.93, 0.90, 0.95, 0.92]
    plain, corrected = (
        mean_interval(values),
        mean_interval(values, spread=spread_of(values, overlap=1 / 4)),
    )
    ratio = (corrected.high - corrected.low) / (plain.high - plain.low)
    assert ratio == pytest.approx(((1 / 5 + 1 / 4) / (1 / 5)) ** 0.5)


@pytest.mark.parametrize("n", [1, 5, 10, 500])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_the_interval_of_a_share_is_scipys_wilson(n, confidence):
    for count in {0, 1, n // 2, n - 1, n}:
        estimate = share_interval(count, n, confidence=confidence)
        reference = stats.binomtest(count, n).proportion_ci(confidence, method="wilson")
        assert estimate.mean == count / n
        assert (estimate.low, estimate.high) == pytest.approx(
            (reference.low, reference.high), abs=1e-12
        )


def test_no_runs_have_no_share():
    assert np.isnan(share_interval(0, 0).mean)


@given(st.lists(st.floats(0, 1e3), min_size=1, max_size=60))
def test_the_interval_of_a_median_is_scipys(values):
    estimate = median_interval(values)
    reference = stats.quantile_test(values, q=0, p=0.5).confidence_interval(0.95)
    assert estimate.mean == np.median(values)
    np.testing.assert_equal([estimate.low, estimate.high], [reference.low, reference.high])


def test_a_median_that_may_be_never_says_so():
    estimate = median_interval([10, 20, 30, 40, np.inf, np.inf, np.inf])
    assert (estimate.mean, estimate.low, estimate.high) == (40, 10, np.inf)


def test_five_values_have_no_interval_of_their_median():
    estimate = median_interval([1, 2, 3, 4, 5])
    assert estimate.mean == 3
    assert np.isnan([estimate.low, estimate.high]).all()


def test_an_interval_is_cut_to_what_is_possible():
    assert Estimate(0.9, 0.7, 1.1, 5).within(0, 1) == Estimate(0.9, 0.7, 1.0, 5)
    assert np.isnan(Estimate(0.9, np.nan, np.nan, 1).within(0, 1).low)

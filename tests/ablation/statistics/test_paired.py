import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dlx.ablation.statistics.paired import differences, paired_t, step


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=40))
def test_the_test_is_scipys_paired_t(pairs):
    values, other = np.array(pairs).T
    paired = differences(values, other)
    if np.ptp(paired) < 1e-6:
        return
    reference = stats.ttest_rel(values, other)
    interval = reference.confidence_interval(0.95)
    result = paired_t(paired)
    assert result.p == pytest.approx(reference.pvalue)
    assert (result.low, result.high) == pytest.approx((interval.low, interval.high), abs=1e-9)
    assert result.p_coarse >= result.p


def test_without_variance_p_is_0_where_there_is_a_difference_and_1_where_there_is_none():
    assert paired_t([0.5] * 5).p == paired_t([0.5] * 5).p_coarse == 0
    assert paired_t([0.0] * 5).p == paired_t([0.0] * 5).p_coarse == 1


def test_one_pair_says_nothing():
    test = paired_t([0.25])
    assert (test.mean, test.n) == (0.25, 1)
    assert np.isnan([test.low, test.high, test.p, test.p_coarse]).all()


def test_pairs_with_a_missing_run_are_left_out():
    assert differences([1.0, np.nan, 3.0], [0.5, 1.0, np.nan]).tolist() == [0.5]


def test_rounding_is_no_difference():
    assert differences([0.1 + 0.2], [0.3]).tolist() == [0.0]


def test_folds_are_tested_by_the_corrected_resampled_t_test():
    values = np.array([0.02, 0.01, 0.03, -0.01, 0.02])
    t = values.mean() / (values.std(ddof=1) * (1 / 5 + 1 / 4) ** 0.5)
    test = paired_t(values, overlap=1 / 4)
    assert test.p == pytest.approx(2 * stats.t.sf(t, 4))
    assert test.test == "paired t, corrected for folds"


@pytest.mark.parametrize(
    ("paired", "expected"),
    [
        ([0.5, 0.0, -0.25, 0.0], 0.25),
        ([0.5, 0.5], 0.5),
        ([0.3, 0.2, 0.11, -0.4], 0.0),
        ([0.3, 0.0, 0.11], 0.0),
        ([0.0, 0.0], 0.0),
        ([], 0.0),
    ],
)
def test_the_step_is_that_of_values_that_repeat(paired, expected):
    assert step(np.array(paired)) == pytest.approx(expected)


def test_values_that_repeat_are_given_half_a_step():
    paired = np.array([1.0, 1.0, 1.0, 1.0, 0.0])
    t = (0.8 - 0.1) / (paired.std(ddof=1) / 5**0.5)
    assert paired_t(paired).p_coarse == pytest.approx(2 * stats.t.sf(t, 4))

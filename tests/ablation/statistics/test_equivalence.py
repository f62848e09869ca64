import numpy as np
import pytest
from scipy import stats

from dlx.ablation.statistics.equivalence import chance_alike, most_unseen, two_one_sided
from dlx.ablation.statistics.intervals import spread_of

PAIRED = [0.001, -0.002, 0.003, 0.0005, -0.001, 0.002]


@pytest.mark.parametrize("margin", [0.0005, 0.002, 0.005])
def test_p_is_the_larger_of_two_one_sided_tests(margin):
    above = stats.ttest_1samp(PAIRED, -margin, alternative="greater")[1]
    below = stats.ttest_1samp(PAIRED, margin, alternative="less")[1]
    assert two_one_sided(PAIRED, margin, spread_of(PAIRED)) == pytest.approx(np.max([above, below]))


def test_folds_are_less_sure():
    plain, folds = spread_of(PAIRED), spread_of(PAIRED, overlap=0.25)
    assert two_one_sided(PAIRED, 0.005, folds) > two_one_sided(PAIRED, 0.005, plain)


@pytest.mark.parametrize(("difference", "p"), [(0.0, 0), (0.004, 0), (0.005, 1), (-0.1, 1)])
def test_without_variance_the_margin_alone_decides(difference, p):
    assert two_one_sided([difference] * 4, 0.005, spread_of([difference] * 4)) == p


def test_one_pair_shows_no_equivalence():
    assert np.isnan(two_one_sided([0.0], 0.005, spread_of([0.0])))


def test_equal_pairs_of_values_that_vary_are_equal_networks():
    assert chance_alike([0.95, 0.96, 0.97, 0.98]) == pytest.approx(1 / 4)


def test_equal_pairs_of_one_value_need_many_seeds():
    assert chance_alike([1.0] * 10) == pytest.approx(0.9)
    assert 0.9**28 > 0.05 > 0.9**29


def test_what_may_have_gone_unseen_is_the_exact_rule_of_three():
    bound = most_unseen(10)
    assert bound == pytest.approx(stats.binomtest(0, 10).proportion_ci(0.9, "exact").high)
    assert (1 - bound) ** 10 == pytest.approx(0.05)

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dlx.ablation.statistics.censored import signed_rank_p, steps_difference
from dlx.ablation.statistics.paired import paired_t

NEVER = np.inf


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=30, unique=True), st.randoms())
def test_p_is_scipys_where_nothing_is_tied(sizes, random):
    paired = [size * random.choice([-1, 1]) for size in sizes]
    assert signed_rank_p(paired) == pytest.approx(stats.wilcoxon(paired, method="exact")[1])


@given(st.lists(st.sampled_from([-NEVER, -3, -1, 0, 1, 2, 3, NEVER]), min_size=1, max_size=9))
def test_p_counts_all_signs_where_there_are_ties(paired):
    nonzero = np.array([difference for difference in paired if difference])
    if not len(nonzero):
        assert signed_rank_p(paired) == 1
        return
    ranks = stats.rankdata(np.abs(nonzero))
    middle = ranks.sum() / 2
    distance = abs(ranks[nonzero > 0].sum() - middle)
    sums = [np.dot(signs, ranks) for signs in product([0, 1], repeat=len(ranks))]
    expected = np.mean([abs(rank_sum - middle) >= distance - 1e-9 for rank_sum in sums])
    assert signed_rank_p(paired) == pytest.approx(expected)


def test_never_is_later_than_any_step():
    steps = [100, 120, 90, 110, 130, 95]
    test = steps_difference(steps, [NEVER] * 6, horizon=1000)
    assert test.p == pytest.approx(2 / 2**6)
    assert test.mean == pytest.approx(np.mean(steps) - 1000)
    assert test.n == 6


def test_the_difference_is_that_of_restricted_means():
    variant, baseline = [100, NEVER, 300, 200], [150, 250, NEVER, NEVER]
    test = steps_difference(variant, baseline, horizon=400)
    expected = paired_t([-50, 150, -100, -200])
    assert (test.mean, test.low, test.high) == (expected.mean, expected.low, expected.high)


def test_two_that_never_arrive_are_a_tie():
    test = steps_difference([NEVER] * 8, [NEVER] * 8, horizon=400)
    assert (test.mean, test.low, test.high, test.p, test.n) == (0, 0, 0, 1, 8)


def test_steps_that_the_other_could_not_have_taken_count_as_never():
    late = steps_difference([900, 950, 990], [NEVER, NEVER, NEVER], horizon=500)
    assert (late.mean, late.p) == (0, 1)


def test_a_run_that_failed_leaves_its_pair_out():
    assert steps_difference([1, np.nan, 3], [2, 2, np.nan], horizon=10).n == 1


def test_one_pair_has_no_p():
    assert np.isnan(steps_difference([1], [2], horizon=10).p)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlx.ablation.statistics.multiple import holm


def test_holm_multiplies_the_smallest_by_all_and_the_largest_by_one():
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.001, 0.2))
def test_what_is_below_alpha_is_what_the_steps_down_reject(p, alpha):
    rejected: set[int] = set()
    for rank, i in enumerate(np.argsort(p, kind="stable")):
        if p[i] * (len(p) - rank) > alpha:
            break
        rejected.add(int(i))
    assert set(np.flatnonzero(holm(p) <= alpha).tolist()) == rejected


def test_what_is_no_test_does_not_count():
    adjusted = holm([0.02, np.nan, 0.5])
    assert adjusted[[0, 2]] == pytest.approx([0.04, 0.5])
    assert np.isnan(adjusted[1])


def test_no_tests_are_no_error():
    assert holm([]).tolist() == []

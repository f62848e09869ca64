import pytest
from scipy import stats

from dlx.ablation.statistics.failures import failure_difference


@pytest.mark.parametrize(
    ("variant", "other"), [((5, 5), (0, 5)), ((2, 10), (3, 8)), ((0, 10), (0, 10))]
)
def test_p_is_scipys_boschloo_test(variant, other):
    test = failure_difference(variant, other)
    assert test is not None
    table = [[variant[0], other[0]], [variant[1] - variant[0], other[1] - other[0]]]
    expected = stats.boschloo_exact(table).pvalue if variant[0] + other[0] else 1.0
    assert test.p == pytest.approx(expected)
    assert test.excess == pytest.approx(variant[0] / variant[1] - other[0] / other[1])


def test_very_many_runs_are_tested_by_fishers_test():
    test = failure_difference((60, 300), (30, 300))
    assert test is not None
    assert test.p == pytest.approx(stats.fisher_exact([[60, 30], [240, 270]])[1])


@pytest.mark.parametrize(("runs", "other_runs", "total"), [(10, 10, 4), (10, 10, 5), (5, 8, 11)])
def test_the_least_p_is_fishers_of_the_most_lopsided_table(runs, other_runs, total):
    tables = [(k, total - k) for k in range(total + 1) if k <= runs and total - k <= other_runs]
    tests = [failure_difference((a, runs), (b, other_runs)) for a, b in tables]
    fisher = [
        stats.fisher_exact([[a, b], [runs - a, other_runs - b]]).pvalue  # type: ignore
        for a, b in tables
    ]
    assert [test.least_p for test in tests if test] == pytest.approx([min(fisher)] * len(tables))


def test_no_runs_have_no_rate():
    assert failure_difference((0, 0), (1, 5)) is None
    assert failure_difference((1, 5), (0, 0)) is None

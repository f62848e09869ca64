"""What the choice of the judged rows adds to a variance."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from dlx.ablation.statistics.intervals import Spread, mean_interval, spread_of
from dlx.ablation.statistics.paired import paired_t
from dlx.ablation.statistics.rows import TRAINED_TOO, Judgement, difference, with_rows


def judged(values: Any, rows: np.ndarray | None = None, num_train: int = 300) -> Judgement:
    rows = np.arange(len(values)) if rows is None else rows
    return Judgement(rows, np.asarray(values, float), num_train)


def test_rows_add_the_covariance_of_two_seeds() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(size=(4, 60)) + generator.normal(size=60)
    plain = spread_of(values.mean(1))
    spread = with_rows(plain, [judged(own) for own in values])
    residuals = values - values.mean()
    pairs = [(a, b) for a in range(4) for b in range(4) if a != b]
    shared = np.mean([residuals[a] @ residuals[b] for a, b in pairs]) / 60**2
    assert spread.of_rows == pytest.approx(shared * 60 / 59 * (1 + TRAINED_TOO * 60 / 300))
    assert (spread.row_freedom, spread.variance) == (59, plain.variance)
    assert 0.8 < spread.row_share < 1


def test_rows_that_no_two_seeds_share_add_nothing() -> None:
    generator = np.random.default_rng(0)
    seeds = [judged(generator.normal(size=20), np.arange(20) + 20 * seed) for seed in range(5)]
    assert with_rows(spread_of([own.values.mean() for own in seeds]), seeds).of_rows == 0


def test_seeds_that_disagree_about_rows_add_nothing() -> None:
    values = np.array([[1.0, 0, 1, 0], [0, 1, 0, 1.2]])
    spread = with_rows(spread_of(values.mean(1)), [judged(own) for own in values])
    assert spread.of_rows == 0


@pytest.mark.parametrize("seeds", [[], [judged(np.ones(5))], [judged(np.ones(1))] * 3])
def test_too_little_says_nothing(seeds: list[Judgement]) -> None:
    spread = spread_of([1.0, 2.0, 4.0])
    assert with_rows(spread, seeds) == spread


def test_a_difference_is_row_by_row() -> None:
    rows = np.array([2, 5, 9])
    own = difference(judged([1, 0, 1], rows), judged([0, 0, 1], rows))
    assert own.values.tolist() == [1, 0, 0] and own.rows is rows


def test_an_interval_of_two_variances() -> None:
    """With rows alone it is Student's over rows, with seeds alone Student's over seeds."""
    seeds, both = Spread(4.0, 9, 0.1), Spread(4.0, 9, 0.1, of_rows=0.3, row_freedom=99)
    rows = Spread(0.0, 9, 0.1, of_rows=0.3, row_freedom=99)
    assert rows.width() == pytest.approx(stats.t(99).ppf(0.975) * 0.3**0.5)
    assert both.width() ** 2 == pytest.approx(seeds.width() ** 2 + rows.width() ** 2)
    assert rows.p(1.0) == pytest.approx(2 * stats.t(99).sf(1 / 0.3**0.5))
    for confidence in (0.5, 0.95, 1 - 1e-9):
        assert both.p(both.width(confidence)) == pytest.approx(1 - confidence, rel=1e-6)
    assert both.p(0.0) == 1 and both.p(1e9) < 1e-60
    assert both.p_above(1.0) == pytest.approx(both.p(1.0) / 2)
    assert both.p_above(-1.0) == pytest.approx(1 - both.p(1.0) / 2)
    assert Spread(1e-4, 1, 0.5, of_rows=1e-4, row_freedom=9).p(1e30) < 1e-25
    assert both.error == pytest.approx(0.7**0.5)
    assert both.row_share == pytest.approx(3 / 7)


def test_the_tests_take_what_rows_add() -> None:
    paired = np.array([0.9, 1.1, 1.0, 1.2])
    plain = paired_t(paired)
    spread = Spread(spread_of(paired).variance, 3, 0.25, of_rows=1.0, row_freedom=50)
    test = paired_t(paired, spread=spread)
    assert test.p > 0.2 > plain.p and test.test == "paired t, over seeds and rows"
    assert test.high - test.low == pytest.approx(2 * spread.width())
    mean = mean_interval(paired, spread=spread)
    assert (mean.low, mean.high) == pytest.approx((test.low, test.high))

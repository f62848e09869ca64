"""Which difference so many seeds find, by a variance that a few seeds have shown."""

import numpy as np
import pytest
from scipy.stats import nct, t

from dlx.ablation.statistics.intervals import Spread, spread_of
from dlx.ablation.statistics.power import Shown, found_difference, seeds_to_find
from dlx.ablation.statistics.verdicts import Comparison, judge


def test_it_is_the_quantile_of_the_noncentral_t():
    shown = Shown(Spread(4.0, 2.0, 1 / 3), 3)
    quantile = t.ppf(1 - 0.05 / 6, 9)  # 3 tests, two-sided
    assert found_difference(shown, 10, 3) == pytest.approx(
        nct.ppf(0.8, 2, quantile) * (4 / 10) ** 0.5
    )


def test_a_variance_that_is_known_well_needs_less():
    known, guessed = Shown(Spread(1.0, 1e4, 1 / 3), 3), Shown(Spread(1.0, 2.0, 1 / 3), 3)
    assert found_difference(known, 10, 1) < 0.7 * found_difference(guessed, 10, 1)
    quantile, power = 1.96, 0.8416
    assert found_difference(known, 10, 1) == pytest.approx((quantile + power) / 10**0.5, rel=0.001)


def test_so_many_seeds_find_what_they_are_said_to_find():
    shown = Shown(Spread(1.0, 4.0, 1 / 5), 5)
    seeds = seeds_to_find(0.7, shown, 2, 4)
    assert seeds is not None
    assert found_difference(shown, seeds, 2) <= 0.7 < found_difference(shown, seeds - 1, 2)
    assert seeds_to_find(100.0, shown, 2, 4) == 4
    assert seeds_to_find(1e-6, shown, 2, 4) is None


def test_judged_rows_set_a_floor():
    shown = Shown(Spread(1.0, 4.0, 1 / 5, of_rows=0.04, row_freedom=99.0), 5)
    assert shown.at(20).error == pytest.approx((1 / 20 + 0.04) ** 0.5)
    assert seeds_to_find(0.5, shown, 1, 3) is None
    assert 4 < shown.freedom_at(5) < shown.freedom_at(50) < 200
    many = found_difference(shown, 10_000, 1)
    assert many == pytest.approx(0.2 * (t.ppf(0.975, 99) + 0.85), rel=0.02)


def test_four_of_five_pilots_lead_to_an_ablation_that_finds_it():
    """On the average over pilots of three seeds, which know the variance badly."""
    generator, found = np.random.default_rng(0), 0
    for _ in range(400):
        values = generator.standard_normal((2, 10))
        shown = Shown(spread_of(values[1, :3] - values[0, :3]), 3)
        variant = values[1] + found_difference(shown, 10, 1)
        found += judge([Comparison(variant, values[0], True, 0.005)])[0].word == "better"
    assert 0.77 <= found / 400 <= 0.9

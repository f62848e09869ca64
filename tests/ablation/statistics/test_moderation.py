import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlx.ablation.statistics.intervals import Spread
from dlx.ablation.statistics.moderation import moderated

variances = st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=12)


def spreads(values, freedom=4.0) -> list[Spread]:
    return [Spread(value, freedom, 1 / (freedom + 1)) for value in values]


def test_equal_variances_stay_and_are_known_better():
    for spread in moderated(spreads([2.0] * 5)):
        assert spread.variance == pytest.approx(2.0)
        assert spread.freedom == pytest.approx(4 * 5 / 2)


def test_variances_as_alike_as_chance_are_drawn_to_their_common_value():
    generator = np.random.default_rng(0)
    drawn = 3 * generator.chisquare(4, 300) / 4
    for before, after in zip(drawn, moderated(spreads(drawn)), strict=True):
        if after.freedom > 4:  # all but those that stand out; the others are worth 4 d = 16
            assert after.variance == pytest.approx((16 * 3 + 4 * before) / 20, rel=0.06)
            assert after.freedom == pytest.approx(16, rel=0.02)


def test_as_many_degrees_of_freedom_are_found_as_the_variances_were_drawn_with():
    generator = np.random.default_rng(0)
    true = 3 * 6 / generator.chisquare(6, 2000)  # d0 = 6 about s0² = 3
    drawn = true * generator.chisquare(4, 2000) / 4
    drawn[0] = 1.0
    first = moderated(spreads(drawn))[0]
    assert first.freedom == pytest.approx(10, rel=0.15)
    assert first.variance == pytest.approx((6 * 3 + 4 * 1) / 10, rel=0.1)


def test_a_variance_that_stands_out_stays_and_lends_little():
    after = moderated(spreads([1.0, 0.9, 1.1, 1.2, 50.0]))
    assert after[-1] == spreads([50.0])[0]
    alone = moderated(spreads([1.0, 0.9, 1.1, 1.2]))
    assert after[0].freedom < alone[0].freedom


def test_variances_that_have_nothing_in_common_stay():
    before = [1e-9, 1e-3, 1e3, 1e9]
    after = moderated(spreads(before, freedom=20.0))
    assert [spread.variance for spread in after[1:]] == pytest.approx(before[1:], rel=0.01)
    assert all(20 <= spread.freedom < 20.5 for spread in after)


@given(variances, st.floats(0.001, 1000))
def test_the_unit_does_not_matter_and_no_variance_leaves_the_range(values, unit):
    after = moderated(spreads(values))
    scaled = moderated(spreads([value * unit for value in values]))
    for one, other in zip(after, scaled, strict=True):
        assert other.variance == pytest.approx(unit * one.variance, rel=1e-3)
        assert 4 <= one.freedom <= max(4 * len(values) / (1 + (len(values) - 1) / 4), 4) + 1e-9


def test_no_variance_and_no_pairs_say_nothing_about_others():
    before = [Spread(0.0, 4.0, 0.2), Spread(np.nan, np.nan, np.nan), Spread(2.0, 4.0, 0.2)]
    after = moderated(before)
    assert after[0] == before[0] and after[2] == before[2]
    assert np.isnan(after[1].variance)

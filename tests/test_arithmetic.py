"""Sums, powers and cosines with the same bits everywhere."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlx.arithmetic import half_cosine, power, total


@given(st.integers(0, 70), st.integers(1, 3), st.integers(0, 10))
def test_a_total_is_the_sum_of_its_halves_however_the_terms_lie(
    number: int, columns: int, seed: int
) -> None:
    terms = np.random.default_rng(seed).normal(size=(number, columns))
    before = terms.copy()
    expected = [math.fsum(column) for column in terms.T]
    np.testing.assert_allclose(total(terms), expected, rtol=1e-12, atol=1e-13)
    for other in (np.asfortranarray(terms), terms[::-1][::-1], np.repeat(terms, 2, 1)[:, ::2]):
        assert np.array_equal(total(other), total(terms))
    # A column's sum does not depend on what stands beside it.
    assert [total(column) for column in terms.T] == total(terms).tolist()
    assert np.array_equal(terms, before)


def test_a_total_of_many_is_accurate_where_adding_in_turn_is_not() -> None:
    terms = np.full(10**6, np.float32(0.1))
    assert total(terms) == pytest.approx(10**6 * float(np.float32(0.1)), rel=1e-15)


@pytest.mark.parametrize("base", [0.999, 0.9, 1.0, 0.5, 1.7])
@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 17, 100, 1001])
def test_powers(base: float, exponent: int) -> None:
    assert power(base, exponent) == pytest.approx(float(Fraction(base) ** exponent), rel=1e-13)


def test_half_a_cosine() -> None:
    shares = np.linspace(0, 1, 1001).tolist()
    for share in shares:
        assert half_cosine(share) == pytest.approx(math.cos(math.pi * share), abs=1e-15)
    assert (half_cosine(0.0), half_cosine(1.0)) == (1.0, -1.0)
    assert all(half_cosine(a) > half_cosine(b) for a, b in pairwise(shares))

"""The engine's matrix products: exact on whole numbers, in every shape, and rounded once."""

import ctypes
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlx.native import library

SIZES = st.one_of(st.integers(1, 40), st.sampled_from([63, 64, 65, 255, 257, 300]))


def multiplied(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the product, and 32 numbers that lay behind it: 7s."""
    (m, k), n, dtype = a.shape, b.shape[1], a.dtype
    # What lies behind the matrices must not be read into the result, nor be written over.
    result = np.full(m * n + 32, 7.0, dtype)
    scratch = np.full(256 * (32 + m + 12) + 64, np.nan, dtype)
    product = getattr(library.load(), f"dlx_product_{'float' if dtype == np.float32 else 'double'}")
    product.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int64] * 3 + [ctypes.c_void_p]
    addresses = [array.ctypes.data for array in (a, b, result)]
    product(*addresses, m, n, k, scratch.ctypes.data)
    return result


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(m=SIZES, n=SIZES, k=SIZES, seed=st.integers(0, 2**31))
def test_a_product_is_numpys(dtype: type, m: int, n: int, k: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    a = random.integers(-8, 9, (m, k)).astype(dtype)
    b = random.integers(-8, 9, (k, n)).astype(dtype)
    result = multiplied(a, b)
    np.testing.assert_array_equal(result[: m * n].reshape(m, n), a @ b)
    assert (result[m * n :] == 7).all()


def _numbers(random: np.random.Generator, number: int, dtype: type) -> np.ndarray:
    """Return numbers of all sizes, subnormal and infinite ones too, and NaN."""
    unsigned = np.uint32 if dtype is np.float32 else np.uint64
    return random.integers(0, np.iinfo(unsigned).max, number, unsigned, endpoint=True).view(dtype)


def _rounded(exact: Fraction, dtype: type) -> float:
    """Return the nearest number; of two equally near ones, the one whose last bit is 0."""
    near = dtype(float(exact))
    candidates = [np.nextafter(near, dtype(-np.inf)), near, np.nextafter(near, dtype(np.inf))]
    unsigned = np.uint32 if dtype is np.float32 else np.uint64

    def distance(number: np.floating) -> tuple[Fraction, int]:
        return abs(Fraction(float(number)) - exact), int(number.view(unsigned)) & 1

    return float(min((x for x in candidates if np.isfinite(x)), key=distance))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_and_sums_are_rounded_once_at_every_level(
    monkeypatch: pytest.MonkeyPatch, dtype: type
) -> None:
    random, rows = np.random.default_rng(4), 500
    digits = np.finfo(dtype).nmant
    for index in range(30):
        c, x = _numbers(random, rows, dtype), _numbers(random, rows, dtype)
        [y] = _numbers(random, 1, dtype)
        if index % 3:  # near one another, so that all digits meet
            x, y = (
                (random.uniform(1, 2, rows) * 2.0**index).astype(dtype),
                dtype(random.uniform(1, 2)),
            )
            c = (-x * y * (1 + random.integers(-2, 3, rows) * 2.0**-digits)).astype(dtype)
            c *= dtype(2.0) ** random.integers(-digits - 2, digits + 2, rows).astype(dtype)
        if index % 3 == 2:  # subnormal ones
            small = dtype(2.0 ** (np.finfo(dtype).minexp - 10))
            x, c = x * small, c * small
        a, b = np.ascontiguousarray(np.stack([c, x], 1)), np.array([[1], [y]], dtype)
        by_level = []
        for level in library.levels():
            monkeypatch.setenv(library.LEVEL_VARIABLE, level)
            by_level.append(multiplied(a, b)[:rows])
        for actual in by_level[1:]:
            np.testing.assert_array_equal(actual, by_level[0])  # NaNs are equal, and signs of zeros
            number = ~np.isnan(actual)
            assert (np.signbit(actual) == np.signbit(by_level[0]))[number].all()
        finite = np.isfinite(c) & np.isfinite(x) & np.isfinite(by_level[0])
        assert not index % 3 or finite.all()
        if np.isfinite(y):
            for row in np.flatnonzero(finite).tolist():
                exact = Fraction(float(x[row])) * Fraction(float(y)) + Fraction(float(c[row]))
                assert by_level[0][row] == _rounded(exact, dtype), (c[row], x[row], y)

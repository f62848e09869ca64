"""The engine's matrix products: exact on whole numbers, in every shape."""

import ctypes

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlx.native import library

SIZES = st.one_of(st.integers(1, 40), st.sampled_from([63, 64, 65, 255, 257, 300]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(m=SIZES, n=SIZES, k=SIZES, seed=st.integers(0, 2**31))
def test_a_product_is_numpys(dtype: type, m: int, n: int, k: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    a = random.integers(-8, 9, (m, k)).astype(dtype)
    b = random.integers(-8, 9, (k, n)).astype(dtype)
    # What lies behind the matrices must not be read into the result, nor be written over.
    result = np.full(m * n + 32, 7.0, dtype)
    scratch = np.full(256 * (32 + m + 12) + 64, np.nan, dtype)
    product = getattr(library.load(), f"dlx_product_{'float' if dtype is np.float32 else 'double'}")
    product.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int64] * 3 + [ctypes.c_void_p]
    addresses = [array.ctypes.data for array in (a, b, result)]
    product(*addresses, m, n, k, scratch.ctypes.data)
    np.testing.assert_array_equal(result[: m * n].reshape(m, n), a @ b)
    assert (result[m * n :] == 7).all()

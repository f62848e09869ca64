"""Random bits and what numbers are made of them: the same in C and, without a library, in NumPy.

Both use whole numbers, or only + - x / and square roots of double precision, in one order, each
rounded by itself.

Reference:
    Wichura (1988), Algorithm AS 241: the percentage points of the normal distribution
    Stewart (1980), The efficient generation of random orthogonal matrices
"""

import ctypes
import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dlx.native import library

Doubles = NDArray[np.float64]

_CHUNK = 8192  # numbers that NumPy transforms at once, so that they stay in the core's cache
_TYPES = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}

# Of AS 241 (PPND7): numerators and denominators, the highest power first.
_CENTRE = (59.109374720, 159.29113202, 50.434271938, 3.3871327179)
_CENTRE_BELOW = (67.187563600, 78.757757664, 17.895169469, 1.0)
_TAIL = (0.17023821103, 1.3067284816, 2.7568153900, 1.4234372777)
_TAIL_BELOW = (0.12021132975, 0.73700164250, 1.0)
_LN2 = 0.6931471805599453
_ATANH = (1 / 13, 1 / 11, 1 / 9, 1 / 7, 1 / 5, 1 / 3, 1.0)  # atanh(s) / s, in powers of s²


def random_words(keys: Sequence[int], number: int) -> NDArray[np.uint64]:
    """Return the first words of 64 random bits of some keys, by Philox: (keys, number)."""
    rows = np.empty((len(keys), number), np.uint64)
    loaded = _loaded()
    if loaded is None:
        for row, key in zip(rows, keys, strict=True):
            row[:] = np.random.Philox(key=key).random_raw(number)
        return rows
    own = np.array(keys, np.uint64)
    loaded.dlx_random_words(own.ctypes.data, rows.ctypes.data, len(keys), number)
    return rows


def fill_normal(
    numbers: NDArray[np.floating], words: NDArray[np.uint32], mean: float, std: float
) -> None:
    """Fill a contiguous array with mean + std z, z the normal quantile of (w + 1/2) / 2^32.

    z has a relative error of 1e-7 at most, and is no larger than 6.4.

    Args:
        numbers: float32 or float64
        words: w, as many
    """
    loaded = _loaded()
    if loaded is not None:
        function = getattr(loaded, f"dlx_normal_{_TYPES[numbers.dtype]}")
        function(words.ctypes.data, numbers.ctypes.data, len(words), mean, std)
        return
    flat = numbers.reshape(-1)
    for start in range(0, len(words), _CHUNK):
        part = slice(start, start + _CHUNK)
        flat[part] = mean + std * _quantiles(words[part])


def orthonormal(normals: Doubles) -> Doubles:
    """Return orthonormal columns (M, N), uniformly distributed, of standard normal draws (N, M).

    Q = H_1 ... H_N D: H_k reflects the last M - k + 1 coordinates so that as many numbers of row k
    of the draws come to lie on one axis, and D holds signs.
    """
    num_columns, num_rows = normals.shape
    q = np.zeros((num_rows, num_columns))
    loaded = _loaded()
    if loaded is not None:
        draws, sums = normals.copy(), np.empty(num_columns)
        addresses = (draws.ctypes.data, q.ctypes.data, sums.ctypes.data)
        loaded.dlx_reflections(*addresses, num_rows, num_columns)
        return q
    for k in reversed(range(num_columns)):
        v = normals[k, k:].copy()
        length = np.sqrt(_sum_in_order(v * v))
        positive = v[0] >= 0
        v[0] = v[0] + length if positive else v[0] - length
        factor = 2.0 / _sum_in_order(v * v)
        q[k, k] = -1.0 if positive else 1.0
        below = q[k:, k:]
        sums = _sum_in_order(v[:, None] * below)
        below -= (factor * v)[:, None] * sums
    return q


@functools.cache
def _prepared(loaded: ctypes.CDLL) -> ctypes.CDLL:
    address, size, number = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double
    for name in _TYPES.values():
        function = getattr(loaded, f"dlx_normal_{name}")
        function.argtypes, function.restype = [address, address, size, number, number], None
    loaded.dlx_random_words.argtypes = [address, address, size, size]
    loaded.dlx_random_words.restype = None
    loaded.dlx_reflections.argtypes = [address, address, address, size, size]
    loaded.dlx_reflections.restype = None
    return loaded


def _loaded() -> ctypes.CDLL | None:
    try:
        return _prepared(library.load())
    except library.Unavailable:
        return None


def _sum_in_order(terms: Doubles) -> Doubles:
    """Return the sum along the first axis, one term after another."""
    return np.add.accumulate(terms, axis=0)[-1]


def _quantiles(words: NDArray[np.uint32]) -> Doubles:
    # Half a unit beside every multiple of 2^-32 from -1/2 to 1/2.
    q = ((words ^ np.uint32(1 << 31)).view(np.int32) + 0.5) * 2.0**-32
    squares = 0.180625 - q * q
    centre = q * _polynomial(_CENTRE, squares) / _polynomial(_CENTRE_BELOW, squares)
    distance = np.sqrt(-_log(0.5 - np.abs(q))) - 1.6
    tail = _polynomial(_TAIL, distance) / _polynomial(_TAIL_BELOW, distance)
    return np.where(np.abs(q) <= 0.425, centre, np.where(q < 0, -tail, tail))


def _log(x: Doubles) -> Doubles:
    """Return the natural logarithm of positive normal numbers."""
    mantissa, exponent = np.frexp(x)
    is_low = mantissa < 0.7071067811865476
    mantissa, exponent = np.where(is_low, mantissa * 2, mantissa), exponent - is_low
    s = (mantissa - 1) / (mantissa + 1)
    return exponent * _LN2 + 2 * s * _polynomial(_ATANH, s * s)


def _polynomial(coefficients: tuple[float, ...], x: Doubles) -> Doubles:
    value = coefficients[0] * x + coefficients[1]
    for coefficient in coefficients[2:]:
        value = value * x + coefficient
    return value

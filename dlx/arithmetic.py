"""Sums, powers and cosines with the same bits on every machine: single + - x / in a fixed order."""

import math

import numpy as np
from numpy.typing import NDArray


def total(terms: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return the sum over the first axis, in float64: of the first half and the second, and again.

    NumPy's own sums may depend on the length of the processor's vectors.
    """
    sums = np.asarray(terms, np.float64)
    if not len(sums):
        return np.zeros(sums.shape[1:])
    while len(sums) > 1:
        half, odd = divmod(len(sums), 2)
        last = sums[-1]
        sums = sums[:half] + sums[half : 2 * half]
        if odd:
            sums[-1] += last
    return sums[0]


def power(base: float, exponent: int) -> float:
    """Return base^exponent, exponent >= 0, by squaring."""
    result = 1.0
    while exponent:
        if exponent & 1:
            result *= base
        base *= base
        exponent >>= 1
    return result


def half_cosine(share: float) -> float:
    """Return cos(pi share), 0 <= share <= 1, to 1e-15."""
    if share > 0.5:
        return -half_cosine(1.0 - share)
    square = (math.pi * share) * (math.pi * share)
    # cos x = 1 - x²/2 (1 - x²/12 (1 - ...)), whose 12th term is below 1e-17.
    value = 1.0
    for n in range(22, 0, -2):
        value = 1.0 - square / (n * (n - 1)) * value
    return value

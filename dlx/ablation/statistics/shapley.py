"""How a difference between two configs is shared out among the keys in which they differ."""

from itertools import product
from math import comb

import numpy as np
from numpy.typing import NDArray


def shapley(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each key's share of values[1, …, 1] - values[0, …, 0]: (k, N).

    A key's share is what it changes, averaged over every order in which the keys may be changed:

        φ_i = Σ_S |S|! (k - |S| - 1)! / k! · (v(S + i) - v(S))

    over the sets S of the other keys. So an interaction of two keys goes to both in equal parts,
    and the shares add up to the whole difference.

    Args:
        values: (2, …, 2, N) for k keys and N seeds; at 0 of an axis the key has the first config's
            value, at 1 the second's

    Reference:
        Shapley 1953, A value for n-person games, Contributions to the Theory of Games 2.
    """
    count = values.ndim - 1
    shares = np.zeros((count, values.shape[-1]))
    for key in range(count):
        change = np.moveaxis(values, key, 0)
        change = change[1] - change[0]
        for place in product((0, 1), repeat=count - 1):
            shares[key] += change[place] / (count * comb(count - 1, sum(place)))
    return shares

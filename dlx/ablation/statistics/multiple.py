"""Many tests at once: an upper bound on the probability of any false finding."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Return Holm's adjusted p-values.

    If all that lie below alpha are taken for findings, the probability that any of them is false is
    at most alpha. The i-th smallest of m is multiplied by m - i + 1, and is at least the one before
    it.

    Args:
        p: (m,); NaN stands for no test: it stays NaN and does not count

    Reference:
        Holm 1979, A simple sequentially rejective multiple test procedure, Scandinavian Journal of
        Statistics 6. It needs no independence, and variants share their baseline.
    """
    raw = np.asarray(p, float)
    tested = np.flatnonzero(~np.isnan(raw))
    order = tested[np.argsort(raw[tested], kind="stable")]
    adjusted = np.full(raw.shape, np.nan)
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(raw[order] * factors), 1.0)
    return adjusted

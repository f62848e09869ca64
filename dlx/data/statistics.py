"""Range, mean and standard deviation of every input."""

# N rows, I inputs

from dataclasses import dataclass

import numpy as np

from dlx.data.dataset import to_float

CHUNK_ROWS = 4096  # float64 copies are made of this many rows at a time


@dataclass(frozen=True)
class Statistics:
    """Statistics of each input over the rows: (I,) float64; `std` divides by N."""

    minimum: np.ndarray
    maximum: np.ndarray
    mean: np.ndarray
    std: np.ndarray


def feature_statistics(inputs: np.ndarray) -> Statistics:
    """Return the statistics of each input, (N, *shape), over all rows, as the network sees them.

    mean = (1/N) Σ x,  std = sqrt((1/N) Σ (x - mean)²), in two passes of float64. The order in
    which NumPy adds does not depend on the number of threads, and so the bits do not either.
    """
    chunks = [slice(i, i + CHUNK_ROWS) for i in range(0, len(inputs), CHUNK_ROWS)]
    minimum, maximum = np.inf, -np.inf
    total = np.float64(0)
    for chunk in chunks:
        x = to_float(inputs[chunk])
        minimum = np.minimum(minimum, x.min(axis=0))
        maximum = np.maximum(maximum, x.max(axis=0))
        total = total + x.sum(axis=0, dtype=np.float64)
    mean = total / len(inputs)
    squares = sum(np.square(to_float(inputs[chunk]) - mean).sum(axis=0) for chunk in chunks)
    return Statistics(
        np.asarray(minimum, np.float64),
        np.asarray(maximum, np.float64),
        np.asarray(mean),
        np.sqrt(squares / len(inputs)),
    )

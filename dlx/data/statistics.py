"""Range, mean and standard deviation of every input."""

# N rows, I inputs

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dlx.arithmetic import total
from dlx.data.dataset import to_float

CHUNK_ROWS = 4096  # float64 copies are made of this many rows at a time


@dataclass(frozen=True)
class Statistics:
    """Statistics of each input over the rows: (I,) float64; `std` divides by N."""

    minimum: np.ndarray
    maximum: np.ndarray
    mean: np.ndarray
    std: np.ndarray


def feature_statistics(
    inputs: np.ndarray, rows: np.ndarray | None = None, fill: np.ndarray | None = None
) -> Statistics:
    """Return the statistics of each input, (N, *shape), over rows, as the network sees them.

    mean = (1/N) Σ x,  std = sqrt((1/N) Σ (x - mean)²), in two passes of float64, with the same bits
    on every machine.

    Args:
        inputs: (M, *shape)
        rows: the numbers (N,) of the rows; None: all
        fill: what takes the place of NaN in each input; None: no value is missing
    """
    number = len(inputs) if rows is None else len(rows)

    def chunks() -> Iterator[np.ndarray]:
        for start in range(0, number, CHUNK_ROWS):
            chunk = slice(start, start + CHUNK_ROWS)
            x = to_float(inputs[chunk if rows is None else rows[chunk]])
            yield x if fill is None else np.where(np.isnan(x), fill, x)

    minimum, maximum = np.inf, -np.inf
    sums = np.float64(0)
    for x in chunks():
        minimum = np.minimum(minimum, x.min(axis=0))
        maximum = np.maximum(maximum, x.max(axis=0))
        sums = sums + total(x)
    mean = sums / number
    squares = sum(total(np.square(x - mean)) for x in chunks())
    return Statistics(
        np.asarray(minimum, np.float64),
        np.asarray(maximum, np.float64),
        np.asarray(mean),
        np.sqrt(squares / number),
    )

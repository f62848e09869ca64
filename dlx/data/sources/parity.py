"""Parity: is the number of ones odd? XOR of many bits."""

# N rows

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Le

from dlx.config.types import Seed
from dlx.data import randomness
from dlx.data.dataset import Dataset
from dlx.errors import ConfigError
from dlx.registry import register

MOST_BITS_OF_ALL_ROWS = 20


@register("data")
def parity(
    data_dir: Path,
    *,
    bits: Annotated[int, Ge(1), Le(62)] = 4,
    rows: Annotated[int, Ge(1)] | Literal["all"] = "all",
    seed: Seed = 0,
) -> Dataset:
    """Is the number of ones among n bits odd? A shallow network needs ever more units for it.

    Args:
        bits: n
        rows: how many different rows are drawn; all: all 2^n rows, in counting order
        seed: of the draw

    Raises:
        ConfigError: more rows than 2^n, or all rows of more than 20 bits

    Reference:
        Minsky, Papert (1969), Perceptrons; Håstad (1986), Almost optimal lower bounds for small
        depth circuits
    """
    number = 2**bits
    if rows == "all" and bits > MOST_BITS_OF_ALL_ROWS:
        raise ConfigError(
            f"data.rows: {bits} bits have {number:,} rows, more than can be listed (at most "
            f"{MOST_BITS_OF_ALL_ROWS} bits); draw some of them, such as rows: 10000"
        )
    if rows != "all" and rows > number:
        raise ConfigError(
            f"data.rows: received {rows}, but {bits} bits have {number} rows; lower it or use all"
        )
    values = (
        np.arange(number)
        if rows == "all"
        else randomness.generator("parity", seed).choice(number, rows, replace=False)
    )
    inputs = values[:, np.newaxis] >> np.arange(bits - 1, -1, -1) & 1
    return Dataset(
        name="parity",
        inputs=inputs.astype(np.float32),
        targets=inputs.sum(axis=1) % 2,
        classes=("even", "odd"),
        features=tuple(f"x{i}" for i in range(1, bits + 1)),
    )

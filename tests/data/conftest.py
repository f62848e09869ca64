import gzip
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dlx.data.dataset import Dataset

IDX_TYPES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


def idx_bytes(values: np.ndarray) -> bytes:
    """Return an array in the IDX format, written from the format's description."""
    code = IDX_TYPES[values.dtype.str[1:]]
    sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
    return (
        bytes([0, 0, code, values.ndim])
        + sizes
        + values.astype(f">{values.dtype.str[1:]}").tobytes()
    )


@pytest.fixture
def write_idx() -> Callable[[Path, np.ndarray], Path]:
    def write(path: Path, values: np.ndarray) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = idx_bytes(values)
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
        return path

    return write


@pytest.fixture
def table() -> Dataset:
    """60 rows of 3 named features and 3 classes of 30, 20 and 10 rows, in mixed order."""
    generator = np.random.default_rng(0)
    return Dataset(
        name="table",
        inputs=generator.normal(size=(60, 3)).astype(np.float32),
        targets=generator.permutation(np.repeat([0, 1, 2], [30, 20, 10])),
        classes=("red", "green", "blue"),
        features=("width", "height", "depth"),
    )


@pytest.fixture
def mnist_dir() -> Path:
    """The data directory, where it holds the real MNIST."""
    data_dir = Path(os.environ.get("DLX_DATA", "."))
    if not list(data_dir.glob("MNIST/raw/train-images-idx3-ubyte*")):
        pytest.skip("needs MNIST in the folder that DLX_DATA names")
    return data_dir

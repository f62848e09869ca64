import resource
from collections.abc import Iterator

import pytest

from dlx.tracking.evaluations import Record


@pytest.fixture
def record() -> Record:
    """An evaluation as training logs it."""
    return Record(
        step=469,
        epoch=1.0,
        examples=60_000,
        metrics={
            "train": {"cost": 0.1, "accuracy": 0.9875, "running/cost": 1 / 3, "optimizer/lr": 1e-3},
            "dev": {"cost": 0.2, "accuracy": 0.95},
            "test": {"cost": 1e-30, "accuracy": 1.0},
        },
    )


@pytest.fixture
def small_limit() -> Iterator[int]:
    """No file of this process may grow over 4,096 bytes: the kernel refuses like a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    yield 4096
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

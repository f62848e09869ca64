"""MNIST for the peers: in-memory arrays, split as dlx splits `configs/mnist.yaml`'s data."""

import gzip
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

EPOCHS, BATCH, WIDTH = 10, 128, 256
STARTED = time.time()


def mnist() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return train (50,000), dev (10,000) and test (10,000): float32 pixels in [0, 1], labels."""
    folder = Path(os.environ["DLX_DATA"]) / "MNIST" / "raw"

    def read(name: str, offset: int) -> np.ndarray:
        path = folder / name
        raw = path.exists()
        content = (
            path.read_bytes() if raw else gzip.decompress((folder / f"{name}.gz").read_bytes())
        )
        return np.frombuffer(content, np.uint8, offset=offset)

    parts = {}
    for part, prefix in (("train", "train"), ("test", "t10k")):
        pixels = read(f"{prefix}-images-idx3-ubyte", 16).reshape(-1, 784).astype(np.float32) / 255
        parts[part] = (pixels, read(f"{prefix}-labels-idx1-ubyte", 8).astype(np.int64))
    x, y = parts["train"]
    rows = np.random.default_rng(0).permutation(len(x))
    for part, chosen in (("train", rows[:50000]), ("dev", rows[50000:])):
        parts[part] = (x[chosen], y[chosen])
    return parts


class Report:
    """Collects what a side measures and prints it as JSON."""

    def __init__(self) -> None:
        self.epochs: list[float] = []
        self.first_step: float | None = None
        self._start = time.perf_counter()

    def stepped(self) -> None:
        """Note the end of the first step, in seconds since the process began to import."""
        if self.first_step is None:
            self.first_step = time.time() - STARTED

    def begin(self) -> None:
        """An epoch begins."""
        self._start = time.perf_counter()

    def end(self) -> None:
        """An epoch, with its evaluation, has ended."""
        self.epochs.append(time.perf_counter() - self._start)

    def show(self, test_accuracy: float) -> None:
        """Print the report as the last line of standard output."""
        json.dump(
            {"epochs": self.epochs, "first_step": self.first_step, "test_accuracy": test_accuracy},
            sys.stdout,
        )
        print()

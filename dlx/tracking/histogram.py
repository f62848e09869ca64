"""Histograms of weights, gradients and activations."""

from dataclasses import dataclass
from typing import Any

import numpy as np

BINS = 30  # what TensorBoard itself shows at most


@dataclass(frozen=True)
class Histogram:
    """Counts of values in bins: `counts[i]` lie in [edges[i], edges[i + 1])."""

    counts: np.ndarray  # (bins,)
    edges: np.ndarray  # (bins + 1,), ascending; the first and last are the least and greatest value
    total: float  # the sum of the values
    squares: float  # the sum of their squares

    @classmethod
    def of(cls, values: Any) -> "Histogram | None":
        """Count the finite float32 values of an array or tensor; None if there are none."""
        if hasattr(values, "detach"):
            values = values.detach().float().cpu().numpy()
        with np.errstate(over="ignore"):
            narrow = np.asarray(values, dtype=np.float32).ravel()
        if narrow.size == 0:
            return None
        least, greatest = float(narrow.min()), float(narrow.max())
        if not np.isfinite(least + greatest):
            return cls.of(narrow[np.isfinite(narrow)])
        # In float64 the bins of a tiny range have a width, and squares neither vanish nor overflow.
        wide = narrow.astype(np.float64)
        # By NumPy alone: threads of a BLAS keep cores busy for some 0.1 s after a product.
        total, squares = float(wide.sum()), float(np.square(wide).sum())
        if least == greatest:
            return cls(np.array([wide.size]), np.array([least, greatest]), total, squares)
        counts, edges = np.histogram(wide, BINS, range=(least, greatest))
        return cls(counts, edges, total, squares)

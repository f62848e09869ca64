"""Early stopping: has the watched metric improved, and for how long has it not?"""

import math
from collections.abc import Collection
from dataclasses import dataclass

from dlx.errors import ConfigError
from dlx.nn.layers.boltzmann import FREE_ENERGY
from dlx.nn.metrics import is_rising


def check_watched(key: str, metric: str, parts: Collection[str], names: Collection[str]) -> None:
    """Check that a metric can be watched: that it is measured, and compares over steps.

    The message says which of what is measured (`names`, on each of the splits) can be.
    """
    allowed = [f"{part}.{name}" for part in parts for name in names if name != FREE_ENERGY]
    part, _, name = metric.partition(".")
    if name == FREE_ENERGY and f"{part}.cost" in allowed and name in names:
        raise ConfigError(
            f"{key}: received {metric}, but free energies of different steps do not compare: they "
            "lack log Z, which every step changes, so that weights that have learned nothing may "
            f"have the lowest; use {part}.cost or {part}.squared_error_per_row, how well inputs "
            "are reconstructed"
        )
    if metric not in allowed:
        raise ConfigError(f"{key}: received {metric}; allowed: {', '.join(allowed)}")


def rises(metric: str) -> bool:
    """Say whether more of a metric, `<split>.<metric>`, is better."""
    return is_rising(metric.split(".", 1)[1])


@dataclass
class EarlyStopping:
    """Watches one metric of one run."""

    metric: str  # `<split>.<metric>`, such as dev.cost
    patience: int  # evaluations without improvement after which the run stops
    best: float | None = None  # the best value so far
    best_step: int = 0  # optimizer steps taken when it was reached
    waited: int = 0  # evaluations since

    def update(self, value: float, step: int) -> bool:
        """Take in a new value, and return whether it is the best so far (NaN never is)."""
        if math.isfinite(value) and (
            self.best is None or (value > self.best if rises(self.metric) else value < self.best)
        ):
            self.best, self.best_step, self.waited = value, step, 0
            return True
        self.waited += 1
        return False

    @property
    def exhausted(self) -> bool:
        """Whether patience is at its end."""
        return self.waited >= self.patience

"""Which inputs a trained network uses: how much worse it gets without what they say of a row.

# N rows, I inputs, R repeats
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlx import streams
from dlx.cohort import Cohort
from dlx.data.dataset import Task
from dlx.data.parts import Part
from dlx.data.tables.encoder import Encoder
from dlx.errors import ConfigError, DataError
from dlx.nn.metrics import is_rising
from dlx.training.evaluation import evaluate

MOST_REPEATS = 10_000


@dataclass(frozen=True)
class FeatureImportance:
    """How much worse a metric gets when one feature's values are permuted among the rows."""

    feature: str  # its name
    drops: tuple[float, ...]  # (R,); positive is worse, whichever way the metric goes

    @property
    def mean(self) -> float:
        """The mean over the repeats."""
        return float(np.mean(self.drops))

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the mean: mean ± t s / √R.

        It covers the draws of the permutations on these rows, not the choice of the rows.
        """
        from scipy.special import stdtrit  # takes a tenth of a second

        repeats = len(self.drops)
        error = float(np.std(self.drops, ddof=1)) / repeats**0.5
        width = float(stdtrit(repeats - 1, 0.975)) * error
        return self.mean - width, self.mean + width


@dataclass(frozen=True)
class Importance:
    """The importance of every feature to a trained network."""

    metric: str  # that is compared, by its tag
    rising: bool  # whether larger values of it are better
    value: float  # on the rows as they are
    num_rows: int  # N
    features: tuple[FeatureImportance, ...]  # the most important first

    def document(self) -> dict[str, Any]:
        """Return it as JSON for the command line."""
        features = []
        for one in self.features:
            low, high = one.interval
            features.append({"feature": one.feature, "mean": one.mean, "low": low, "high": high})
        return {
            "metric": self.metric,
            "rising": self.rising,
            "value": self.value,
            "rows": self.num_rows,
            "repeats": len(self.features[0].drops),
            "features": features,
        }


def groups(
    task: Task, features: tuple[str, ...] | None, encoder: Encoder | None
) -> dict[str, slice]:
    """Return where the inputs of each feature lie among the I, by its name.

    A table's column is one feature: its categories and its indicator of missing values together.
    Inputs without names are x1, x2, ….

    Raises:
        ConfigError: the rows are images or sequences
    """
    if encoder is not None:
        return encoder.places
    if len(task.input_shape) > 1:
        shape = " × ".join(map(str, task.input_shape))
        raise ConfigError(
            f"--importance: the rows are images or sequences of {shape}, in which a number tells "
            "almost the same as its neighbours; it is for tables and other data of separate columns"
        )
    names = features or [f"x{number}" for number in range(1, task.num_inputs + 1)]
    return {name: slice(place, place + 1) for place, name in enumerate(names)}


def permutation_importance(
    cohort: Cohort, part: Part, places: Mapping[str, slice], *, repeats: int, seed: int
) -> Importance:
    """Return how much worse a run's first metric gets when a feature's values are permuted.

    drop = metric(t, f(x)) - metric(t, f(x')), where x' has one feature's inputs from other rows.
    The feature keeps its distribution, but says nothing of its row. Features that say the same
    share their importance: without one, the network still has the other.

    The rows are copied once, and evaluated in chunks. A feature's draws, of the stream
    `importance`, depend on seed, name and repeat alone.

    Raises:
        ConfigError: fewer than two repeats
        DataError: fewer than two rows, or the metric has no value on them

    Reference:
        Breiman (2001), Random forests; Fisher, Rudin and Dominici (2019), All models are wrong,
        but many are useful
    """
    if repeats < 2:
        raise ConfigError(f"--repeats: received {repeats}; an interval needs 2 or more")
    if repeats > MOST_REPEATS:
        raise ConfigError(f"--repeats: received {repeats}; it is at most {MOST_REPEATS:,}")
    if len(part) < 2:
        raise DataError("importance: there is one row, and permuting needs two or more")
    targets = cohort.head.encode(part.targets)
    original = part.inputs
    inputs = original.clone()

    def metrics() -> dict[str, float]:
        return {name: values[0] for name, values in evaluate(cohort, inputs, targets).items()}

    metric, value = next((name, value) for name, value in metrics().items() if name != "cost")
    if not np.isfinite(value):
        raise DataError(
            f"importance: {metric} has no value on these {len(inputs)} rows; choose another split "
            "or --metric"
        )
    rising = is_rising(metric)
    importances: list[FeatureImportance] = []
    for name, place in places.items():
        drops = []
        for repeat in range(repeats):
            draws = streams.stream(seed, "importance", name, repeat)
            rows = draws.permutations(1, len(inputs))[0]
            inputs[:, place] = original[rows, place]
            drop = value - metrics()[metric]
            drops.append(drop if rising else -drop)
        inputs[:, place] = original[:, place]
        importances.append(FeatureImportance(name, tuple(drops)))
    importances.sort(key=lambda importance: -importance.mean)
    return Importance(metric, rising, value, len(inputs), tuple(importances))

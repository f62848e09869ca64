"""The runs of an ablation as arrays: a value per seed, or per fold, of every variant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlx.ablation.results import RunResult, Variant
from dlx.nn.metrics import is_between_0_and_1

# S seeds, F folds (1 without cross-validation), N units: S seeds, or F folds

Array = NDArray[np.float64]


def is_share(tag: str) -> bool:
    """Say whether a metric lies between 0 and 1, so that its margin is 0.005 by default."""
    return tag == "success" or is_between_0_and_1(tag)


@dataclass(frozen=True)
class Outcomes:
    """What the runs of an ablation came to.

    Attributes:
        runs: by variant, in the order of seeds, and of folds within a seed; None: not there
        seeds: S
        folds: F, or None without cross-validation
    """

    runs: Mapping[str, Sequence[RunResult | None]]
    seeds: Sequence[int]
    folds: int | None

    @classmethod
    def of(
        cls,
        variants: Sequence[Variant],
        results: Sequence[RunResult],
        *,
        seeds: Sequence[int],
        folds: int | None,
    ) -> "Outcomes":
        """Put runs in order."""
        found = {(each.variant, each.seed, each.fold): each for each in results}
        places = [(s, f) for s in seeds for f in (range(1, folds + 1) if folds else [None])]
        runs = {
            variant.name: [found.get((variant.name, *place)) for place in places]
            for variant in variants
        }
        return cls(runs, seeds, folds)

    @property
    def overlap(self) -> float:
        """Rows that a fold is tested on per row it is trained on; 0 without folds."""
        return 1 / (self.folds - 1) if self.folds else 0.0

    @property
    def unit(self) -> str:
        """What is paired, in words."""
        return "folds" if self.folds else "seeds"

    def there(self, variant: str) -> list[RunResult]:
        """Return the runs of a variant that ended in some way."""
        return [run for run in self.runs[variant] if run]

    def values(self, variant: str, metric: str) -> Array:
        """Return the final values of `<split>.<tag>` or `success`: (S F,), NaN where there is none.

        A run that diverged has none, but is no success; a run that failed has neither.
        """
        return np.array([_value(run, metric) for run in self.runs[variant]], float)

    def steps_to(self, variant: str, metric: str) -> Array:
        """Return the steps to the threshold of a metric: (S F,), infinite if never reached."""
        return np.array([_steps_to(run, metric) for run in self.runs[variant]], float)

    def diverged(self, variant: str) -> tuple[int, int]:
        """Count the runs that diverged, and those that ended or diverged."""
        runs = [run for run in self.there(variant) if run.status != "failed"]
        return sum(run.status == "diverged" for run in runs), len(runs)

    def units(self, values: Array) -> Array:
        """Return what intervals are of: (N,) from (S F,), the mean over the seeds of each fold."""
        return _mean_over_rows(values.reshape(-1, self.folds)) if self.folds else values

    def pairs(self, mine: Array, other: Array) -> tuple[Array, Array]:
        """Return two variants' units, of the runs that both have: (N,) each, from (S F,)."""
        missing = np.isnan(mine) | np.isnan(other)
        return (
            self.units(np.where(missing, np.nan, mine)),
            self.units(np.where(missing, np.nan, other)),
        )


def _value(run: RunResult | None, metric: str) -> float:
    if run is None or run.status == "failed":
        return np.nan
    if run.status == "diverged":
        return 0.0 if metric == "success" else np.nan
    value = run.value(metric)
    return np.nan if value is None or not np.isfinite(value) else value


def _steps_to(run: RunResult | None, metric: str) -> float:
    if run is None or run.status == "failed" or metric not in run.steps_to:
        return np.nan
    steps = run.steps_to[metric]
    return np.inf if steps is None else steps


def _mean_over_rows(values: Array) -> Array:
    there = ~np.isnan(values)
    total, count = np.where(there, values, 0.0).sum(0), there.sum(0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)

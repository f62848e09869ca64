"""The results of an ablation's runs as arrays: a value for every seed, or fold, of a variant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlx.ablation.results import RunResult, Variant
from dlx.ablation.statistics.intervals import (
    Estimate,
    Spread,
    mean_interval,
    mean_of_present,
    present,
    share_interval,
    spread_of,
)
from dlx.ablation.statistics.rows import TRAINED_TOO, difference, of_outcomes, with_rows
from dlx.nn.metrics import scale_of

# S seeds, F folds (1 without cross-validation), N units: S seeds, or F folds

Array = NDArray[np.float64]


def overlap_of(folds: int | None) -> float:
    """Return a fold's test rows per training row, 1 / (F - 1); 0 without folds."""
    return 1 / (folds - 1) if folds else 0.0


def success_part(thresholds: Mapping[str, float] | None) -> str:
    """Return the part whose rows tell whether a run succeeded, of thresholds by metric."""
    parts = {metric.partition(".")[0] for metric in thresholds or {}}
    return "train" if parts == {"train"} else "dev"


@dataclass(frozen=True)
class Outcomes:
    """The results of the runs of an ablation."""

    # By variant, in the order of seeds and, within a seed, of folds; None: has not ended.
    runs: Mapping[str, Sequence[RunResult | None]]
    seeds: Sequence[int]  # S
    folds: int | None  # F; None without cross-validation
    success_part: str = "dev"  # the part whose rows tell whether a run succeeded

    @classmethod
    def of(
        cls,
        variants: Sequence[Variant],
        results: Sequence[RunResult],
        *,
        seeds: Sequence[int],
        folds: int | None,
        success: Mapping[str, float] | None = None,
    ) -> "Outcomes":
        """Return the results in order; `success` has the thresholds of success by metric."""
        by_place = {(result.variant, result.seed, result.fold): result for result in results}
        places = [(s, f) for s in seeds for f in (range(1, folds + 1) if folds else [None])]
        runs = {
            variant.name: [by_place.get((variant.name, *place)) for place in places]
            for variant in variants
        }
        return cls(runs, seeds, folds, success_part(success))

    def first(self, seeds: int) -> "Outcomes":
        """Return the results at the first seeds alone; there are no folds."""
        return replace(
            self,
            runs={name: runs[:seeds] for name, runs in self.runs.items()},
            seeds=self.seeds[:seeds],
        )

    def given(self, variant: str) -> int:
        """Return how many of the seeds a variant was trained at: those up to its last run."""
        runs = self.runs[variant]
        return max((place for place, run in enumerate(runs, start=1) if run), default=0)

    @property
    def overlap(self) -> float:
        """How much the units overlap, see `overlap_of`."""
        return overlap_of(self.folds)

    @property
    def unit(self) -> str:
        """What is paired, in words."""
        return "folds" if self.folds else "seeds"

    def ended(self, variant: str) -> list[RunResult]:
        """Return the runs of a variant that have ended, in whatever way."""
        return [run for run in self.runs[variant] if run]

    def longest(self, variant: str) -> int:
        """Return the steps of the variant's longest run; 0 without any run."""
        return max((run.steps for run in self.ended(variant)), default=0)

    def values(self, variant: str, metric: str) -> Array:
        """Return the final values of `<split>.<tag>` or `success`: (S F,), NaN where there is none.

        A run that diverged has no value, and counts as no success. A run that failed has neither.
        """
        return np.array([_value(run, metric) for run in self.runs[variant]], float)

    def rows(self, variant: str, metric: str) -> int:
        """Return on how many rows a variant's runs are judged by a metric; 0: unknown."""
        part = self._part(metric)
        scored = (run for run in self.ended(variant) if run.is_scored)
        return next((run.rows[part]["n"] for run in scored if part in run.rows), 0)

    def have_same_rows(self, variant: str, other: str, metric: str) -> bool:
        """Say whether all pairs of two variants' runs are judged by a metric on the same rows.

        A metric on training rows is what a variant has learned from, and may differ.
        """
        part = self._part(metric)
        pairs = [
            (run.rows[part]["digest"], base.rows[part]["digest"])
            for run, base in zip(self.runs[variant], self.runs[other], strict=True)
            if run and base and part in run.rows and part in base.rows
        ]
        return part == "train" or all(one == another for one, another in pairs)

    def spread(self, values: Array, variant: str, metric: str, other: str | None = None) -> Spread:
        """Return the spread of the mean of values, with what other judged rows would change.

        `values` are a variant's own by a metric, or its differences from the `other` one. Without
        folds, runs keep what they make of each row for metrics that are means over rows. For
        others, such as F1 and AUC, see `redrawn`.

        Reference:
            Nadeau and Bengio 2003, Inference for the generalization error, Machine Learning 52
        """
        spread = spread_of(self.units(values), overlap=self.overlap)
        own = [run and run.judgements.get(metric) for run in self.runs[variant]]
        if other is not None:
            bases = [run and run.judgements.get(metric) for run in self.runs[other]]
            own = [a and b and difference(a, b) for a, b in zip(own, bases, strict=True)]
        known = [judgement for judgement in own if judgement is not None]
        if len(known) == len(present(values)) and self._judged_apart(variant, metric):
            return with_rows(spread, known)
        of_rows = spread.variance * max(
            self.redrawn(v, metric) for v in (variant, other or variant)
        )
        return replace(spread, of_rows=of_rows, row_freedom=spread.freedom) if of_rows else spread

    def redrawn(self, variant: str, metric: str) -> float:
        """Return what share of s² other judged rows add where seeds draw their own: (1 + c) n / N.

        These are n judged rows for N training rows, as in the corrected resampled t, and c is
        `rows.TRAINED_TOO`; of success see `rows.of_outcomes`. It is 0 where all seeds share their
        rows, which do not show it then.
        """
        part, judged = self._part(metric), self._judged_apart(variant, metric)
        if len({run.rows[part]["digest"] for run in judged}) < 2:
            return 0.0
        shares = [run.rows[part]["n"] / run.rows["train"]["n"] for run in judged]
        added = (1 + TRAINED_TOO) * float(np.mean(shares))
        return of_outcomes(added) if metric == "success" else added

    def is_of_these_rows(self, variant: str, metric: str) -> bool:
        """Say whether nothing shows what other judged rows would change about a metric.

        It is so if seeds share the rows, and runs did not keep what they make of each.
        """
        judged = self._judged_apart(variant, metric)
        if len(judged) < 2:
            return False
        return not self.redrawn(variant, metric) and not judged[0].judgements.get(metric)

    def _part(self, metric: str) -> str:
        """Return the part whose rows a metric is of."""
        return self.success_part if metric == "success" else metric.partition(".")[0]

    def _judged_apart(self, variant: str, metric: str) -> list[RunResult]:
        """Return the runs that a metric judges on other rows than trained on; none of folds."""
        part = self._part(metric)
        if self.folds or part == "train":
            return []
        scored = [run for run in self.ended(variant) if run.is_scored and part in run.rows]
        return [run for run in scored if run.rows[part]["digest"] != run.rows["train"]["digest"]]

    def rate(self, variants: Sequence[str]) -> Estimate:
        """Return the share of successful runs of variants with its Wilson interval.

        Where seeds draw their own rows, S seeds are worth S / (1 + S c) independent ones, with the
        share c of s² that other rows add, see `redrawn`.
        """
        outcomes = present(np.array([self.values(name, "success") for name in variants]))
        per_variant = len(outcomes) / max(len(variants), 1)
        added = self.redrawn(variants[0], "success") if variants else 0.0
        share = 1 / (1 + per_variant * added)
        estimate = share_interval(outcomes.sum() * share, len(outcomes) * share)
        return replace(estimate, n=len(outcomes))

    def steps_to(self, variant: str, metric: str) -> Array:
        """Return the steps to the threshold of a metric: (S F,), infinite if never reached."""
        return np.array([_steps_to(run, metric) for run in self.runs[variant]], float)

    def diverged(self, variant: str) -> tuple[int, int]:
        """Return how many runs diverged, and of how many; failed ones are left out."""
        runs = [run for run in self.ended(variant) if run.status != "failed"]
        return sum(run.status == "diverged" for run in runs), len(runs)

    def units(self, values: Array) -> Array:
        """Return the values that intervals are of: (N,) from (S F,).

        With cross-validation each is the mean of a fold over the seeds; where every seed draws
        folds of its own, each is a fold at a seed.
        """
        if self.folds is None or self.redraws:
            return values
        return mean_of_present(values.reshape(-1, self.folds))

    @property
    def redraws(self) -> bool:
        """Whether the dev rows of the same fold, or of no fold, differ from seed to seed."""
        digests: dict[tuple[str, int | None], set[str]] = {}
        for name in self.runs:
            for run in self.ended(name):
                if "dev" in run.rows:
                    digests.setdefault((name, run.fold), set()).add(run.rows["dev"]["digest"])
        return any(len(own) > 1 for own in digests.values())

    def interval(self, units: ArrayLike, tag: str, spread: Spread | None = None) -> Estimate:
        """Return the mean of a metric's units with its interval, cut to what the metric can be.

        The interval is that of the units alone, or of a given spread.
        """
        spread = spread or spread_of(units, overlap=self.overlap)
        mean = mean_interval(units, spread=spread)
        return mean.within(0, 1) if scale_of(tag) else mean

    def pairs(self, values: Array, others: Array) -> tuple[Array, Array]:
        """Return the units of two variants, of the runs that both have: (N,) each, from (S F,)."""
        missing = np.isnan(values) | np.isnan(others)
        return (
            self.units(np.where(missing, np.nan, values)),
            self.units(np.where(missing, np.nan, others)),
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

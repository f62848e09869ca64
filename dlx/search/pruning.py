"""Which trials leave before their last step: at rungs, shares of their steps, by earlier trials.

A trial is compared with trials of earlier batches alone. So whether it leaves is a function of its
own runs and of what had ended when its batch was chosen: not of the cohort it trains in, of other
processes, or of when the search was stopped and resumed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dlx.ablation.leaving import Leaving
from dlx.cohort import Member
from dlx.config.schema import SearchConfig
from dlx.errors import ConfigError
from dlx.search.trials import Trial
from dlx.tracking.evaluations import Curve

ETA = 3  # one of so many goes on at a rung
RUNGS = (1 / 27, 1 / 9, 1 / 3)  # of a trial's steps, each ETA times the one before
P = 0.1  # of the signed-rank test, one-sided
_FEWEST_SEEDS = 4  # with fewer no difference has a p below P
PRUNED = "pruned"  # what the reason of a run that left begins with


@dataclass(frozen=True)
class Pruner:
    """What decides; `kind` is that of the config."""

    kind: str

    def rungs(self, trial: int) -> tuple[float, ...]:
        """Return the rungs of a trial, by its number.

        In Hyperband trials take turns in brackets, of which each begins a rung later; the last one
        prunes nothing.
        """
        return RUNGS[trial % (len(RUNGS) + 1) :] if self.kind == "hyperband" else RUNGS

    def goes_on(
        self, values: Sequence[float], earlier: Sequence[Sequence[float]], best: Sequence[float]
    ) -> bool:
        """Say whether a trial goes on from a rung.

        ASHA and Hyperband: if its mean is among the best third of those that came to the rung, once
        there are three others. Wilcoxon: unless it is worse than the best trial so far, seed by
        seed, by a one-sided signed-rank test at 10 %.

        Args:
            values: at the rung, by seed; larger is better, NaN is the worst
            earlier: those of earlier trials
            best: those of the best earlier trial; empty if there is none

        Reference:
            Li et al. (2020), A system for massively parallel hyperparameter tuning (ASHA); Li et
            al. (2018), Hyperband; Wilcoxon (1945), Individual comparisons by ranking methods
        """
        if self.kind == "wilcoxon":
            return not best or not _is_worse(values, best)
        if len(earlier) < ETA:
            return True
        own = _mean(values)
        better = sum(_mean(other) > own for other in earlier)
        return better < max((len(earlier) + 1) // ETA, 1)


def pruner(section: SearchConfig) -> Pruner | None:
    """Return the pruner of a search; ConfigError if it has too few seeds for it."""
    if section.pruner == "none":
        return None
    if section.pruner == "wilcoxon" and section.seeds < _FEWEST_SEEDS:
        raise ConfigError(
            f"search.pruner: wilcoxon compares trials seed by seed, and {section.seeds} seeds can "
            f"never show a difference; set search.seeds to {_FEWEST_SEEDS} or more, or use asha"
        )
    return Pruner(section.pruner)


def _mean(values: Sequence[float]) -> float:
    mean = float(np.mean(values))
    return mean if math.isfinite(mean) else -math.inf


def _is_worse(values: Sequence[float], best: Sequence[float]) -> bool:
    from scipy.stats import wilcoxon

    differences = np.nan_to_num(np.subtract(values, best), nan=-np.inf, posinf=np.inf)
    if not differences.any():
        return False
    test: Any = wilcoxon(differences, alternative="less", zero_method="zsplit")
    return bool(test.pvalue < P)


@dataclass(frozen=True)
class Prune(Leaving):
    """Lets the runs of a batch leave, see `Pruner.goes_on`."""

    pruner: Pruner
    metric: str  # by which trials are compared
    rising: bool
    # By rung (see `label`), the values by seed of earlier trials and of the best of these, larger
    # is better; Hyperband's are those of the trial's own bracket.
    earlier: Mapping[str, Sequence[Sequence[float]]] = field(default_factory=dict)
    best: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def leaving(
        self, members: Sequence[Member], step: int, values: Sequence[Any]
    ) -> dict[str, str]:
        """Return the names of the runs that leave at a step, with reasons."""
        trials: dict[str, list[int]] = {}
        for row, member in enumerate(members):
            trials.setdefault(member.name.rpartition("/")[0], []).append(row)
        left = {}
        for trial, rows in trials.items():
            number = int(trial.removeprefix("trial "))
            for rung in self.pruner.rungs(number):
                if rung_step(members[rows[0]], rung) != step:
                    continue
                # By seed, since a seed's rows differ from another's; some may have left.
                seeds = {members[row].seed: self._value(values[row]) for row in rows}
                if not self._goes_on(rung, seeds):
                    reason = f"{PRUNED} by {self.pruner.kind} after {step:,} steps"
                    left |= dict.fromkeys((members[row].name for row in rows), reason)
        return left

    def _goes_on(self, rung: float, seeds: Mapping[int, float]) -> bool:
        def same(values: Sequence[float]) -> list[float]:
            return [values[seed] for seed in seeds]

        earlier = [same(own) for own in self.earlier.get(label(rung), [])]
        best = self.best.get(label(rung))
        return self.pruner.goes_on(list(seeds.values()), earlier, same(best) if best else [])

    def _value(self, value: float | None) -> float:
        return math.nan if value is None else value if self.rising else -value


def prune(chosen: Pruner, metric: str, rising: bool, trials: Sequence[Trial]) -> Prune:
    """Return what lets trials leave, given those of earlier batches."""
    sign = 1.0 if rising else -1.0
    earlier: dict[str, list[list[float]]] = {}
    candidates = [trial for trial in trials if trial.is_candidate]
    for trial in trials:
        for rung, values in trial.rungs.items():
            earlier.setdefault(rung, []).append([sign * value for value in values])
    best: dict[str, list[float]] = {}
    if candidates:
        winner = max(candidates, key=lambda trial: sign * trial.values[0])
        best = {rung: [sign * value for value in own] for rung, own in winner.rungs.items()}
    return Prune(chosen, metric, rising, earlier, best)


def is_pruned(reason: str | None) -> bool:
    """Say whether the reason of a run is that its trial was pruned."""
    return (reason or "").startswith(f"{PRUNED} by ")


def label(rung: float) -> str:
    """Return what a rung is called in plan.json: thousandths of the steps."""
    return str(round(1000 * rung))


def rung_step(member: Member, rung: float) -> int | None:
    """Return the step of a run's first evaluation at a rung or later; None if that is its last."""
    every = member.evaluate_every
    step = max(math.ceil(rung * member.num_steps / every), 1) * every
    return step if step < member.num_steps else None


def rungs_of(
    members: Sequence[Member], curves: Sequence[Curve], metric: str
) -> dict[str, tuple[float, ...]]:
    """Return by rung the values of a trial's seeds, of those rungs that all of them came to."""
    rungs = {}
    for rung in RUNGS:
        values = []
        for member, curve in zip(members, curves, strict=True):
            step = rung_step(member, rung)
            at = dict(zip(curve.steps, curve.of(metric), strict=True))
            if step is None or step not in at:
                break
            values.append(float(at[step]))
        else:
            rungs[label(rung)] = tuple(values)
    return rungs

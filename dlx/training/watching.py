"""Metrics that runs watch as they train: to stop early, and to lower their learning rate."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields

from dlx.cohort import Member
from dlx.errors import ConfigError, did_you_mean
from dlx.nn.layers.boltzmann import FREE_ENERGY
from dlx.nn.metrics import CORRUPTED, PROBED, is_rising, tag
from dlx.registry import is_own


def check_watched(
    key: str, metric: str, parts: Collection[str], names: Collection[str], received: str
) -> None:
    """Check that a metric can be watched: that it is measured, and compares over steps.

    The message says which of what is measured (`names`, on each of the splits) can be, and which
    metric was received, in whose place `metric` is taken.
    """
    allowed = [f"{part}.{name}" for part in parts for name in names if name != FREE_ENERGY]
    part, _, name = metric.partition(".")
    if name == FREE_ENERGY and f"{part}.cost" in allowed and name in names:
        raise ConfigError(
            f"{key}: received {received}, but free energies of different steps do not compare: "
            "they lack log Z, which every step changes, so that weights that have learned nothing "
            f"may have the lowest; use {part}.cost or {part}.squared_error_per_row, how well "
            "inputs are reconstructed"
        )
    if metric not in allowed:
        near = "" if name in names else did_you_mean(name, names)
        raise ConfigError(f"{key}: received {received}{near}; allowed: {', '.join(allowed)}")


def not_portable(key: str, watched: str, member: Member) -> tuple[str, ...]:
    """Return what is to be said of a metric that steers a run of the native engine.

    It stops the run or sets its rate, or chooses its settings, its length or how many seeds it has.
    """
    name = watched.partition(".")[2].removeprefix(CORRUPTED)
    metric = next((metric for metric in member.metrics if tag(metric) == name), None)
    is_of_plugin = metric is not None and not is_own("metric", metric.name)
    if member.engine != "native" or not (is_of_plugin or name in PROBED):
        return ()
    whose = "a plug-in's" if is_of_plugin else "a probe's"
    return (
        f"{key}: {watched} is {whose} metric, which may differ in the last digit on another "
        "processor, and with it the runs that it steers; take the cost or another metric of dlx's "
        "for the same bits everywhere",
    )


def _improves(metric: str, value: float, best: float | None, threshold: float = 0.0) -> bool:
    """Say whether a value is better than the best so far, by a relative threshold; NaN never is."""
    if best is None or not math.isfinite(value):
        return math.isfinite(value)
    if is_rising(metric.split(".", 1)[1]):
        return value > best * (1 + threshold)
    return value < best * (1 - threshold)


@dataclass
class EarlyStopping:
    """Watches one metric of one run."""

    metric: str  # `<split>.<metric>`, such as dev.cost
    patience: int  # evaluations without improvement after which the run stops
    best: float | None = None  # the best value so far
    best_step: int = 0  # optimizer steps taken when it was reached
    waited: int = 0  # evaluations since

    def update(self, value: float, step: int) -> bool:
        """Take in a new value, and return whether it is the best so far."""
        improves = _improves(self.metric, value, self.best)
        if improves:
            self.best, self.best_step, self.waited = value, step, 0
        else:
            self.waited += 1
        return improves

    @property
    def exhausted(self) -> bool:
        """Whether patience is at its end."""
        return self.waited >= self.patience


@dataclass
class Plateau:
    """Watches one metric of one run, and lowers the factor on its learning rate.

    The rules are those of `torch.optim.lr_scheduler.ReduceLROnPlateau`, with a relative threshold.
    """

    metric: str  # `<split>.<metric>`, such as dev.cost
    factor: float  # what the rate is multiplied with
    patience: int  # evaluations without improvement that are borne with
    threshold: float  # smallest relative change that counts as an improvement
    cooldown: int  # evaluations after a reduction that are not counted
    final: float  # smallest share of the full rate
    share: float = 1.0  # of the full rate, at present
    best: float | None = None  # the best value so far
    waited: int = 0  # evaluations since
    cooling: int = 0  # evaluations of the cooldown that are left

    def update(self, value: float) -> None:
        """Take in a new value of the metric."""
        if _improves(self.metric, value, self.best, self.threshold):
            self.best, self.waited = value, 0
        else:
            self.waited += 1
        if self.cooling:
            self.cooling -= 1
            self.waited = 0
        if self.waited > self.patience:
            self.share = max(self.share * self.factor, self.final)
            self.cooling, self.waited = self.cooldown, 0


def plateaus(members: Sequence[Member]) -> list[Plateau | None]:
    """Return what watches each run whose schedule follows a metric; None for the others."""
    own = {field.name for field in fields(Plateau)}
    schedules = [member.optimizer.schedule for member in members]
    return [
        Plateau(**{name: v for name, v in schedule.arguments().items() if name in own})
        if schedule.traits.watches
        else None
        for schedule in schedules
    ]

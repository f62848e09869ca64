"""Reducing the learning rate of a run when a metric no longer improves."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

from dlx.cohort import Member
from dlx.config.types import Choice
from dlx.training.early_stopping import rises


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
        """Take in a new value of the metric; NaN is never an improvement."""
        if math.isfinite(value) and (self.best is None or self._improves(value, self.best)):
            self.best, self.waited = value, 0
        else:
            self.waited += 1
        if self.cooling:
            self.cooling -= 1
            self.waited = 0
        if self.waited > self.patience:
            self.share = max(self.share * self.factor, self.final)
            self.cooling, self.waited = self.cooldown, 0

    def _improves(self, value: float, best: float) -> bool:
        if rises(self.metric):
            return value > best * (1 + self.threshold)
        return value < best * (1 - self.threshold)


def plateaus(members: Sequence[Member]) -> list[Plateau | None]:
    """Return what watches each run whose schedule follows a metric; None for the others."""
    schedules = [member.optimizer.schedule for member in members]
    return [_plateau(schedule) if schedule.traits.watches else None for schedule in schedules]


def _plateau(schedule: Choice) -> Plateau:
    own = {field.name for field in fields(Plateau)}
    return Plateau(**{name: v for name, v in schedule.arguments().items() if name in own})

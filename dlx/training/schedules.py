"""Learning-rate schedules: the factor on the optimizer's own rate at every step.

A schedule is a function of the step, from 0, and of the number of steps of the run, both counted
from the end of the warm-up. So a resumed run goes on as if it had never stopped. `watching.py`
lowers the rate by a run's metrics.
"""

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, Len, Lt

from dlx.arithmetic import half_cosine, power
from dlx.config.schema import Metric
from dlx.config.types import Choice
from dlx.registry import register
from dlx.training.watching import Plateau

Steps = Annotated[int, Ge(0)]
Share = Annotated[float, Ge(0), Le(1)]
Momenta = Annotated[list[Annotated[float, Gt(0), Lt(1)]], Len(2, 2)]


class Rates:
    """The factors on the learning rates of several slabs of runs, step by step.

    A slab is its optimizer, with its schedule, and its number of steps; a plateau lowers the rate
    of a slab by a metric of its run.
    """

    def __init__(
        self, slabs: Sequence[tuple[Choice, int]], plateaus: Sequence[Plateau | None]
    ) -> None:
        self._plateaus = plateaus
        self._schedules = [(optimizer.schedule, num_steps) for optimizer, num_steps in slabs]
        self._slabs = [(schedule.bound(), num_steps) for schedule, num_steps in self._schedules]
        self.constant = all(
            s.traits.constant and not s.arguments().get("warmup") for s, _ in self._schedules
        )

    def __call__(self, step: int) -> list[float]:
        """Return each slab's factor at a step, from 0."""
        return [
            function(step, steps) * (plateau.share if plateau else 1.0)
            for (function, steps), plateau in zip(self._slabs, self._plateaus, strict=True)
        ]

    def of_steps(self, first: int, number: int) -> list[list[float]]:
        """Return each slab's factor at each of neighbouring steps."""
        if self.constant:
            return [self(first)] * number
        return [self(step) for step in range(first, first + number)]

    def momenta_of_steps(self, first: int, number: int) -> list[list[float | None]] | None:
        """Return the momenta at neighbouring steps; None where no schedule sets any."""
        if not any(schedule.traits.cycles_momentum for schedule, _ in self._schedules):
            return None
        return [self.momenta(step) for step in range(first, first + number)]

    def momenta(self, step: int) -> list[float | None]:
        """Return the momentum that each slab's schedule sets at a step, from 0; None for none."""
        return [cycled_momentum(schedule, step, steps) for schedule, steps in self._schedules]


def _warmed(function: Callable[..., float]) -> Callable[..., float]:
    """Return a schedule with the option `warmup`, a linear rise of the rate before all else."""

    @functools.wraps(function)
    def warmed(step: int, num_steps: int, *, warmup: Steps = 0, **options: Any) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return function(step - warmup, num_steps - warmup, **options)

    own = inspect.signature(function)
    warmup = inspect.signature(warmed, follow_wrapped=False).parameters["warmup"]
    warmed.__signature__ = own.replace(parameters=[*own.parameters.values(), warmup])  # type: ignore[attr-defined]
    warmed.__annotations__ = {**function.__annotations__, "warmup": Steps}
    line = "    warmup: steps over which the rate first rises linearly to its full value"
    documentation = inspect.getdoc(function) or ""
    warmed.__doc__ = (
        documentation.replace("Args:\n", f"Args:\n{line}\n")
        if "Args:\n" in documentation
        else f"{documentation}\n\nArgs:\n{line}\n"
    )
    return warmed


@register("schedule", constant=True)
@_warmed
def constant(step: int, num_steps: int) -> float:
    """The same rate at every step, after a warm-up if there is one.

    Reference:
        of the warm-up: Goyal et al. (2017), Accurate, large minibatch SGD
    """
    return 1.0


@register("schedule")
@_warmed
def step(
    step: int,
    num_steps: int,
    *,
    every: Annotated[int, Gt(0)] = 1000,
    gamma: Annotated[float, Gt(0)] = 0.1,
) -> float:
    """The rate falls at regular intervals: gamma^floor(step / every).

    Args:
        every: steps of an interval
        gamma: factor after each interval
    """
    return power(gamma, step // every)


@register("schedule")
@_warmed
def exponential(step: int, num_steps: int, *, gamma: Annotated[float, Gt(0)] = 0.999) -> float:
    """The rate falls by the same factor at every step: gamma^step.

    Args:
        gamma: factor at each step
    """
    return power(gamma, step)


@register("schedule")
@_warmed
def cosine(step: int, num_steps: int, *, final: Share = 0.0) -> float:
    """The rate falls along half a cosine: final + (1 - final) (1 + cos(pi s / S)) / 2.

    Args:
        final: share of the full rate at the end

    Reference:
        Loshchilov and Hutter (2017), SGDR: stochastic gradient descent with warm restarts
    """
    return _cosine(1.0, final, min(step / max(num_steps, 1), 1.0))


@register("schedule")
@_warmed
def inverse_sqrt(step: int, num_steps: int, *, timescale: Annotated[int, Gt(0)] = 1000) -> float:
    """The rate falls with the root of the steps: sqrt(timescale / (timescale + step)).

    With a `warmup` as long as `timescale` it is the schedule of the first transformers.

    Args:
        timescale: steps after which the rate is 0.71 of its full value

    Reference:
        Vaswani et al. (2017), Attention is all you need, section 5.3
    """
    return math.sqrt(timescale / (timescale + step))


@register("schedule", cycles_momentum=True)
@_warmed
def one_cycle(
    step: int,
    num_steps: int,
    *,
    peak: Annotated[float, Gt(0), Lt(1)] = 0.3,
    initial: Annotated[float, Gt(0), Le(1)] = 0.04,
    final: Share = 4e-6,
    momentum: Momenta | None = None,
) -> float:
    """The rate rises along half a cosine to its full value, and falls along another to its end.

    The optimizer's own rate is the highest one; it can be several times that of a constant
    schedule. Unlike in torch, the momentum does not change unless `momentum` is given.

    Args:
        peak: when the full rate is reached, as a share of the steps
        initial: share of the full rate at the start
        final: share of the full rate at the end
        momentum: lowest and highest momentum (Adam's beta1), such as [0.85, 0.95]; it is lowest
            at the full rate; null: the optimizer's own at every step

    Reference:
        Smith and Topin (2018), Super-convergence: very fast training of neural networks
    """
    return _along_cycle(step, num_steps, peak, initial, 1.0, final)


def _along_cycle(
    step: int, num_steps: int, peak: float, start: float, middle: float, end: float
) -> float:
    """Return the value at a step of half a cosine to the middle and another to the end."""
    rise = max(peak * num_steps - 1, 0.0)
    if step < rise:
        return _cosine(start, middle, step / rise)
    fall = num_steps - 1 - rise
    return _cosine(middle, end, min((step - rise) / fall, 1.0)) if fall > 0 else middle


def _cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * (1 + half_cosine(progress)) / 2


def cycled_momentum(schedule: Choice, step: int, num_steps: int) -> float | None:
    """Return the momentum that a schedule sets at a step; None if it sets none."""
    if not schedule.traits.cycles_momentum or schedule.momentum is None:
        return None
    low, high = schedule.momentum
    step, num_steps = step - schedule.warmup, num_steps - schedule.warmup
    return high if step < 0 else _along_cycle(step, num_steps, schedule.peak, high, low, high)


@register("schedule", watches=True)
@_warmed
def reduce_on_plateau(
    step: int,
    num_steps: int,
    *,
    metric: Metric = "stop.cost",
    factor: Annotated[float, Gt(0), Lt(1)] = 0.1,
    patience: Annotated[int, Ge(0)] = 10,
    threshold: Annotated[float, Ge(0), Lt(1)] = 1e-4,
    cooldown: Annotated[int, Ge(0)] = 0,
    final: Share = 0.0,
) -> float:
    """The rate is lowered whenever a metric of the run has not improved for some evaluations.

    Args:
        metric: a logged metric, compared at every evaluation (see log.every); of dev rows, it is
            that of stop rows
        factor: by which the rate is multiplied
        patience: evaluations without improvement that are tolerated
        threshold: smallest relative change that counts as an improvement
        cooldown: evaluations after a reduction that are not counted
        final: smallest share of the full rate

    Reference:
        torch.optim.lr_scheduler.ReduceLROnPlateau, https://docs.pytorch.org/docs/stable/optim.html
    """
    return 1.0

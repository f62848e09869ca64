"""Learning-rate schedules: the factor on the optimizer's own rate at every step.

Each takes the step, from 0, and the number of steps of the run, both counted from the end of the
warm-up, and is a pure function of them: a resumed run goes on where it was.
"""

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from typing import Annotated

from annotated_types import Ge, Gt, Le

from dlx.config.types import Choice
from dlx.registry import get, register

Steps = Annotated[int, Ge(0)]
Share = Annotated[float, Ge(0), Le(1)]


class Rates:
    """The factors on the learning rates of several slabs of runs, step by step.

    Args:
        slabs: the optimizer, with its schedule, and the number of steps of each
    """

    def __init__(self, slabs: Sequence[tuple[Choice, int]]) -> None:
        schedules = [optimizer.schedule for optimizer, _ in slabs]
        self._slabs = [
            (get("schedule", schedule.name).function, num_steps, schedule.options())
            for schedule, (_, num_steps) in zip(schedules, slabs, strict=True)
        ]
        self.constant = all(s.name == "constant" and s.warmup == 0 for s in schedules)

    def __call__(self, step: int) -> list[float]:
        """Return each slab's factor at a step, from 0."""
        return [function(step, steps, **options) for function, steps, options in self._slabs]


def _register(function: Callable[..., float]) -> Callable[..., float]:
    """Register a schedule, with a linear warm-up that may go before it."""

    @functools.wraps(function)
    def warmed(step: int, num_steps: int, *, warmup: Steps = 0, **options: float) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return function(step - warmup, num_steps - warmup, **options)

    own = inspect.signature(function)
    extra = inspect.signature(warmed, follow_wrapped=False).parameters["warmup"]
    warmed.__signature__ = own.replace(parameters=[*own.parameters.values(), extra])  # type: ignore[attr-defined]
    warmed.__annotations__ = {**function.__annotations__, "warmup": Steps}
    section = "    warmup: steps over which the rate first rises linearly to its full value"
    documentation = inspect.getdoc(function) or ""
    warmed.__doc__ = (
        documentation.replace("Args:\n", f"Args:\n{section}\n")
        if "Args:\n" in documentation
        else f"{documentation}\n\nArgs:\n{section}\n"
    )
    return register("schedule")(warmed)


@_register
def constant(step: int, num_steps: int) -> float:
    """The same rate all along."""
    return 1.0


@_register
def step(
    step: int,
    num_steps: int,
    *,
    every: Annotated[int, Gt(0)] = 1000,
    gamma: Annotated[float, Gt(0)] = 0.1,
) -> float:
    """The rate falls in stairs: gamma^floor(step / every).

    Args:
        every: steps between two stairs
        gamma: factor at each stair
    """
    return gamma ** (step // every)


@_register
def exponential(step: int, num_steps: int, *, gamma: Annotated[float, Gt(0)] = 0.999) -> float:
    """The rate falls by the same factor at every step: gamma^step.

    Args:
        gamma: factor at each step
    """
    return gamma**step


@_register
def cosine(step: int, num_steps: int, *, final: Share = 0.0) -> float:
    """Half a cosine from the full rate to its end: final + (1 - final) (1 + cos(pi s / S)) / 2.

    Args:
        final: share of the full rate that is left at the end

    Reference:
        Loshchilov and Hutter (2017), SGDR: stochastic gradient descent with warm restarts
    """
    progress = min(step / max(num_steps, 1), 1.0)
    return final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2


@_register
def linear_warmup(step: int, num_steps: int, *, steps: Annotated[int, Gt(0)] = 100) -> float:
    """The rate rises linearly to its full value and stays there: min(1, (step + 1) / steps).

    Args:
        steps: until the full rate

    Reference:
        Goyal et al. (2017), Accurate, large minibatch SGD
    """
    return min(1.0, (step + 1) / steps)

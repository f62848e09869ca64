"""Checks of a learning-rate schedule."""

import math
from collections.abc import Callable
from typing import Any

from dlx.config.types import Choice
from dlx.testing.runs import chosen

_LENGTHS = (1, 2, 7, 100)  # steps of a run


def check_schedule(schedule: str | Callable[..., Any], **options: Any) -> None:
    """Check that a schedule is a function of the step alone, in short and long runs.

    Its factor is a finite number, never negative and not always zero. It does not depend on the
    steps that were asked for before, since a resumed run only asks for the later ones.
    """
    named = chosen("schedule", schedule, options)
    what = f"schedule {named.name}"
    for num_steps in _LENGTHS:
        factors = [_factor(what, named, step, num_steps) for step in range(num_steps)]
        assert any(factors), f"{what}: all factors of a run of {num_steps} steps are zero"
        for step in reversed(range(num_steps)):
            again = _factor(what, named, step, num_steps)
            assert again == factors[step], (
                f"{what}: at step {step} of {num_steps} it returns {factors[step]!r}, and "
                f"{again!r} after other steps; keep nothing from call to call"
            )


def _factor(what: str, schedule: Choice, step: int, num_steps: int) -> float:
    where = f"{what}: at step {step} of {num_steps} it"
    try:
        factor = schedule(step, num_steps)
    except ArithmeticError as error:
        raise AssertionError(f"{where} raises {type(error).__name__}: {error}") from error
    assert isinstance(factor, int | float), (
        f"{where} returns {type(factor).__name__}; it must be a float, since a tensor's number "
        "would be waited for"
    )
    assert math.isfinite(factor) and factor >= 0, (
        f"{where} returns {factor!r}; a factor on the learning rate is finite and not negative"
    )
    return factor

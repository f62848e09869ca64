"""Each variant's own best settings, found on dev with seeds that are not compared."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlx.ablation.plan import PlannedRun
from dlx.ablation.results import RunResult
from dlx.errors import DlxError


class UntunableError(DlxError):
    """Every value that a variant could take made its runs diverge or fail."""

    exit_code = 5


@dataclass(frozen=True)
class Try:
    """One choice of the tuned settings of a variant.

    Attributes:
        variant: its name
        choice: value by dotted key
        mean: of the judged metric over its runs; None if a run has none, for it diverged or failed
        runs: how many
        steps: optimizer steps of all of them
    """

    variant: str
    choice: Mapping[str, Any]
    mean: float | None
    runs: int
    steps: int


def tries(runs: Sequence[PlannedRun], results: Mapping[str, RunResult], metric: str) -> list[Try]:
    """Return what every choice of every variant came to.

    Args:
        runs: of the tuning phase, in the order of the plan
        results: by path
        metric: what is judged
    """
    grouped: dict[str, list[PlannedRun]] = {}
    for run in runs:
        grouped.setdefault(run.arm.folder, []).append(run)
    found = []
    for its in grouped.values():
        ended = [results[run.path] for run in its]
        values = [each.value(metric) for each in ended]
        known = [v for v in values if v is not None and math.isfinite(v)]
        mean = float(np.mean(known)) if len(known) == len(values) else None
        arm = its[0].arm
        steps = sum(each.steps for each in ended)
        found.append(Try(arm.variant, arm.choice or {}, mean, len(its), steps))
    return found


def choose(found: Sequence[Try], *, rising: bool) -> dict[str, dict[str, Any]]:
    """Return the best choice of each variant, the first of equals.

    Raises:
        UntunableError: a variant has no choice under which all its runs ended well
    """
    chosen: dict[str, dict[str, Any]] = {}
    for variant in dict.fromkeys(each.variant for each in found):
        its = [each for each in found if each.variant == variant and each.mean is not None]
        if not its:
            raise UntunableError(
                f"ablation.tune: under every value the runs of variant {variant!r} diverged or "
                "failed; add gentler values"
            )
        sign = 1 if rising else -1
        chosen[variant] = dict(max(its, key=lambda each: sign * (each.mean or 0.0)).choice)
    return chosen

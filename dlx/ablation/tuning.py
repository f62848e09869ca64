"""Tuning: the best settings of each variant, chosen on stop rows at seeds that are not compared."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlx.ablation.plan import PlannedRun
from dlx.ablation.results import RunResult
from dlx.errors import DlxError


class UntunableError(DlxError):
    """A variant's runs diverged or failed under every tuned value."""

    exit_code = 5


@dataclass(frozen=True)
class Try:
    """One choice of the tuned settings of a variant."""

    variant: str  # its name
    choice: Mapping[str, Any]  # value by dotted key
    mean: float | None  # of the judged metric over its runs; None if any of them diverged or failed
    runs: int  # their number
    steps: int  # optimizer steps of all of them


def tries(runs: Sequence[PlannedRun], results: Mapping[str, RunResult], metric: str) -> list[Try]:
    """Return the results of every choice of every variant, of the runs of the tuning phase."""
    arms: dict[str, list[PlannedRun]] = {}
    for run in runs:
        arms.setdefault(run.arm.folder, []).append(run)
    tried = []
    for arm_runs in arms.values():
        arm, ended = arm_runs[0].arm, [results[run.path] for run in arm_runs]
        values = [result.value(metric) for result in ended]
        finite = [value for value in values if value is not None and math.isfinite(value)]
        mean = float(np.mean(finite)) if len(finite) == len(values) else None
        steps = sum(result.steps for result in ended)
        tried.append(Try(arm.variant, arm.choice or {}, mean, len(ended), steps))
    return tried


def choose(tried: Sequence[Try], *, rising: bool) -> dict[str, dict[str, Any]]:
    """Return the best choice of each variant; of equal ones the first."""
    sign = 1 if rising else -1
    chosen: dict[str, dict[str, Any]] = {}
    for variant in dict.fromkeys(attempt.variant for attempt in tried):
        scored = [a for a in tried if a.variant == variant and a.mean is not None]
        if not scored:
            raise UntunableError(
                f"ablation.tune: every tuned value made runs of variant {variant!r} diverge or "
                "fail; add gentler values"
            )
        chosen[variant] = dict(max(scored, key=lambda a: sign * (a.mean or 0.0)).choice)
    return chosen


def edges(chosen: Mapping[str, Any], tried: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return which chosen numbers are the smallest or the largest that were tried, by key.

    Beyond the edge of its grid a variant may do better, so that a verdict on it may be on the grid.
    """
    at_edge = {}
    for key, value in chosen.items():
        values = [choice[key] for choice in tried]
        if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
            low, high = min(values), max(values)
            if low < high and value in (low, high):
                at_edge[key] = "largest" if value == high else "smallest"
    return at_edge

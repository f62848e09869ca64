"""What an ablation knows of each of its runs once it has ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from dlx.tracking.evaluations import Curve

Status = Literal["completed", "stopped_early", "diverged", "failed"]
Metrics = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Variant:
    """One way of setting what an ablation varies.

    Attributes:
        name: what differs, such as `activation=relu init=he_normal`
        settings: plain value by dotted key
    """

    name: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class RunResult:
    """How one run of an ablation ended.

    Attributes:
        variant: its name
        seed: of its random streams
        fold: of the cross-validation, from 1; None without
        status: how it ended
        steps: optimizer steps taken
        seconds: its share of its cohort's time
        parameters: numbers that were trained
        examples: training rows seen
        metrics: by split and tag, of the scored weights on all rows; empty if it has none
        curve: its evaluations
        steps_to: by `<split>.<tag>`, the steps after which a threshold was first reached; None
            where it never was
        success: whether it reached what the ablation counts as success; None if it counts nothing
        reason: of a divergence or failure, in words
        pretraining_steps: of the stages before, of whatever run they were first trained for
        pretraining_examples: training rows seen in these
        path: its name in the ablation, `<variant's folder>/seed=<seed>`
        number: in the ablation, from 1; 0 of a run that is in none
    """

    variant: str
    seed: int
    status: Status
    steps: int
    fold: int | None = None
    seconds: float = 0.0
    parameters: int = 0
    examples: int = 0
    metrics: Metrics = field(default_factory=dict)
    curve: Curve = field(default_factory=lambda: Curve((), {}))
    steps_to: Mapping[str, int | None] = field(default_factory=dict)
    success: bool | None = None
    reason: str = ""
    path: str = ""
    number: int = 0
    pretraining_steps: int = 0
    pretraining_examples: int = 0

    @property
    def is_scored(self) -> bool:
        """Whether it has final weights, and so metrics."""
        return self.status in ("completed", "stopped_early")

    def value(self, metric: str) -> float | None:
        """Return the final value of `<split>.<tag>`, `success` or `steps_to.<split>.<tag>`.

        None where the run has none: it diverged or failed, or the threshold was never reached. A
        run that diverged is no success.
        """
        if metric == "success":
            return None if self.success is None else float(self.success)
        if metric.startswith("steps_to."):
            return self.steps_to.get(metric.removeprefix("steps_to."))
        split, _, tag = metric.partition(".")
        return self.metrics.get(split, {}).get(tag)

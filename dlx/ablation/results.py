"""The result of each run of an ablation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from dlx.tracking.evaluations import Curve

if TYPE_CHECKING:
    from dlx.ablation.statistics.rows import Judgement

Status = Literal["completed", "stopped_early", "diverged", "failed"]
Metrics = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Variant:
    """One choice of values for the keys that an ablation varies."""

    name: str  # the values in words, such as `activation=relu init=he_normal`
    settings: Mapping[str, Any]  # plain value by dotted key


@dataclass(frozen=True)
class RunResult:
    """How one run of an ablation ended."""

    variant: str  # its name
    seed: int  # of its random streams
    status: Status  # how it ended
    steps: int  # optimizer steps taken
    fold: int | None = None  # of the cross-validation, from 1; None without one
    seconds: float = 0.0  # its share of its cohort's time
    parameters: int = 0  # number of trained parameters
    examples: int = 0  # training rows seen
    # By split and tag, of the scored weights on all rows; empty without scored weights.
    metrics: Metrics = field(default_factory=dict)
    # By split, `n` rows it was judged on, and their `digest`; empty for runs that recorded none.
    rows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    # What it makes of each row, by judged metric `<split>.<tag>`, if that is a mean over rows.
    judgements: Mapping[str, "Judgement"] = field(default_factory=dict)
    curve: Curve = field(default_factory=lambda: Curve((), {}))  # its evaluations
    # By `<split>.<tag>`, the steps after which its threshold was first reached; None: never.
    steps_to: Mapping[str, int | None] = field(default_factory=dict)
    # Whether it reached the ablation's thresholds of success; None if there are none.
    success: bool | None = None
    reason: str = ""  # why it diverged or failed
    path: str = ""  # its name in the ablation, `<variant's folder>/seed=<seed>`
    number: int = 0  # in the ablation, from 1; 0 for a run outside of an ablation
    pretraining_steps: int = 0  # of its pre-training, even if another run's stages were reused
    pretraining_examples: int = 0  # training rows seen in pre-training

    @property
    def is_scored(self) -> bool:
        """Whether it has scored weights, and so metrics."""
        return self.status in ("completed", "stopped_early")

    def value(self, metric: str) -> float | None:
        """Return the final value of `<split>.<tag>`, `success` or `steps_to.<split>.<tag>`.

        None if the run has none, since it diverged or failed or never reached the threshold. A run
        that diverged is no success.
        """
        if metric == "success":
            return None if self.success is None else float(self.success)
        if metric.startswith("steps_to."):
            return self.steps_to.get(metric.removeprefix("steps_to."))
        split, _, tag = metric.partition(".")
        return self.metrics.get(split, {}).get(tag)


def fields_of(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a `RunResult` that stand in run.json."""
    counts = ["steps", "seconds", "parameters", "examples"]
    counts += ["pretraining_steps", "pretraining_examples"]
    own = {"seed": info["seed"], "status": info["status"], "rows": info.get("rows") or {}}
    return own | {name: info.get(name) or 0 for name in counts}

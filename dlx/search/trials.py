"""The trials of a search: which values were tried, and how they did."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

# Completed: trained to its end at every seed; pruned: it left before; diverged or failed: a run of
# it did; infeasible: it breaks a bound that is known without training; invalid: dlx refuses its
# config.
State = Literal["completed", "pruned", "diverged", "failed", "infeasible", "invalid"]
UNTRAINED = ("infeasible", "invalid")


@dataclass(frozen=True)
class Trial:
    """One combination of values."""

    number: int  # from 1
    batch: int  # that it was chosen in, from 1
    settings: Mapping[str, Any]  # plain value by dotted key
    parameters: Mapping[str, Any]  # what Optuna chose, by dotted key
    state: State | None = None  # None: it has not ended
    values: tuple[float, ...] = ()  # of the objectives, means over seeds; of completed trials alone
    violations: Mapping[str, float] = field(default_factory=dict)  # by bound; above 0: broken
    same_as: int | None = None  # an earlier trial with the same settings, whose result it takes
    measured: Mapping[str, float] = field(default_factory=dict)  # what bounds and tables are of
    # By rung in steps, the value of each seed by which pruning goes.
    rungs: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    steps: int = 0  # of all its runs
    reason: str = ""  # why it is not completed

    @property
    def name(self) -> str:
        """What its variant is called."""
        return f"trial {self.number}"

    @property
    def is_feasible(self) -> bool:
        """Whether it breaks no bound."""
        return all(violation <= 0 for violation in self.violations.values())

    @property
    def is_candidate(self) -> bool:
        """Whether it may be the best: trained to its end, within all bounds."""
        return self.state == "completed" and self.is_feasible

    def ended(self, state: State, **fields: Any) -> "Trial":
        """Return the trial with how it ended."""
        return replace(self, state=state, **fields)

    def document(self) -> dict[str, Any]:
        """Return its part of plan.json."""
        return dict(vars(self))

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Trial":
        """Return the trial in a part of plan.json."""
        rungs = {step: tuple(values) for step, values in document["rungs"].items()}
        return cls(**{**document, "values": tuple(document["values"]), "rungs": rungs})

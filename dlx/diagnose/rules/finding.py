"""One thing that stands out in a run, and the words that findings share."""

import shlex
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from dlx.runs.files import finite

Severity = Literal["high", "medium", "low"]
SEVERITIES: tuple[Severity, ...] = ("high", "medium", "low")

NAMES = (
    # First what explains the others, where several are equally severe.
    *("constant_inputs", "unscaled_inputs", "leaking_column", "exploding_gradient"),
    *("rate_too_high", "symmetry", "dead_units", "dying_signal", "vanishing_gradient"),
    *("saturation", "exploded_cost", "rate_too_low", "constant_outputs", "data_mismatch"),
    *("class_imbalance",),
    *("wrong_labels", "worse_than_baseline", "still_improving", "high_bias", "high_variance"),
    *("plateau", "covariate_shift", "poor_calibration", "dev_overfitting"),
    *("duplicate_rows", "too_few_rows"),
)


@dataclass(frozen=True)
class Finding:
    """One thing that stands out in a run."""

    name: str  # one of `NAMES`
    severity: Severity
    reason: str  # a sentence
    changes: tuple[str, ...] = ()  # KEY=VALUE to try next, of the run's config
    evidence: dict[str, float] = field(default_factory=dict)
    layer: str | None = None
    step: int | None = None
    resumes: bool = False  # whether the changes are for `dlx resume`, not for a new run

    def document(self, run: str, train: str = "") -> dict[str, Any]:
        """Return the finding as JSON has it, with the command for a run by its name.

        `train` is what trains the run anew; default: what does for the config in its folder.
        """
        values = asdict(self)
        changes, resumes = values.pop("changes"), values.pop("resumes")
        quoted = shlex.quote(run)
        command = train or f"dlx train {shlex.quote(f'{run}/config.yaml')}"
        if resumes or not changes:
            command = f"dlx {'resume' if changes else 'evaluate'} {quoted}"
        return finite(values | {"try": " ".join([command, *map(shlex.quote, changes)])})


def percent(value: float) -> str:
    """Return a share in percent."""
    return f"{100 * value:.3g} %"


def points(value: float) -> str:
    """Return a difference of shares in points."""
    return f"{100 * value:.1f} points"


def short(value: float) -> str:
    """Return a number with two digits."""
    return f"{value:.2g}"

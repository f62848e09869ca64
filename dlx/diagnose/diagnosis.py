"""What went wrong in a run, and what to try next: all rules, the most severe findings first."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from dlx.diagnose.evidence import Evidence
from dlx.diagnose.rules import bias_variance, data, learning, outputs, signals
from dlx.diagnose.rules.finding import NAMES, SEVERITIES, Finding

_RULES: tuple[Callable[[Evidence], Iterator[Finding]], ...] = (
    *(bias_variance.bias, bias_variance.variance, bias_variance.few_rows),
    *(signals.signals, signals.units, signals.covariate_shift),
    *(learning.rate, outputs.answers, outputs.beside_linear, outputs.calibration),
    *(data.classes_and_inputs, data.leaks, data.other_inputs, outputs.labels),
)


def diagnose(evidence: Evidence) -> list[Finding]:
    """Return what stands out in a run, the most severe first."""
    options = evidence.config.model.arguments()
    findings = [
        replace(finding, changes=tuple(c for c in finding.changes if _is_possible(c, options)))
        for rule in _RULES
        for finding in rule(evidence)
    ]
    return sorted(findings, key=lambda f: (SEVERITIES.index(f.severity), NAMES.index(f.name)))


def _is_possible(change: str, options: Mapping[str, Any]) -> bool:
    """Return whether the run's model has the option that a change is of."""
    key = change.partition("=")[0]
    return not key.startswith("model.") or key.split(".")[1] in options

"""The comparison of any runs: those of one config are a variant, the first is the baseline."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dlx.ablation.factors import values_of
from dlx.ablation.results import RunResult
from dlx.ablation.summary import summarize
from dlx.errors import ConfigError, did_you_mean
from dlx.report.gather import gather


def compare(paths: Sequence[str], runs_dir: Path, metric: str | None = None) -> dict[str, Any]:
    """Return the summary of runs and ablations, in the form of an ablation's summary.json.

    The paths are those of `gather`. The other variants are compared with the first one, by a metric
    `<split>.<tag>`; default: dev.accuracy, or else dev.cost, or else the first one.

    Raises:
        RunError: there is no such run, or none has ended
        ConfigError: no run has the metric
    """
    gathered = gather(paths, runs_dir)
    judged = _metric(metric, gathered.results)
    folds = max(result.fold or 0 for result in gathered.results)
    summary = summarize(
        gathered.variants,
        gathered.results,
        name=", ".join(paths),
        metric=judged,
        baseline=gathered.variants[0].name,
        varied=values_of(gathered.variants),
        seeds=sorted({result.seed for result in gathered.results}),
        design="list",
        folds=folds or None,
        data=gathered.data,
        show_test=judged.startswith("test."),
    )
    return summary | {"warnings": gathered.warnings + summary["warnings"]}


def _metric(wanted: str | None, results: Sequence[RunResult]) -> str:
    metrics = {
        f"{split}.{tag}"
        for result in results
        for split, tags in result.metrics.items()
        for tag in tags
    }
    if wanted is None:
        preferred = [metric for metric in ("dev.accuracy", "dev.cost") if metric in metrics]
        # If all runs diverged or failed, no metric makes a difference.
        return (preferred or sorted(metrics) or ["dev.cost"])[0]
    if wanted not in metrics:
        listed = ", ".join(sorted(metrics)) or "none, since all runs diverged or failed"
        raise ConfigError(
            f"--metric: no run has {wanted!r}{did_you_mean(wanted, metrics)}; they have: {listed}"
        )
    return wanted

"""Runs of any kind compared: those of one config are a variant, the first one the baseline."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dlx.ablation.factors import same
from dlx.ablation.results import RunResult, Variant
from dlx.ablation.summary import summarize
from dlx.errors import ConfigError, did_you_mean
from dlx.report.gather import gather


def compare(paths: Sequence[str], runs_dir: Path, metric: str | None = None) -> dict[str, Any]:
    """Return the summary of runs and ablations, as an ablation's summary.json has it.

    Args:
        paths: see `gather`; the first variant in them is what the others are compared with
        runs_dir: where names and ids are looked up
        metric: `<split>.<tag>`; default: dev.accuracy, else dev.cost, else the first there is

    Raises:
        RunError: there is no such run, or none has ended
        ConfigError: no run has the metric
    """
    found = gather(paths, runs_dir)
    judged = _metric(metric, found.results)
    folds = max(result.fold or 0 for result in found.results)
    summary = summarize(
        found.variants,
        found.results,
        name=", ".join(paths),
        metric=judged,
        baseline=found.variants[0].name,
        varied=_varied(found.variants),
        seeds=sorted({result.seed for result in found.results}),
        design="list",
        folds=folds or None,
        data=found.data,
        show_test=judged.startswith("test."),
    )
    return summary | {"warnings": found.warnings + summary["warnings"]}


def _metric(wanted: str | None, results: Sequence[RunResult]) -> str:
    there = {
        f"{split}.{tag}" for each in results for split, tags in each.metrics.items() for tag in tags
    }
    if wanted is None:
        preferred = [each for each in ("dev.accuracy", "dev.cost") if each in there]
        # Where every run was lost, there is nothing to judge by but that.
        return (preferred or sorted(there) or ["dev.cost"])[0]
    if wanted not in there:
        listed = ", ".join(sorted(there)) or "none: all diverged or failed"
        raise ConfigError(
            f"--metric: no run has {wanted!r}{did_you_mean(wanted, there)}; metrics that are "
            f"there: {listed}"
        )
    return wanted


def _varied(variants: Sequence[Variant]) -> dict[str, list[Any]]:
    varied: dict[str, list[Any]] = {}
    for each in variants:
        for key, value in each.settings.items():
            values = varied.setdefault(key, [])
            if same(value) not in map(same, values):
                values.append(value)
    return varied

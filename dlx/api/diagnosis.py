"""What stands out in a run, or in the runs of an ablation."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlx.api.mistakes import mistakes
from dlx.api.run import Run
from dlx.data.parts import Splits
from dlx.diagnose.diagnosis import diagnose
from dlx.diagnose.evidence import Evidence
from dlx.errors import DataError, RunError
from dlx.runs.files import exists
from dlx.tracking.evaluations import curve_of
from dlx.training import job as jobs

if TYPE_CHECKING:  # a single run needs nothing of ablations
    from dlx.api.ablation import Ablation


def evidence_of(run: Run, labelled: Splits | None) -> Evidence:
    """Return what a diagnosis of a run is made from; without data it is its records alone.

    Raises:
        RunError: the run still trains, or has logged nothing
    """
    if run.status == "running":
        raise RunError(f"{run.path} is being trained; diagnose it when it has ended")
    if not exists(run.directory.metrics_path):
        raise RunError(f"{run.path} has logged nothing yet; `dlx resume` it")
    curve = curve_of(run.history)
    has_ended = run.status in ("completed", "stopped_early")
    if has_ended and (not curve.steps or curve.steps[-1] != run.info.get("steps")):
        raise RunError(
            f"{run.directory.metrics_path} is damaged: it does not go on to step "
            f"{run.info.get('steps')}, where the run ended; `dlx verify` trains the run again"
        )
    if labelled is None:
        return Evidence(run.config, run.info, curve)
    splits = jobs.targeted(run.config, labelled)
    if run.status == "diverged" or run.info.get("weights") is None:
        return Evidence(run.config, run.info, curve, splits=splits)
    network = run.design, run.tensors
    return Evidence.of_network(run.config, run.info, curve, splits, network)


def known_data(run: Run, data_dir: Path | str | None = None) -> tuple[Splits | None, list[str]]:
    """Return a run's data as they were read; without them None, and a note that says so."""
    try:
        return run.labelled_splits(data_dir), []
    except DataError as error:
        return None, [f"only what was recorded is looked at: {error}"]


def diagnose_run(
    run: Run,
    data_dir: Path | str | None = None,
    labelled: Splits | None = None,
    *,
    rows: bool = False,
) -> dict[str, Any]:
    """Return what stands out in a run: `findings`, the most severe first, and `notes`.

    Args:
        run: one that has ended or was stopped
        data_dir: where data sets are kept
        labelled: what `Run.labelled_splits` has given, which then are not read again
        rows: also return what `mistakes` does

    Raises:
        RunError: the run still trains, or has logged nothing
    """
    notes: list[str] = []
    if labelled is None:
        labelled, notes = known_data(run, data_dir)
    evidence = evidence_of(run, labelled)
    findings = [finding.document(str(run.path)) for finding in diagnose(evidence)]
    more = mistakes(run, evidence, data_dir) if rows else {}
    return {"findings": findings, "notes": notes} | more


def diagnose_ablation(
    ablation: "Ablation", data_dir: Path | str | None = None
) -> list[dict[str, Any]]:
    """Return what stands out in each variant, see `dlx.report.ablation.findings.by_variant`.

    Raises:
        RunError: no run has ended, or the plan is missing or was changed
    """
    from dlx.report.ablation.findings import by_variant

    plan = ablation.plan(data_dir)
    return by_variant(plan, ablation.path, ablation.ended(plan))


def more_data(summary: Mapping[str, Any]) -> list[str]:
    """Say whether more training rows would help, if the ablation varied `data.limit`.

    It is what the metric gains from the last but one number of rows to the last, over the seeds,
    where the other settings are the baseline's.

    Args:
        summary: of the ablation, see summary.json
    """
    metric, key = summary["metric"], "data.limit"
    variants = {variant["name"]: variant for variant in summary["variants"]}
    rest = {k: v for k, v in variants[summary["baseline"]]["settings"].items() if k != key}
    part, _, tag = metric.partition(".")
    by_rows = {
        variant["settings"][key]: np.array(variant["metrics"][part][tag]["values"], dtype=float)
        for variant in variants.values()
        if isinstance(variant["settings"].get(key), int)
        and {k: v for k, v in variant["settings"].items() if k != key} == rest
        and tag in variant["metrics"].get(part, {})
    }
    if len(by_rows) < 2:
        return []
    from dlx.ablation.statistics.paired import paired_t  # SciPy, which a run alone does not need

    fewer, more = sorted(by_rows)[-2:]
    gain = paired_t((by_rows[more] - by_rows[fewer]) * (1 if summary["rising"] else -1))
    if not np.isfinite(gain.low):
        return []
    words = f"from {fewer:,} to {more:,} training rows {metric} gets better by"
    size = lambda value: f"{value:.3g}"
    known = f"{words} {size(gain.mean)} [{size(gain.low)}, {size(gain.high)}]"
    if gain.low <= 0:
        return [f"{known}, which may be chance: more rows would hardly help"]
    return [f"{known}: more rows would help"]

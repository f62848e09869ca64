"""`dlx diagnose`: what went wrong in a run or in an ablation, and what to try next."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer

from dlx.cli.options import RUNS_DIR, DataDir, Json, RunOrAblation, RunsDir
from dlx.cli.output import emit, emit_findings, emit_json, emit_table, warn
from dlx.errors import FindingsError
from dlx.report.mistakes_table import mistakes_table


class Severity(StrEnum):
    """How severe a finding is."""

    high = "high"
    medium = "medium"
    low = "low"


def diagnose(
    run: RunOrAblation,
    fail_on: Annotated[
        Severity | None,
        typer.Option(help="Exit with 10 if a finding is as severe as this, or more."),
    ] = None,
    runs_dir: RunsDir = RUNS_DIR,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Say what went wrong in a run, and what to try next.

    Of a run, also the classes and the rows that it tells wrong, and rows whose labels are likely
    wrong. Of an ablation, what at least half of a variant's runs have. A name means the newest run
    of that name, and an ablation only if there is no run. The findings' names are explained in
    docs/diagnosis.md.

    \b
    Examples:
      dlx diagnose latest
      dlx diagnose runs/activation_depth/ID
      dlx diagnose latest --fail-on high
    """
    from dlx import api
    from dlx.training.finding import find

    directory = find(run, runs_dir, prefer="run")
    if directory.read_info()["kind"] == "ablation":
        ablation = api.Ablation(directory.path)
        by_variant = api.diagnose_ablation(ablation, data_dir)
        document: dict[str, Any] = {
            "ablation": str(directory.path),
            "variants": by_variant,
            "notes": api.more_data(ablation.summary),
        }
        findings = [finding for variant in by_variant for finding in variant["findings"]]
    else:
        document = {"run": str(directory.path)} | api.diagnose_run(
            api.load(directory.path), data_dir, rows=True
        )
        by_variant, findings = [], document["findings"]
    if as_json:
        emit_json(document)
    elif by_variant:
        for variant in by_variant:
            emit(f"{variant['variant']} ({variant['runs']} runs)")
            emit_findings(variant["findings"])
        for sentence in document["notes"]:
            emit(sentence)
    else:
        warn(document["notes"], "note")
        emit_findings(findings)
        _emit_mistakes(document)
    severities = [severity.value for severity in Severity]
    if fail_on is not None:
        failing = severities[: severities.index(fail_on.value) + 1]
        names = [finding["name"] for finding in findings if finding["severity"] in failing]
        if names:
            raise FindingsError(f"found in {directory.path}: {', '.join(dict.fromkeys(names))}")


def _emit_mistakes(document: Mapping[str, Any]) -> None:
    """Print the worst classes, the most confident mistakes and likely wrong labels as tables."""
    for key in ("worst_classes", "confident_mistakes", "wrong_labels"):
        if document[key]:
            headings, rows, right = mistakes_table(document[key])
            emit("")
            emit(f"{key.replace('_', ' ')}:")
            emit_table(headings, rows, right)

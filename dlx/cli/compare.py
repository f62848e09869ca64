"""`dlx compare`: runs and ablations in one table."""

from enum import StrEnum
from typing import Annotated

import typer

from dlx.cli.options import RUNS_DIR, Json, RunsDir
from dlx.cli.output import emit, emit_json, emit_table, note


class Sort(StrEnum):
    """What the rows are sorted by."""

    best = "best"
    variant = "variant"
    difference = "difference"
    p = "p"
    speed = "speed"


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Look at runs")(compare)


def compare(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH…",
            help="Runs, ablations (all their runs), one run of an ablation (ABLATION#NUMBER) or "
            "folders of runs; names (all runs of that name), ids or latest.",
            show_default=False,
        ),
    ],
    metric: Annotated[
        str | None,
        typer.Option(
            metavar="SPLIT.METRIC",
            help="The metric to compare.  [default: dev.accuracy, else dev.cost]",
            show_default=False,
        ),
    ] = None,
    sort: Annotated[Sort, typer.Option(help="What the rows are sorted by.")] = Sort.best,
    runs_dir: RunsDir = RUNS_DIR,
    as_json: Json = False,
) -> None:
    """Compare runs and ablations: means, differences, verdicts.

    Runs whose configs differ in the seed alone are one variant, whichever ablation they come from.
    The first variant is the baseline. Every other variant is compared with it, seed by seed.

    \b
    Examples:
      dlx compare xor
      dlx compare xor digits --metric dev.cost --sort speed
    """
    from dlx.report.ablation.verdict_table import verdicts
    from dlx.report.run_comparison import compare as summarized

    summary = summarized(paths, runs_dir, metric)
    for warning in summary["warnings"]:
        note(f"warning: {warning}")
    if as_json:
        emit_json(summary)
        return
    table = verdicts(summary, sort.value)
    emit_table(table.headings, table.rows, table.right)
    emit(f"(compared with {summary['baseline']}, in pairs of runs at the same seed)")

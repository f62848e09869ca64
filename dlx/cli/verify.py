"""`dlx verify`: train runs again and compare."""

from typing import Annotated

import typer

from dlx.cli.options import RUNS_DIR, DataDir, Json, Quiet, RunPath, RunsDir
from dlx.cli.output import emit, emit_json, emit_table, note, run_labels


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Use a trained run")(verify)


def verify(
    run: RunPath,
    runs: Annotated[
        int,
        typer.Option("--runs", metavar="N", min=1, help="How many runs of an ablation to train."),
    ] = 3,
    runs_dir: RunsDir = RUNS_DIR,
    data_dir: DataDir = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train runs again and check that the results are the same.

    RUN is a run, or an ablation, of which a few runs are trained again, each alone. Metrics and
    weights are compared bit for bit. On one CPU thread they are the same. On several threads, or on
    a GPU, sums are added up in another order, and small differences grow as training goes on.

    \b
    Examples:
      dlx verify latest
      dlx verify runs/activation_depth/ID --runs 5
    """
    from dlx import api

    def show(path: str) -> None:
        if not quiet:
            note(f"training {path} again")

    result = api.verify(run, runs, runs_dir=runs_dir, data_dir=data_dir, show=show)
    if as_json:
        emit_json(result)
        return
    verified = result["verified"]
    rows = [
        [
            label,
            comparison["status"],
            "yes" if comparison["identical"] else "no",
            "–" if comparison["weights"] is None else f"{comparison['weights']:.2g}",
            f"{comparison['metrics']:.2g}",
            str(comparison["missing"]),
            "never" if comparison["parted"] is None else f"step {comparison['parted']:,}",
        ]
        for label, comparison in zip(
            run_labels(comparison["run"] for comparison in verified), verified, strict=True
        )
    ]
    headings = ["run", "status", "identical", "weights differ by", "metrics differ by"]
    headings += ["lines missing", "differs from"]
    emit_table(headings, rows, "   rrrr")
    emit("(differences are the largest, relative to the size of what differs)")

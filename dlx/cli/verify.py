"""`dlx verify`."""

from typing import Annotated

import typer

from dlx.cli.options import RUNS_DIR, DataDir, Json, Quiet, RunPath, RunsDir
from dlx.cli.output import emit, emit_json, emit_table, note


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Use a trained run")(verify)


def verify(
    run: RunPath,
    runs: Annotated[
        int,
        typer.Option("--runs", metavar="N", min=1, help="Of an ablation: how many of its runs."),
    ] = 3,
    runs_dir: RunsDir = RUNS_DIR,
    data_dir: DataDir = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a run again, or runs of an ablation alone, and compare.

    Metrics and weights are compared bit for bit. On one CPU thread they are the same; on several,
    or on a GPU, sums are added up in another order, and small differences grow as training goes on.

    \b
    Examples:
      dlx verify latest
      dlx verify runs/activation_depth/ID --runs 5
    """
    from dlx import api

    def show(path: str) -> None:
        if not quiet:
            note(f"training {path} again")

    found = api.verify(run, runs, runs_dir=runs_dir, data_dir=data_dir, show=show)
    if as_json:
        emit_json(found)
        return
    rows = [
        [
            each["run"],
            each["status"],
            "yes" if each["identical"] else "no",
            "–" if each["weights"] is None else f"{each['weights']:.2g}",
            f"{each['metrics']:.2g}",
            str(each["missing"]),
            "never" if each["parted"] is None else f"step {each['parted']:,}",
        ]
        for each in found["verified"]
    ]
    headings = ["run", "status", "identical", "weights differ by", "metrics differ by"]
    headings += ["lines missing", "part at"]
    emit_table(headings, rows, "   rrrr")
    emit("(differences are the largest, relative to the size of what differs)")

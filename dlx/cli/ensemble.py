"""`dlx ensemble`: several trained runs and the ensemble they form."""

from typing import Annotated

import typer

from dlx.cli.options import RUNS_DIR, DataDir, Json, RunsDir
from dlx.cli.output import emit, emit_json, emit_table, run_labels
from dlx.cli.use import Metrics, Split
from dlx.report.numbers import format_metric


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Use a trained run")(ensemble)


def ensemble(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN",
            help="Two runs or more: folders, names (the newest run of each), ids; or one ablation.",
            show_default=False,
        ),
    ],
    variant: Annotated[
        str | None,
        typer.Option(
            "--variant",
            metavar="NAME",
            help="The variant of the ablation whose runs are the members; default: the variant "
            "that is best on dev.",
            show_default=False,
        ),
    ] = None,
    split: Annotated[Split, typer.Option("--split", help="The part of the data to measure on.")] = (
        Split.dev
    ),
    vote: Annotated[
        bool, typer.Option("--vote", help="Count the members' votes; do not average.")
    ] = False,
    metric: Metrics = None,
    runs_dir: RunsDir = RUNS_DIR,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Measure several trained runs, and the ensemble that they form.

    The ensemble's output is the mean of its members' probabilities (of numbers, of their
    predictions). Its gain is over the mean of the members' metrics; a positive gain means that the
    ensemble is better. The members may differ in everything but their data.

    \b
    Examples:
      dlx ensemble runs/digits/* --split test
      dlx ensemble runs/digits/* --vote --metric f1
      dlx ensemble runs/mnist_knobs/ID --variant dropout=0.3
    """
    from dlx import api, ensembles

    if variant is None and len(runs) > 1:
        members = [api.load(run, runs_dir=runs_dir) for run in runs]
    else:
        members = [member for run in runs for member in api.members(run, variant, runs_dir)]
    combine = "vote" if vote else "mean"
    result = ensembles.evaluate(members, split.value, combine, metric or (), data_dir)
    paths = [str(run.path) for run in members]
    if as_json:
        by_run = [
            {"run": path, "metrics": metrics}
            for path, metrics in zip(paths, result.members, strict=True)
        ]
        document = {"split": split, "combine": combine, "members": by_run, "mean": result.mean}
        emit_json(document | {"ensemble": result.together, "gain": result.gain})
        return
    lines = [*zip(run_labels(paths), result.members, strict=True), ("mean", result.mean)]
    lines += [("ensemble", result.together), ("gain", result.gain)]
    rows = [[name, *(format_metric(key, value) for key, value in m.items())] for name, m in lines]
    emit_table(["", *result.together], rows, " " + "r" * len(result.together))
    emit(f"(on the {split} rows)")

"""`dlx ensemble`: several runs asked together."""

from typing import Annotated

import typer

from dlx.cli.options import RUNS_DIR, DataDir, Json, RunsDir
from dlx.cli.output import emit, emit_json, emit_table
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
            help="Two runs or more: folders, names (the newest of each), ids; or one ablation.",
            show_default=False,
        ),
    ],
    variant: Annotated[
        str | None,
        typer.Option(
            "--variant",
            metavar="NAME",
            help="Of an ablation: whose runs; default: the variant that is best on dev.",
            show_default=False,
        ),
    ] = None,
    split: Annotated[Split, typer.Option("--split", help="The rows that they are judged on.")] = (
        Split.dev
    ),
    vote: Annotated[
        bool, typer.Option("--vote", help="Count votes in place of averaging probabilities.")
    ] = False,
    metric: Metrics = None,
    runs_dir: RunsDir = RUNS_DIR,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Measure several runs, each alone and all as an ensemble.

    Probabilities are averaged, or numbers; the gain is over the mean of the members, and positive
    where the ensemble is better. The runs may differ in everything but their data.

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
    found = ensembles.evaluate(members, split.value, combine, metric or (), data_dir)
    paths = [str(run.path) for run in members]
    if as_json:
        each = [{"run": p, "metrics": m} for p, m in zip(paths, found.members, strict=True)]
        result = {"split": split, "combine": combine, "members": each}
        emit_json(result | {"mean": found.mean, "ensemble": found.together, "gain": found.gain})
        return
    lines = [*zip(paths, found.members, strict=True), ("mean", found.mean)]
    lines += [("ensemble", found.together), ("gain", found.gain)]
    rows = [[name, *(format_metric(key, value) for key, value in m.items())] for name, m in lines]
    emit_table(["", *found.together], rows, " " + "r" * len(found.together))
    emit(f"(on the {split} rows)")

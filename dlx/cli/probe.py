"""`dlx probe`: what simple models learn from codes."""

from typing import Annotated

import typer

from dlx.cli.encoding import Layer
from dlx.cli.options import RUNS_DIR, DataDir, Json, Quiet, RunsDir
from dlx.cli.output import emit, emit_json, emit_table, note
from dlx.cli.use import Split


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Use a trained run")(probe)


def probe(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN",
            help="One or more runs of the same data: folders, names (the newest run of each), ids.",
            show_default=False,
        ),
    ],
    split: Annotated[
        Split, typer.Option("--split", help="The part of the data to measure on.")
    ] = Split.dev,
    labels: Annotated[
        int | None,
        typer.Option(
            "--labels",
            metavar="N",
            help="The number of labelled training rows; default: 1,000, or half of the training "
            "rows where they are fewer than 2,000.",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[
        int,
        typer.Option("--seeds", metavar="N", help="How many times the labelled rows are drawn."),
    ] = 10,
    layer: Layer = None,
    runs_dir: RunsDir = RUNS_DIR,
    data_dir: DataDir = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure what simple models learn from codes and a few labels.

    The models are logistic regression and 5 nearest neighbors; where the targets are numbers, ridge
    regression and 5 nearest neighbors. Each learns from the codes, from the inputs as the network
    sees them, and from as many principal components of the inputs as the code has numbers. Every
    seed draws other labelled rows, the same rows for all features and runs. So differences are
    paired; their intervals are at 95 %.

    \b
    Examples:
      dlx probe autoencoder --labels 300
      dlx probe autoencoder digits --split test --seeds 5
    """
    from dlx import api
    from dlx.report.probe_table import table

    result = api.probe(
        [api.load(run, runs_dir=runs_dir) for run in runs],
        split=split.value,
        labels=labels,
        seeds=seeds,
        layer=layer,
        data_dir=data_dir,
        show=(lambda text: None) if quiet else note,
    )
    document = result.document()
    if as_json:
        emit_json(document)
        return
    headings, rows = table(document)
    right = "".join(
        "r" if name == "width" or name.endswith(result.metric) else " " for name in headings
    )
    emit_table(headings, rows, right)
    draws = f"mean of {result.seeds} draws" if result.seeds > 1 else "one draw, without interval,"
    emit(
        f"(on {result.num_test:,} {split} rows; {draws} of {result.labels:,} labelled rows out of "
        f"{result.num_train:,} training rows)"
    )

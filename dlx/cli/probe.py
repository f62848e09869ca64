"""`dlx probe`: what codes are worth."""

from typing import Annotated

import typer

from dlx.cli.codes import Layer
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
            help="Runs of the same data: folders, names (the newest of each), ids.",
            show_default=False,
        ),
    ],
    split: Annotated[
        Split, typer.Option("--split", help="The rows that the probes are judged on.")
    ] = Split.dev,
    labels: Annotated[
        int | None,
        typer.Option(
            "--labels",
            metavar="N",
            help="Training rows with labels; default: 1,000, or half of fewer than 2,000.",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option("--seeds", metavar="N", help="How often the labelled rows are drawn.")
    ] = 10,
    layer: Layer = None,
    runs_dir: RunsDir = RUNS_DIR,
    data_dir: DataDir = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure what simple models learn from codes and a few labels.

    Logistic regression and 5 nearest neighbors learn the classes of a few training rows (of
    numbers, ridge regression and neighbors the values) from the codes, from the inputs as the
    network sees them, and from as many principal components of the inputs as the code has numbers.
    Labelled rows are drawn anew for each seed, the same ones for all features and runs: differences
    are paired, with 95 % intervals.

    \b
    Examples:
      dlx probe autoencoder --labels 300
      dlx probe autoencoder digits --split test --seeds 5
    """
    from dlx import api
    from dlx.report.probe_table import table

    found = api.probe(
        [api.load(run, runs_dir=runs_dir) for run in runs],
        split=split.value,
        labels=labels,
        seeds=seeds,
        layer=layer,
        data_dir=data_dir,
        show=(lambda text: None) if quiet else note,
    )
    document = found.document()
    if as_json:
        emit_json(document)
        return
    headings, rows = table(document)
    right = "".join(
        "r" if name == "width" or name.endswith(found.metric) else " " for name in headings
    )
    emit_table(headings, rows, right)
    draws = f"mean of {found.seeds} draws" if found.seeds > 1 else "one draw, without an interval,"
    emit(
        f"(on {found.num_test:,} {split} rows; {draws} of {found.labels:,} labelled rows out of "
        f"{found.num_train:,} training rows)"
    )

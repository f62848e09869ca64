"""`dlx figures`: the figures of a trained run."""

from pathlib import Path
from typing import Annotated

import typer

from dlx.cli.options import RUNS_DIR, DataDir, Json, RunPath, RunsDir
from dlx.cli.output import emit, emit_json, note


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Use a trained run")(figures)


def figures(
    run: RunPath,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="The folder to write to; default: figures in the run's folder.",
            show_default=False,
        ),
    ] = None,
    runs_dir: RunsDir = RUNS_DIR,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Draw the figures of a trained run as PNG files.

    Autoencoders and RBMs: reconstructions, filters, codes, the error of each class, and what each
    unit of the code changes. Other networks: confusion matrices, the filters of the first layer
    and, with two inputs, the regions of each decision. A run of an ablation has no figures until
    this command draws them.

    \b
    Examples:
      dlx figures autoencoder
      dlx figures digits --output pictures
    """
    from dlx import api

    trained = api.load(run, runs_dir=runs_dir)
    files = api.figures(trained, folder=output, data_dir=data_dir)
    if as_json:
        emit_json({"run": str(trained.path), "figures": [str(path) for path in files]})
    elif files:
        emit("\n".join(map(str, files)))
    else:
        note("nothing to draw: the run predicts numbers from more than two inputs")

"""`dlx figures`: the pictures of a trained run."""

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
            help="Where to write; default: figures in the run's folder.",
            show_default=False,
        ),
    ] = None,
    runs_dir: RunsDir = RUNS_DIR,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Draw a trained run, as PNG files.

    Of an autoencoder or an RBM: reconstructions, filters, codes, the error of each class, what each
    unit of the code does; of other networks confusion matrices, what the first layer looks for,
    the decisions on two inputs. Runs of an ablation have their pictures drawn so.

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
        note("nothing to draw: the run predicts numbers, of more than two inputs")

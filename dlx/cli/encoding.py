"""`dlx encode`, `dlx decode` and `dlx sample`: inputs to codes, codes to outputs, new rows."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlx import texts
from dlx.cli.options import RUNS_DIR, DataDir, Json, RunPath, RunsDir, output_option, picture_option
from dlx.cli.output import emit_csv, emit_json, save_file, warn
from dlx.cli.use import Inputs, OneSplit
from dlx.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

    from dlx.api import Run
    from dlx.report.predictions import Predictions

Layer = Annotated[
    str | None,
    typer.Option(
        "--layer",
        metavar="NAME",
        help="The layer whose outputs are the codes; default: the code of an autoencoder, the last "
        "hidden layer of any other network.",
    ),
]
Output = Annotated[
    Path | None, output_option("The .csv or .npz file to write; default: CSV on stdout.")
]
Picture = Annotated[
    Path | None,
    picture_option("Draw the first 100 images side by side in a PNG file.", "--picture"),
]


def encode(
    run: RunPath,
    inputs: Inputs = None,
    split: OneSplit = None,
    layer: Layer = None,
    output: Output = None,
    runs_dir: RunsDir = RUNS_DIR,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Compute the codes of inputs: the outputs of one layer.

    The inputs are the rows of a file or, with --split, of a part of the run's own data. The CSV
    columns are code_1, code_2, …, one for each unit of the layer, beside the row's number and id as
    in `dlx predict`; with --split also the target. An .npz file holds the array `codes`, (rows,
    units), and the other columns by name.

    \b
    Examples:
      dlx encode autoencoder --split dev --output codes.npz
      dlx encode iris flowers.csv
      dlx encode mnist --split test --layer 1 -o hidden.csv
    """
    from dlx import api

    if (inputs is None) == (split is None):
        raise ConfigError("encode takes either a file of inputs or --split; give one of them")
    _check_suffix(output)
    trained = api.load(run, runs_dir=runs_dir)
    if inputs is not None:
        codes = trained.encode_file(inputs, layer)
    else:
        assert split is not None
        codes = trained.encode_split(str(split), layer, data_dir)
    warn(codes.notes, "note")
    warn(codes.warnings)
    if output is not None:
        is_array = output.suffix.lower() == ".npz"
        content = codes.npz() if is_array else texts.encoded(codes.table().csv())
        read = trained.files_read(inputs)
        save_file(output, content, f"{len(codes.values):,} codes", read)
    if as_json:
        records = codes.table().records()
        emit_json({"run": str(trained.path), "layer": codes.layer, "codes": records})
    elif output is None:
        emit_csv(codes.table().csv())


def decode(
    run: RunPath,
    codes: Annotated[
        Path,
        typer.Argument(
            metavar="CODES", help="A .csv, .npz or .npy file of codes, as `dlx encode` writes them."
        ),
    ],
    layer: Layer = None,
    output: Output = None,
    picture: Picture = None,
    runs_dir: RunsDir = RUNS_DIR,
    as_json: Json = False,
) -> None:
    """Compute the outputs of a network from codes.

    The outputs of an autoencoder are reconstructions, in the data's own units. The CSV columns are
    those of `dlx predict`. An .npz file holds reconstructions as `inputs`, in the shape that the
    network takes, so that `dlx predict` and `dlx encode` read the file; it holds other outputs as
    `outputs`.

    \b
    Examples:
      dlx decode autoencoder codes.npz --picture reconstructions.png -o reconstructions.npz
      dlx decode autoencoder codes.npz --json
    """
    from dlx import api

    _check_suffix(output)
    trained = api.load(run, runs_dir=runs_dir)
    outputs = trained.decode_file(codes, layer)
    table = lambda: trained.tabulate(outputs)
    _write_outputs(trained, outputs, table, output, picture, trained.files_read(codes))
    if as_json:
        emit_json({"run": str(trained.path), "predictions": table().records()})
    elif output is None and picture is None:
        emit_csv(table().csv())


def sample(
    run: RunPath,
    number: Annotated[
        int, typer.Option("--number", "-n", metavar="N", help="The number of rows.")
    ] = 64,
    seed: Annotated[int, typer.Option(metavar="N", help="The seed of the draws.")] = 0,
    steps: Annotated[
        int | None,
        typer.Option(metavar="N", help="The steps of an RBM's Gibbs sampling; default: 1,000."),
    ] = None,
    output: Output = None,
    picture: Picture = None,
    runs_dir: RunsDir = RUNS_DIR,
    as_json: Json = False,
) -> None:
    """Draw new rows from a variational autoencoder or an RBM.

    A variational autoencoder decodes codes drawn from the standard normal distribution. An RBM
    starts from its biases alone and takes Gibbs steps; the rows are the means of the visible units
    at the last step. Rows are in the data's own units, under the names of the inputs. An .npz file
    holds `inputs`, in the shape that the network takes.

    \b
    Examples:
      dlx sample rbm -n 100 --picture samples.png
      dlx sample rbm -n 16 --seed 1 --steps 5000 -o samples.npz
    """
    from dlx import api

    _check_suffix(output)
    trained = api.load(run, runs_dir=runs_dir)
    rows = trained.sample(number, seed=seed, steps=steps)
    table = lambda: trained.table_of_rows(rows)
    _write_outputs(trained, rows, table, output, picture, trained.files_read(None))
    if as_json:
        emit_json({"run": str(trained.path), "seed": seed, "samples": table().records()})
    elif output is None and picture is None:
        emit_csv(table().csv())


def _write_outputs(
    run: "Run",
    outputs: "np.ndarray",
    table: "Callable[[], Predictions]",
    output: Path | None,
    picture: Path | None,
    read: list[Path],
) -> None:
    if picture is not None:
        save_file(picture, run.draw(outputs), "images", read)
    if output is not None:
        is_array = output.suffix.lower() == ".npz"
        content = run.archive(outputs) if is_array else texts.encoded(table().csv())
        save_file(output, content, f"{len(outputs):,} rows", read)


def _check_suffix(output: Path | None) -> None:
    if output is not None and output.suffix.lower() not in (".csv", ".npz"):
        raise ConfigError(f"--output: received {output}; write to a .csv or an .npz file")

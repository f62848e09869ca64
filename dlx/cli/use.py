"""`dlx evaluate`, `dlx predict` and `dlx export`: commands that use a trained run."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dlx.cli.options import RUNS_DIR, DataDir, Json, RunPath, RunsDir
from dlx.cli.output import emit, emit_json, emit_result, note
from dlx.errors import ConfigError


class Split(StrEnum):
    """A part of the data."""

    train = "train"
    train_dev = "train_dev"
    dev = "dev"
    test = "test"


class Form(StrEnum):
    """What a network can be exported to."""

    torch = "torch"
    onnx = "onnx"


Inputs = Annotated[
    Path | None,
    typer.Argument(
        metavar="INPUT",
        help="A file of inputs: .csv, .parquet, .npy, .npz, .png or .jpg.",
        show_default=False,
    ),
]
OneSplit = Annotated[
    Split | None,
    typer.Option("--split", help="The rows to take.", show_default=False),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="PATH", help="Where to write.", show_default=False),
]


Picture = Annotated[
    Path | None,
    typer.Option(
        "--picture",
        metavar="FILE",
        help="Draw the first 100 images, and what is predicted of each, in a PNG file.",
        show_default=False,
    ),
]
Metrics = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        help="What to compute, once per metric; default: what the run logs, or its task's.",
        show_default=False,
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (evaluate, predict, export):
        app.command(rich_help_panel="Use a trained run")(command)


def evaluate(
    run: RunPath,
    split: OneSplit = None,
    metric: Metrics = None,
    importance: Annotated[
        bool,
        typer.Option(
            "--importance",
            help="Permutation importance of every column, on the test rows or those of --split, "
            "by the first --metric.",
        ),
    ] = False,
    repeats: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Permutations of each column for --importance; default: 30.",
            show_default=False,
        ),
    ] = None,
    runs_dir: RunsDir = RUNS_DIR,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Compute the metrics of a run's saved weights, on all rows.

    `dlx list metrics` names them. --importance adds which columns the network uses: the drop of
    the metric when a column's values are permuted among the rows, its mean over the repeats and
    the mean's 95 % confidence interval. Columns that tell the same share their importance. Of a run
    that reconstructs data with classes, the squared error of each class's rows is found too.

    \b
    Examples:
      dlx evaluate mnist --split test
      dlx evaluate iris --metric f1 --metric "{name: top_k, k: 2}"
      dlx evaluate iris --importance --repeats 100
    """
    from dlx import api

    if repeats is not None and not importance:
        raise ConfigError("--repeats is for --importance; add it, or leave out --repeats")
    trained = api.load(run, runs_dir=runs_dir)
    metrics = metric or []
    labelled = trained.labelled_splits(data_dir)
    data = trained.splits(labelled=labelled)
    part = split and split.value
    found, constant = trained.evaluate_beside_baseline(split=part, metrics=metrics, splits=data)
    result = trained.result() | {"metrics": found, "baseline": constant}
    by_class = trained.error_per_class(split=part, labelled=labelled)
    if by_class:
        result["per_class"] = by_class
    if importance:
        rows, first = (split or Split.test).value, metrics[0] if metrics else None
        repeats = 30 if repeats is None else repeats
        found = trained.importance(rows, repeats, first, splits=data)
        result["importance"] = {"split": rows, **found.document()}
    emit_json(result) if as_json else emit_result(result)


def predict(
    run: RunPath,
    inputs: Inputs = None,
    split: OneSplit = None,
    output: Output = None,
    picture: Picture = None,
    runs_dir: RunsDir = RUNS_DIR,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Write what a run says of a file, or of its own data, as CSV.

    Columns: predicted, and the probability p(CLASS) of every class; for labels that may hold
    together predicted(LABEL), 0 or 1, and p(LABEL); with --split also the row, the inputs where
    they have names, and the target. A table's columns are matched by name, and the row (as a
    spreadsheet counts it) and the id are kept. An input that is called like another column is
    written as input(NAME). --picture draws images over their reconstructions, or over their class
    and its probability, in red where the target is another.

    \b
    Examples:
      dlx predict iris flowers.csv --output classes.csv
      dlx predict xor --split test
      dlx predict digits --split dev --picture digits.png
    """
    from dlx import api
    from dlx.runs import write_atomic

    if (inputs is None) == (split is None):
        raise ConfigError("predict takes either a file of inputs or --split; give one of them")
    trained = api.load(run, runs_dir=runs_dir)
    if inputs is not None:
        predictions = trained.predict_file(inputs)
    else:
        assert split is not None
        predictions = trained.predict_split(split.value, data_dir)
    for warning in predictions.warnings:
        note(f"warning: {warning}")
    if picture is not None:
        write_atomic(picture, trained.draw_predictions(predictions))
        note(f"images written to {picture}")
    if output is not None:
        write_atomic(output, predictions.csv().encode())
        note(f"{len(predictions.rows):,} rows written to {output}")
    if as_json:
        emit_json({"run": str(trained.path), "predictions": predictions.records()})
    elif output is None and picture is None:
        emit(predictions.csv())


def export(
    run: RunPath,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="The folder to write to; default: export in the run's own folder.",
            show_default=False,
        ),
    ] = None,
    form: Annotated[
        Form, typer.Option("--format", help="torch: weights and a script; or onnx.")
    ] = Form.torch,
    runs_dir: RunsDir = RUNS_DIR,
    as_json: Json = False,
) -> None:
    """Write a run's network as files that need no dlx.

    torch: weights.safetensors and load.py, which rebuilds the network as a torch.nn.Sequential and
    needs only torch and safetensors. onnx: network.onnx, preprocessing included. A table's columns
    and categories lie beside it in table.json; load.py predicts from a CSV file too.

    \b
    Example:
      dlx export mnist --output digits-reader && python digits-reader/load.py
    """
    from dlx import api

    trained = api.load(run, runs_dir=runs_dir)
    paths = trained.export(output or trained.path / "export", form.value)
    if as_json:
        emit_json({"run": str(trained.path), "format": form, "files": [str(p) for p in paths]})
    else:
        emit("\n".join(str(path) for path in paths))

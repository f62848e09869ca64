"""`dlx evaluate`, `predict`, `export`, `figures` and `verify`: use a trained run."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlx import texts
from dlx.cli.options import (
    RUNS_DIR,
    DataDir,
    Encoding,
    Header,
    Json,
    Quiet,
    RunOrAblation,
    RunPath,
    RunsDir,
    Separator,
    layout_options,
    output_option,
    picture_option,
)
from dlx.cli.output import (
    emit,
    emit_csv,
    emit_json,
    emit_result,
    emit_table,
    note,
    run_labels,
    save_file,
    warn,
)
from dlx.errors import ConfigError, DifferenceError, RunError

if TYPE_CHECKING:
    from dlx.api import Run

Split = StrEnum("Split", "train train_dev stop dev test")
Form = StrEnum("Form", "torch onnx")  # what a network can be exported as
FigureForm = StrEnum("FigureForm", "png pdf")
Inputs = Annotated[
    Path | None,
    typer.Argument(
        metavar="INPUT",
        help="A file of inputs, .csv, .parquet, .npy or .npz, an image, or a folder of images.",
    ),
]
Labelled = Annotated[
    Path | None,
    typer.Argument(
        metavar="INPUT",
        help="New rows with their targets: a .csv, .parquet or .npz file, or a folder of classes "
        "with images, whichever the run was trained on; default: the run's own data.",
    ),
]
OneSplit = Annotated[
    Split | None, typer.Option("--split", help="The part of the run's own data to use.")
]
MeasuredSplit = Annotated[
    Split, typer.Option("--split", help="The part of the data to measure on.")
]
Output = Annotated[Path | None, output_option("The CSV file to write; default: CSV on stdout.")]
Picture = Annotated[
    Path | None,
    picture_option("Draw the first 100 images with their predictions in a PNG file.", "--picture"),
]
Metrics = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        metavar="NAME",
        help="A metric to compute; may be repeated; default: the metrics that the run logs.",
    ),
]


def _load(run: str, runs_dir: Path) -> "Run":
    """Return the run that a name means, and say which one it is."""
    from dlx import api
    from dlx.training.finding import which

    trained = api.load(run, runs_dir=runs_dir)
    note(f"run: {which(run, trained.directory)}")
    return trained


def evaluate(
    run: RunPath,
    inputs: Labelled = None,
    split: OneSplit = None,
    metric: Metrics = None,
    importance: Annotated[
        bool,
        typer.Option(
            "--importance",
            help="Also compute how important each input column is to the first --metric, on the "
            "test rows or those of --split.",
        ),
    ] = False,
    repeats: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="How many times --importance permutes each column; default: 30."
        ),
    ] = None,
    separator: Separator = None,
    encoding: Encoding = None,
    header: Header = None,
    runs_dir: RunsDir = RUNS_DIR,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Compute the metrics of a trained run on all its rows.

    With INPUT they are computed on the rows of a new file, which holds their targets too.

    `dlx list metrics` names the metrics. Without --metric they are those that the run logs, and
    precision, recall and f1 of classes, or rmse, mae and mape (in percent) of numbers. The last
    table shows every class of the test rows, of those of --split, or of the new ones.

    --importance computes the permutation importance of every column: how much the metric drops when
    the column's values are permuted among the rows, as a mean over the repeats with its 95 %
    confidence interval. Columns that tell the network the same share their importance.
    Autoencoders of data with classes: the error of each class is computed too.

    \b
    Examples:
      dlx evaluate mnist --split test
      dlx evaluate prices sold.csv
      dlx evaluate iris --metric f1 --metric "{name: top_k, k: 2}"
      dlx evaluate iris --importance --repeats 100
    """
    if repeats is not None and not importance:
        raise ConfigError("--repeats is for --importance; add it, or leave out --repeats")
    if inputs is not None and (split or importance):
        option = "--split" if split else "--importance"
        raise ConfigError(f"{option} is for the run's own data; leave it or the file out")
    trained = _load(run, runs_dir)
    names, part = metric or [], split and str(split)
    if inputs is not None:
        layout = layout_options(separator, encoding, header)
        new = trained.evaluate_file(inputs, names, usual=not names, layout=layout)
        warn(new.notes, "note")
        warn(new.warnings)
        result = trained.result() | {"metrics": new.metrics, "baseline": new.baseline}
        result |= {"input": new.path, "rows": {"new": new.rows}}
        by_class = new.class_scores
    else:
        labelled = trained.labelled_splits(data_dir)
        splits = trained.splits(labelled=labelled)
        metrics, baseline = trained.evaluate_beside_baseline(
            split=part, metrics=names, splits=splits, usual=not names
        )
        result = trained.result() | {"metrics": metrics, "baseline": baseline}
        parts = splits.parts if part is None else {part: splits.part(part)}
        by_class = trained.error_per_class(split=part, labelled=labelled)
        by_class = by_class or trained.class_scores(parts)
        if importance:
            rows, first = str(split or Split.test), names[0] if names else None
            repeats = 30 if repeats is None else repeats
            columns = trained.importance(rows, repeats, first, splits=splits)
            result["importance"] = {"split": rows, **columns.document()}
    if by_class:
        result["per_class"] = by_class
    emit_json(result) if as_json else emit_result(result)


def predict(
    run: RunPath,
    inputs: Inputs = None,
    split: OneSplit = None,
    output: Output = None,
    picture: Picture = None,
    separator: Separator = None,
    encoding: Encoding = None,
    header: Header = None,
    runs_dir: RunsDir = RUNS_DIR,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show what a trained network predicts for a file.

    With --split the rows are a part of the run's own data. The CSV columns are `predicted` and the
    probability p(CLASS) of every class. For labels that may occur together they are
    predicted(LABEL), 0 or 1, and p(LABEL). --split adds the row's number, the inputs where they
    have names, and the target. The columns of a table are matched by name; its row numbers, as a
    spreadsheet counts them, and its ids are kept. An input with the name of another column is
    written as input(NAME).

    --picture draws images above their reconstructions or predicted classes, with the class's
    probability, in red where the prediction is wrong.

    \b
    Examples:
      dlx predict iris flowers.csv --output classes.csv
      dlx predict xor --split test
      dlx predict digits --split dev --picture digits.png
    """
    if (inputs is None) == (split is None):
        raise ConfigError("predict takes either a file of inputs or --split; give one of them")
    trained = _load(run, runs_dir)
    if inputs is not None:
        predictions = trained.predict_file(inputs, layout_options(separator, encoding, header))
    else:
        assert split is not None
        predictions = trained.predict_split(str(split), data_dir)
    warn(predictions.notes, "note")
    warn(predictions.warnings)
    read = trained.files_read(inputs)
    if picture is not None:
        save_file(picture, trained.draw_predictions(predictions), "images", read)
    if output is not None:
        rows = f"{len(predictions.rows):,} rows"
        save_file(output, texts.encoded(predictions.csv()), rows, read)
    if as_json:
        emit_json({"run": str(trained.path), "predictions": predictions.records()})
    elif output is None and picture is None:
        emit_csv(predictions.csv())


def export(
    run: RunPath,
    output: Annotated[
        Path | None,
        output_option("The folder to write to; default: export in the run's folder.", "DIR"),
    ] = None,
    form: Annotated[
        Form, typer.Option("--format", help="torch: weights and a script; onnx: one ONNX file.")
    ] = Form.torch,
    runs_dir: RunsDir = RUNS_DIR,
    as_json: Json = False,
) -> None:
    """Save a trained network as files that need no dlx.

    torch: weights.safetensors and load.py, which rebuilds the network as a torch.nn.Sequential and
    needs only torch and safetensors. onnx: network.onnx, with the preprocessing. Of a network that
    was trained on a table, table.json holds columns and categories, and load.py predicts from CSV
    files too.

    \b
    Example:
      dlx export mnist --output digits-reader && python digits-reader/load.py
    """
    trained = _load(run, runs_dir)
    paths = trained.export(output or trained.path / "export", str(form))
    if as_json:
        emit_json({"run": str(trained.path), "format": form, "files": [str(p) for p in paths]})
    else:
        emit("\n".join(str(path) for path in paths))


def figures(
    run: RunOrAblation,
    form: Annotated[
        FigureForm, typer.Option("--format", help="Of the files; pdf for papers.")
    ] = FigureForm.png,
    output: Annotated[
        Path | None,
        output_option("The folder to write to; default: figures in the run's folder.", "FOLDER"),
    ] = None,
    runs_dir: RunsDir = RUNS_DIR,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Draw the figures of a run, or of an ablation, as files.

    Autoencoders and RBMs: reconstructions, filters, codes, the error of each class, and what each
    unit of the code changes. Other networks: confusion matrices, the filters of the first layer
    and, with two inputs, the regions of each decision. A run of an ablation has no figures until
    this command draws them.

    \b
    Examples:
      dlx figures autoencoder
      dlx figures digits --output pictures --format pdf
    """
    from dlx import api
    from dlx.training.finding import find

    directory = find(run, runs_dir, prefer="run")
    path, kind = directory.path, directory.read_info()["kind"]
    options: Any = {"folder": output, "data_dir": data_dir, "form": form.value}
    if kind == "ablation":
        files = api.ablation_figures(api.Ablation(path), **options)
    else:
        files = api.figures(api.load(path), **options)
    if as_json:
        emit_json({kind: str(path), "figures": [str(path) for path in files]})
    elif files:
        emit("\n".join(map(str, files)))
    else:
        note("nothing to draw: the run predicts numbers from more than two inputs")


def report(
    run: RunOrAblation,
    runs_dir: RunsDir = RUNS_DIR,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Write a page of a run, report.html in its folder.

    The page needs no other file. It has what stands out and what to try, curves, metrics, signals
    by depth, the confusion matrix, worst classes, the most confident mistakes, likely wrong labels,
    calibration and the config. An ablation or a search wrote its report when it ended; the command
    says where.

    \b
    Examples:
      dlx report latest
      dlx report runs/activation_depth/ID
    """
    from dlx import api
    from dlx.training.finding import find

    directory = find(run, runs_dir, prefer="run")
    path, kind = directory.path, directory.read_info()["kind"]
    if kind != "run":
        page = path / "report.html"
        if not page.exists():
            cure = directory.how_it_goes_on()
            raise RunError(f"{path} has no report, since it has not ended; {cure}")
    else:
        page = api.report(api.load(path), data_dir)
    emit_json({kind: str(path), "report": str(page)}) if as_json else emit(str(page))


def verify(
    run: RunPath,
    runs: Annotated[
        int, typer.Option(metavar="N", min=1, help="How many runs of an ablation to train.")
    ] = 3,
    runs_dir: RunsDir = RUNS_DIR,
    data_dir: DataDir = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train runs again and check that the results are the same.

    RUN is a run, or an ablation or a search, of which a few runs are trained again, each alone; a
    name means the newest run of that name, and an ablation only if there is no run. Metrics and
    weights are compared bit for bit; the exit code is 11 if anything differs. On one CPU thread
    they are the same. On several threads, or on a GPU, sums are added up in another order, and
    small differences grow as training goes on.

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
    verified = result["verified"]
    emit_json(result) if as_json else _emit_verified(verified)
    if different := [comparison["run"] for comparison in verified if not comparison["identical"]]:
        raise DifferenceError(
            f"{', '.join(different)}: trained again, something else came out; threads, processor "
            "or versions may be others than those in run.json, or a file was changed"
        )


def _emit_verified(verified: list[dict[str, Any]]) -> None:
    labels = run_labels(comparison["run"] for comparison in verified)
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
        for label, comparison in zip(labels, verified, strict=True)
    ]
    headings = ["run", "status", "identical", "weights differ by", "metrics differ by"]
    headings += ["lines missing", "differs from"]
    emit_table(headings, rows, "   rrrr")
    emit("(differences are the largest, relative to the size of what differs)")

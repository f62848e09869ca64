"""`dlx data`: list, show and download data sets."""

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlx.cli.options import DataDir, Json, picture_option
from dlx.cli.output import emit, emit_json, emit_table, save_picture, warn

if TYPE_CHECKING:
    from dlx.data.dataset import Dataset

data_app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="List, show and download data sets."
)
_NUM_DRAWN = 8  # images that the terminal shows

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the data set.")]


@data_app.command("list")
def list_sets(as_json: Json = False) -> None:
    """List the data sets."""
    from dlx.data.fetch import NAMES
    from dlx.registry import get, names

    sources = [
        {"name": name, "summary": get("data", name).summary, "needs_fetch": name in NAMES}
        for name in names("data")
    ]
    if as_json:
        emit_json({"data": sources})
    else:
        emit_table(["name", ""], [[source["name"], source["summary"]] for source in sources])


@data_app.command()
def show(
    name: Name,
    options: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Options of the data set, such as noise=0.3."),
    ] = None,
    data_dir: DataDir = None,
    output: Annotated[
        Path | None, picture_option("Draw images of the data set in a PNG file.", "--output", "-o")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show a data set's size, ranges, class counts and some images.

    \b
    Examples:
      dlx data show digits --output digits.png
      dlx data show moons noise=0.3
    """
    from dlx.config.load import data_choice
    from dlx.data import default_directory
    from dlx.data.describe import describe, picture
    from dlx.data.pipeline import load_chosen

    choice = data_choice(name, options or [])
    dataset = load_chosen(choice, data_dir or default_directory())
    description = describe(dataset)
    warn(dataset.notes, "note")
    warn(dataset.warnings)
    if output is not None:
        save_picture(picture(dataset), output)
    emit_json(description) if as_json else _emit_description(description, dataset)


@data_app.command()
def fetch(name: Name, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Download a data set, unless it was downloaded before.

    No other command downloads anything.

    \b
    Example:
      dlx data fetch mnist
    """
    from dlx.data import default_directory
    from dlx.data.fetch import fetch as download

    folder = data_dir or default_directory()
    with contextlib.redirect_stdout(sys.stderr):  # downloads print their progress
        dataset = download(name, folder)
    rows = len(dataset.inputs)
    if as_json:
        emit_json({"name": name, "folder": str(folder), "rows": rows})
    else:
        emit(f"{name}: {rows:,} rows in {folder}; `dlx data show {name}` describes it")


def _emit_description(description: dict[str, Any], dataset: "Dataset") -> None:
    from dlx.report.thumbnails import draw

    emit(f"{description['name']}: {description['description']}")
    test_rows = description["test_rows"]
    test_part = f", {test_rows:,} of them its own test part" if test_rows else ""
    shape = " × ".join(map(str, description["input_shape"]))
    emit(f"{description['task']}, {description['rows']:,} rows{test_part}; inputs of shape {shape}")
    targets = enumerate(description["targets"] or [], 1)
    columns = {
        "all inputs": description["inputs"],
        **(description["features"] or {}),
        **{f"target {number}": statistics for number, statistics in targets},
    }
    rows = [
        [name, *(f"{value:.4g}" for value in statistics.values())]
        for name, statistics in columns.items()
    ]
    emit("")
    emit_table(["", *description["inputs"]], rows, " rrrr")
    if description["classes"]:
        rows = [
            [name, *(f"{count:,}" for count in counts.values())]
            for name, counts in description["classes"].items()
        ]
        emit("")
        emit_table(["class", "rows", "of test part"], rows, " rr")
    if len(dataset.inputs.shape) > 2:
        emit("\n" + draw(list(dataset.inputs[:_NUM_DRAWN])))

"""`dlx data`: list, show and download data sets."""

import contextlib
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlx.cli.options import DataDir, Json
from dlx.cli.output import emit, emit_json, emit_table, note

if TYPE_CHECKING:
    from dlx.data.dataset import Dataset

_data = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="List, show and download data sets."
)
_FEW = 8  # images that are drawn on a terminal

Name = Annotated[str, typer.Argument(metavar="NAME", help="The data set.", show_default=False)]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(_data, name="data", rich_help_panel="Look things up")


@_data.command("list")
def list_sets(as_json: Json = False) -> None:
    """List the data sets."""
    from dlx.data.fetch import NAMES
    from dlx.registry import get, names

    sets = [
        {"name": name, "summary": get("data", name).summary, "needs_fetch": name in NAMES}
        for name in names("data")
    ]
    if as_json:
        emit_json({"data": sets})
    else:
        emit_table(["name", ""], [[entry["name"], entry["summary"]] for entry in sets])


@_data.command()
def show(
    name: Name,
    options: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE", help="Options of the data set, as in YAML.", show_default=False
        ),
    ] = None,
    data_dir: DataDir = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="PNG", help="Save a picture of images.", show_default=False
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print a data set's sizes, ranges and class counts, and draw images.

    \b
    Examples:
      dlx data show digits --output digits.png
      dlx data show moons noise=0.3
    """
    from dlx.config.load import data_choice
    from dlx.data import default_directory
    from dlx.data.describe import describe
    from dlx.data.pipeline import load_chosen

    chosen = data_choice(name, options or [])
    dataset = load_chosen(chosen, data_dir or default_directory())
    facts = describe(dataset)
    if output is not None:
        _save_picture(dataset, output)
        note(f"picture written to {output}")
    emit_json(facts) if as_json else _emit_description(facts, dataset)


@_data.command()
def fetch(name: Name, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Download a data set; no other command downloads anything.

    \b
    Example:
      dlx data fetch mnist
    """
    from dlx.data import default_directory
    from dlx.data.fetch import fetch as download

    folder = data_dir or default_directory()
    with contextlib.redirect_stdout(sys.stderr):  # where downloads show their progress
        dataset = download(name, folder)
    rows = len(dataset.inputs)
    if as_json:
        emit_json({"name": name, "folder": str(folder), "rows": rows})
    else:
        emit(f"{name} is ready: {rows:,} rows; `dlx data show {name}` shows it")


def _emit_description(facts: dict[str, Any], dataset: "Dataset") -> None:
    from dlx.report.thumbnails import draw

    emit(f"{facts['name']}: {facts['description']}")
    own_test = f", {facts['test_rows']:,} of them its own test part" if facts["test_rows"] else ""
    shape = " × ".join(map(str, facts["input_shape"]))
    emit(f"{facts['task']}, {facts['rows']:,} rows{own_test}; inputs of shape {shape}")
    columns = {"all inputs": facts["inputs"], **(facts["features"] or {})}
    columns |= {f"target {i}": values for i, values in enumerate(facts["targets"] or [], 1)}
    rows = [[name, *(f"{v:.4g}" for v in values.values())] for name, values in columns.items()]
    emit("")
    emit_table(["", *facts["inputs"]], rows, " rrrr")
    if facts["classes"]:
        counts = [[n, *(f"{count:,}" for count in c.values())] for n, c in facts["classes"].items()]
        emit("")
        emit_table(["class", "rows", "of test part"], counts, " rr")
    if len(dataset.inputs.shape) > 2:
        emit("\n" + draw(list(dataset.inputs[:_FEW])))


def _save_picture(dataset: "Dataset", path: Path) -> None:
    from dlx.data.describe import picture
    from dlx.runs import write_atomic

    content = io.BytesIO()
    picture(dataset).savefig(content, format="png", dpi=150)
    write_atomic(path, content.getvalue())

"""The arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated, Any

import typer

CONFIG = typer.Argument(
    metavar="CONFIG",
    help="A YAML file, or the name of a config that comes with dlx (`dlx init` lists them).",
)
Config = Annotated[str, CONFIG]
Changes = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE",
        help="Values that replace those of the config, such as optimizer.lr=0.01.",
    ),
]
RunPath = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A run: its folder, its name (the newest run of that name), its id, its tag NAME@TAG, "
        "or latest; a run of an ablation: ABLATION#NUMBER or ABLATION/VARIANT@SEED.",
    ),
]
RunsDir = Annotated[
    Path, typer.Option("--runs-dir", metavar="DIR", help="The folder that holds all runs.")
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        help="The folder that holds the data sets; default: $DLX_DATA, else the user's cache.",
    ),
]
Seed = Annotated[
    int | None, typer.Option("--seed", metavar="N", help="The seed; short for seed=N.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]

RUNS_DIR = Path("runs")


def output_option(meaning: str, metavar: str = "FILE") -> Any:
    """Return the option --output; what it is for differs from command to command."""
    return typer.Option("--output", "-o", metavar=metavar, help=meaning)

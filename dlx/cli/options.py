"""The arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    str,
    typer.Argument(
        metavar="CONFIG",
        help="A YAML file, or the name of a config that comes with dlx (`dlx init` lists them).",
        show_default=False,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE",
        help="Values that replace those of the config, such as optimizer.lr=0.01.",
        show_default=False,
    ),
]
RunPath = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A run: its folder, its name (the newest run of that name), its id, or latest; a run "
        "of an ablation: ABLATION#NUMBER or ABLATION/VARIANT@SEED.",
        show_default=False,
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
        show_default=False,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option("--seed", metavar="N", help="The seed; short for seed=N.", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]

RUNS_DIR = Path("runs")

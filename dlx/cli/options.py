"""The arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated, Any

import typer

from dlx.cli import completion
from dlx.errors import ConfigError

CONFIG = typer.Argument(
    metavar="CONFIG",
    help="A YAML file, or the name of a config that comes with dlx (`dlx init` lists them).",
    autocompletion=completion.configs,
)
Config = Annotated[str, CONFIG]
Changes = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE",
        help="Values that replace those of the config, such as optimizer.lr=0.01.",
        autocompletion=completion.changes,
    ),
]
RunPath = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A run: its folder, its name (the newest run of that name), its id, its tag NAME@TAG, "
        "or latest; a run of an ablation: ABLATION#NUMBER or ABLATION/VARIANT@SEED.",
        autocompletion=completion.runs,
    ),
]
RunOrAblation = Annotated[
    str,
    typer.Argument(
        metavar="RUN|ABLATION",
        help="A trained run, or an ablation.",
        autocompletion=completion.runs,
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

Separator = Annotated[
    str | None,
    typer.Option(
        metavar="SIGN", help="What stands between the values of a CSV file; default: it is judged."
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The encoding of a CSV file; default: it is judged."),
]
Header = Annotated[
    bool | None,
    typer.Option(
        "--header/--no-header", help="Whether a CSV file has the columns' names; default: judged."
    ),
]

RUNS_DIR = Path("runs")


def layout_options(
    separator: str | None, encoding: str | None, header: bool | None
) -> dict[str, Any]:
    """Return what the command line says of how a CSV file is written."""
    given = {"separator": separator, "encoding": encoding, "header": header}
    return {key: value for key, value in given.items() if value is not None}


def picture_option(meaning: str, *names: str) -> Any:
    """Return an option for the PNG file that a picture is written to."""
    return typer.Option(*names, metavar="FILE", help=meaning, callback=_png)


def _png(parameter: typer.CallbackParam, file: Path | None) -> Path | None:
    if file is not None and file.suffix.lower() not in (".png", ""):
        better = file.with_suffix(".png")
        raise ConfigError(
            f"{parameter.opts[0]}: received {file}; pictures are PNG files: name {better}"
        )
    return file


def output_option(meaning: str, metavar: str = "FILE") -> Any:
    """Return the option --output; what it is for differs from command to command."""
    return typer.Option("--output", "-o", metavar=metavar, help=meaning)

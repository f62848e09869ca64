"""`dlx init` and `dlx config`: make, check and show configs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from dlx.cli.options import (
    Changes,
    Config,
    Encoding,
    Header,
    Json,
    Separator,
    layout_options,
    output_option,
)
from dlx.cli.output import emit, emit_json, emit_table, note, warn
from dlx.errors import ConfigError, DataError, DlxError, did_you_mean

config_app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Check or show configs.")


_TABLES = (".csv", ".tsv", ".txt", ".dat", ".gz", ".xlsx", ".xls", ".parquet")


def init(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME|FILE",
            help="The config to copy, or a CSV or parquet file to write one for.",
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The column of FILE to predict.")
    ] = None,
    output: Annotated[
        Path | None, output_option("The file to write; default: the config's name, in this folder.")
    ] = None,
    separator: Separator = None,
    encoding: Encoding = None,
    header: Header = None,
    as_json: Json = False,
) -> None:
    """Copy a shipped config, list them, or write one for a table.

    \b
    Examples:
      dlx init
      dlx init digits --output mine.yaml
      dlx init houses.csv --target price
    """
    from dlx.config.shipped import command_of, companions, shipped, summary

    by_name = shipped()
    if name is None:
        rows = [[config, summary(path)] for config, path in by_name.items()]
        emit_json({"configs": dict(rows)}) if as_json else emit_table(["name", ""], rows)
        return
    layout = layout_options(separator, encoding, header)
    table = Path(name)
    if name not in by_name and (table.is_file() or table.suffix.lower() in _TABLES):
        _init_table(table, target, output, layout, as_json=as_json)
        return
    given = [*(["target"] if target is not None else []), *layout]
    if given:
        raise ConfigError(
            f"--{given[0]} goes with a file, as in `dlx init houses.csv --target price`"
        )
    if name not in by_name:
        near = did_you_mean(name, by_name)
        raise ConfigError(
            f"no config {name!r} comes with dlx{near} (there are: {', '.join(by_name)})"
        )
    path = by_name[name]
    written, data = output or Path(path.name), companions(path)
    files = {written: path.read_bytes()}
    files |= {written.with_name(f.name): f.read_bytes() for f in data}
    _write(files)
    command = command_of(path)
    note(f"{' and '.join(map(str, files))} written; `dlx {command} {written}` trains it")
    if as_json:
        emit_json({"config": str(written), "files": [str(file) for file in files]})


def _init_table(
    table: Path, target: str | None, output: Path | None, layout: dict[str, Any], *, as_json: bool
) -> None:
    """Write a config for a table, and say whether it can be trained, and what is odd about it."""
    from dlx import api
    from dlx.data.tables.layout import Layout
    from dlx.data.tables.starter import starter

    if not table.is_file():
        siblings = [file.name for file in table.parent.glob("*") if file.is_file()]
        raise DataError(f"{table}: no such file{did_you_mean(table.name, siblings)}")
    written = output or Path(f"{table.name.removesuffix('.gz').rpartition('.')[0]}.yaml")
    start = starter(table, target, written.parent, Layout(**layout))
    _write({written: start.text.encode()})
    warn(start.notes, "note")
    try:
        job = api.prepare(written)
    except DlxError as error:
        raise type(error)(f"{written} is written, but cannot be trained yet: {error}") from error
    warn([remark for remark in job.splits.notes if remark not in start.notes], "note")
    warn(job.splits.warnings)
    note(f"{written} written; `dlx train {written}` trains it")
    if as_json:
        emit_json({"config": str(written), "files": [str(written)]})


def _write(files: dict[Path, bytes]) -> None:
    from dlx.runs import write_atomic

    for file in files:
        if file.exists():
            raise ConfigError(f"{file} exists already; choose another place with --output")
    for file, content in files.items():
        write_atomic(file, content)


@config_app.command()
def validate(config: Config, overrides: Changes = None, as_json: Json = False) -> None:
    """Check a config, and list everything that is wrong with it.

    The variants of its ablation and the space of its search are checked too, but no data are read:
    `dlx train`, `ablate` and `search` with --dry-run do so.

    \b
    Example:
      dlx config validate configs/mnist.yaml optimizer.lr=0.01
    """
    from dlx import api
    from dlx.ablation import variants
    from dlx.config.shipped import locate
    from dlx.data.pipeline import require_code
    from dlx.search import space

    path = locate(config)
    resolved = api.read_config(path, overrides or [])
    variants.check(resolved)
    space.check(resolved)
    require_code(resolved.data)
    emit_json({"config": str(path), "valid": True}) if as_json else emit(f"{path}: valid")


@config_app.command()
def show(config: Config, overrides: Changes = None, as_json: Json = False) -> None:
    """Print a config with every default filled in.

    \b
    Example:
      dlx config show digits optimizer=sgd
    """
    from dlx import api
    from dlx.config.dump import to_plain
    from dlx.config.load import dump
    from dlx.config.shipped import locate

    resolved = api.read_config(locate(config), overrides or [])
    emit_json(to_plain(resolved)) if as_json else emit(dump(resolved))


@config_app.command()
def schema() -> None:
    """Print the JSON Schema of configs, for editors that check YAML.

    \b
    Example:
      dlx config schema > dlx.schema.json
    """
    from dlx.config.load import json_schema

    emit_json(json_schema())

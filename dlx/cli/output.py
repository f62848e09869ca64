"""What commands print: results on stdout, everything else on stderr."""

import io
import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer

from dlx.errors import StorageError
from dlx.report.numbers import format_metric


class OutputClosed(Exception):
    """Nobody reads stdout any more."""


def lenient() -> None:
    """From here on, print `?` for a character that the encoding of stdout lacks, as on Windows."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def emit(text: str) -> None:
    """Print to stdout, ending the line.

    Raises:
        OutputClosed: nobody reads it any more
        StorageError: it cannot be written
    """
    try:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()
    except OSError as error:
        # What is still in Python's buffer would fail once more when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise OutputClosed from error
        raise StorageError(f"the output cannot be written: {error.strerror}") from error


def emit_json(document: Any) -> None:
    """Print JSON; numbers that are not finite are null."""
    from dlx.runs.files import finite

    ascii_only = (sys.stdout.encoding or "utf8").lower().replace("-", "") != "utf8"
    emit(json.dumps(finite(document), indent=2, ensure_ascii=ascii_only, allow_nan=False))


def note(text: str) -> None:
    """Print a remark to stderr."""
    typer.echo(text, err=True)


def complain(text: str) -> None:
    """Print an error to stderr; the lines after the first are indented."""
    first, *more = text.splitlines() or [""]
    if more:  # a list of errors
        first, more = f"{len(more) + 1} errors", [first, *more]
    typer.secho("error: ", fg=typer.colors.RED, bold=True, nl=False, err=True)
    typer.echo("\n".join([first, *(f"  {line}" for line in more)]), err=True)


def emit_table(headings: Sequence[str], rows: Iterable[Sequence[str]], right: str = "") -> None:
    """Print a table.

    Args:
        headings: of the columns
        rows: of cells
        right: the columns, by place, whose cells are numbers: "  rr" aligns the last two right
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for index, heading in enumerate(headings):
        aligned = "right" if right[index : index + 1] == "r" else "left"
        table.add_column(heading, justify=aligned, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    text, terminal = io.StringIO(), sys.stdout.isatty()
    # Words may go to the next line on a terminal, numbers and names of runs may not.
    wraps = terminal and not right.endswith("r")
    width = shutil.get_terminal_size().columns if wraps else 10_000
    Console(file=text, force_terminal=terminal, width=width).print(table)
    emit("\n".join(line.rstrip() for line in text.getvalue().splitlines()))


def emit_result(result: Mapping[str, Any]) -> None:
    """Print what `Run.result` gives: how the run ended, and its metrics by split."""
    facts = [
        str(result["status"]),
        amount(result["steps"], "step"),
        amount(result["epochs"], "epoch"),
        f"{result['seconds']:.1f} s" if result["seconds"] is not None else "",
        amount(result["parameters"], "parameter"),
        f"seed {result['seed']}",
    ]
    emit(f"{result['run']}: {', '.join(fact for fact in facts if fact)}")
    for stage in result.get("pretraining", []):
        layers = ", ".join(stage["layers"])
        steps = amount(stage["steps"], "step")
        source = ", from the cache" if stage["reused"] else ""
        emit(f"stage {stage['stage']}: {stage['method']}, layer {layers}, {steps}{source}")
    constant = {f"baseline, {split}": values for split, values in result["baseline"].items()}
    emit_metrics(result["metrics"] | constant)
    if result["weights"]:
        emit(f"(metrics of the {result['weights']} weights, on all rows)")
    if constant:
        emit("(baseline: the majority class of the training rows, or the mean of numbers)")
    if "per_class" in result:
        _emit_per_class(result["per_class"])
    if "importance" in result:
        _emit_importance(result["importance"])


def emit_metrics(metrics: Mapping[str, Mapping[str, float]]) -> None:
    """Print metrics by split as a table, those of corrupted inputs in rows of their own."""
    by_row = {
        row: values
        for split, found in metrics.items()
        for row, values in _by_inputs(split, found).items()
    }
    names = list(dict.fromkeys(name for values in by_row.values() for name in values))
    if names:
        rows = [
            [row, *(format_metric(name, values.get(name)) for name in names)]
            for row, values in by_row.items()
        ]
        emit_table(["", *names], rows, " " + "r" * len(names))


def _by_inputs(split: str, metrics: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Return the metrics of inputs as they are and, if there are any, of corrupted ones."""
    from dlx.nn.metrics import CORRUPTED

    clean = {k: v for k, v in metrics.items() if not k.startswith(CORRUPTED)}
    corrupted = {
        k.removeprefix(CORRUPTED): v for k, v in metrics.items() if k.startswith(CORRUPTED)
    }
    return {split: clean} | ({f"{split}, corrupted": corrupted} if corrupted else {})


def _emit_per_class(found: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    name = "squared_error_per_row"
    rows = [
        [each, *(format_metric(name, by.get(each, {}).get(name)) for by in found.values())]
        for each in dict.fromkeys(each for by in found.values() for each in by)
    ]
    emit("")
    emit_table(["class", *found], rows, " " + "r" * len(found))
    emit("(squared error of a class's rows, summed over a row's inputs as the network sees them)")


def _emit_importance(found: Mapping[str, Any]) -> None:
    name = found["metric"]
    rows = [
        [each["feature"], *(format_metric(name, each[key]) for key in ("mean", "low", "high"))]
        for each in found["features"]
    ]
    emit("")
    emit_table(["importance", "mean", "low", "high"], rows, " rrr")
    change = "drop" if found["rising"] else "rise"
    emit(
        f"({change} of {name}, {format_metric(name, found['value'])} on {found['rows']:,} "
        f"{found['split']} rows, when a column's values are permuted; mean of {found['repeats']} "
        "repeats and its 95 % interval)"
    )


def amount(number: float | None, unit: str) -> str:
    """Return `1,234 steps` or `1 epoch`; nothing if the number is not known."""
    if number is None:
        return ""
    return f"{round(number, 2):,.10g} {unit}{'' if number == 1 else 's'}"

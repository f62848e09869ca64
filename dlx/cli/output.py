"""How commands print: results on stdout, everything else on stderr."""

import contextlib
import errno
import io
import json
import os
import re
import shutil
import stat
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dlx.errors import ConfigError, StorageError
from dlx.report.numbers import format_metric, metrics_rows
from dlx.texts import in_a_line, in_json, printable, shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_LONGEST = 1000  # characters of a word in a message


class OutputClosed(Exception):
    """The reader of stdout has gone."""


def lenient() -> None:
    """From here on, print `?` for a character that the encoding of stdout lacks, as on Windows."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def emit(text: str) -> None:
    """Print a text and the end of its last line to stdout; OutputClosed if its reader has gone.

    Characters that would command a terminal are shown as escapes.
    """
    _write(printable(text))


def emit_csv(table: str) -> None:
    """Print a table as CSV to stdout: as it is, but on a terminal."""
    _write(printable(table) if sys.stdout.isatty() else table)


def _write(text: str) -> None:
    try:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()
    except OSError as error:
        # Else the rest of Python's buffer would fail once more when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise OutputClosed from error
        raise StorageError(f"the output cannot be written: {error.strerror}") from error


def emit_json(document: Any) -> None:
    """Print a document as JSON; numbers that are not finite become null."""
    from dlx.runs.files import finite

    ascii_only = (sys.stdout.encoding or "utf8").lower().replace("-", "") != "utf8"
    text = json.dumps(finite(document), indent=2, ensure_ascii=ascii_only, allow_nan=False)
    _write(in_json(text))


def note(text: str) -> None:
    """Print a remark to stderr, if it is still there: a terminal may have been closed."""
    with contextlib.suppress(OSError):
        typer.echo(_readable(text), err=True)


def warn(sentences: Iterable[str], kind: str = "warning") -> None:
    """Print warnings, or remarks of another kind, to stderr."""
    for sentence in sentences:
        note(f"{kind}: {sentence}")


def complain(text: str) -> None:
    """Print an error to stderr, if it is still there; a text of several lines is several errors."""
    first, *more = _readable(text).splitlines() or [""]
    if more:
        first, more = f"{len(more) + 1} errors", [first, *more]
    with contextlib.suppress(OSError):
        typer.secho("error: ", fg=typer.colors.RED, bold=True, nl=False, err=True)
        typer.echo("\n".join([first, *(f"  {line}" for line in more)]), err=True)


def _readable(text: str) -> str:
    """Return a text for a terminal, in which words that are longer than paths lose their middle."""
    return re.sub(rf"\S{{{_LONGEST},}}", lambda word: shortened(word[0], 100), printable(text))


def emit_table(headings: Sequence[str], rows: Iterable[Sequence[str]], right: str = "") -> None:
    """Print a table; `right` has an r at the place of each column that is aligned right: "  rr"."""
    cells = [[in_a_line(cell) for cell in row] for row in (headings, *rows)]
    terminal = sys.stdout.isatty()
    # On a terminal words may be wrapped to the next line; numbers and names of runs may not.
    if terminal and not right.endswith("r"):
        _emit_wrapped(cells, right)
        return
    from rich.cells import cell_len

    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:  # by hand: rich takes a second for 2,000 rows
        padded = []
        for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
            blank = " " * (width - cell_len(cell))
            padded.append(blank + cell if right[place : place + 1] == "r" else cell + blank)
        lines.append("  ".join(padded).rstrip())
    if terminal:
        lines[0] = typer.style(lines[0], bold=True)
    _write("\n".join(lines))


def _emit_wrapped(cells: Sequence[Sequence[str]], right: str) -> None:
    """Print a table, its headings first, whose words are wrapped to the width of the terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for index, heading in enumerate(cells[0]):
        aligned = "right" if right[index : index + 1] == "r" else "left"
        table.add_column(heading, justify=aligned, overflow="fold")
    for row in cells[1:]:
        table.add_row(*(Text(cell) for cell in row))
    text = io.StringIO()
    width = shutil.get_terminal_size().columns
    Console(file=text, force_terminal=True, width=width).print(table)
    _write("\n".join(line.rstrip() for line in text.getvalue().splitlines()))


def emit_result(result: Mapping[str, Any]) -> None:
    """Print the result of a run (`Run.result`): how it ended, and its metrics by split."""
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
    for entry in result.get("resumed", []):
        from dlx.training.resuming import in_words

        emit(in_words(entry))
    constant = {f"baseline, {split}": values for split, values in result["baseline"].items()}
    linear = {
        f"linear, {split}": values for split, values in result.get("linear_model", {}).items()
    }
    emit_metrics(result["metrics"] | constant | linear)
    if result["weights"]:
        rows = (
            f"on the {result['rows']['new']:,} rows of {result['input']}"
            if ("input" in result)
            else "on all rows"
        )
        emit(f"(metrics of the {result['weights']} weights, {rows})")
    if constant:
        emit("(baseline: the majority class of the training rows, or the mean of numbers)")
    if linear:
        emit("(linear: logistic or ridge regression on the same training rows)")
    if "per_class" in result:
        _emit_per_class(result["per_class"])
    if "importance" in result:
        _emit_importance(result["importance"])


def emit_findings(findings: Sequence[Mapping[str, Any]], most: int | None = None) -> None:
    """Print what stands out in a run, each with a command to try; at most so many.

    Of findings that the same command may cure, the most severe one is told, and the others named.
    """
    if not findings:
        emit("diagnosis: nothing found")
    by_command: dict[str, list[Mapping[str, Any]]] = {}
    for finding in findings:
        place = finding["try"]
        if place.startswith("dlx evaluate "):  # which cures nothing
            place = finding["name"]
        by_command.setdefault(place, []).append(finding)
    for first, *others in [*by_command.values()][:most]:
        emit(f"{first['severity']}: {first['name']}: {first['reason']}")
        names = ", ".join(other["name"] for other in others)
        emit(f"  try: {first['try']}" + (f"  (also against {names})" if others else ""))
    if most is not None and len(by_command) > most:
        emit(f"({len(by_command) - most} more: `dlx diagnose`)")


def emit_metrics(metrics: Mapping[str, Mapping[str, float]]) -> None:
    """Print metrics by split as a table; those of corrupted inputs have rows of their own."""
    by_row: dict[str, Mapping[str, float]] = {}
    for split, of_split in metrics.items():
        by_row |= _by_inputs(split, of_split)
    headings, rows = metrics_rows(by_row)
    if headings[1:]:
        emit_table(headings, rows, " " + "r" * len(headings[1:]))


def _by_inputs(split: str, metrics: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Return the metrics on clean inputs and, if there are any, those on corrupted inputs."""
    from dlx.nn.metrics import CORRUPTED

    clean = {k: v for k, v in metrics.items() if not k.startswith(CORRUPTED)}
    corrupted = {k.removeprefix(CORRUPTED): v for k, v in metrics.items() if k not in clean}
    return {split: clean} | ({f"{split}, corrupted": corrupted} if corrupted else {})


def _emit_per_class(by_split: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    """Print the scores of every class of the last split or, of reconstructions, errors of all."""
    split, last = list(by_split.items())[-1]
    emit("")
    if "f1" in next(iter(last.values()), {}):
        names = ("precision", "recall", "f1")
        rows = [
            [label, f"{scores['rows']:,}", *(format_metric(name, scores[name]) for name in names)]
            for label, scores in last.items()
        ]
        emit_table([f"class, {split}", "rows", *names], rows, " rrrr")
        return
    name = "squared_error_per_row"
    classes = dict.fromkeys(label for by_class in by_split.values() for label in by_class)
    rows = [
        [label, *(format_metric(name, by.get(label, {}).get(name)) for by in by_split.values())]
        for label in classes
    ]
    emit_table(["class", *by_split], rows, " " + "r" * len(by_split))
    emit("(squared error of a class's rows, summed over a row's inputs as the network sees them)")


def _emit_importance(importance: Mapping[str, Any]) -> None:
    name = importance["metric"]
    rows = [
        [row["feature"], *(format_metric(name, row[key]) for key in ("mean", "low", "high"))]
        for row in importance["features"]
    ]
    emit("")
    emit_table(["importance", "mean", "low", "high"], rows, " rrr")
    change = "drop" if importance["rising"] else "rise"
    emit(
        f"({change} of {name}, {format_metric(name, importance['value'])} on "
        f"{importance['rows']:,} {importance['split']} rows, when a column's values are permuted; "
        f"mean of {importance['repeats']} repeats and its 95 % interval)"
    )


def save_picture(figure: "Figure", path: Path) -> None:
    """Write a figure as a PNG file."""
    from dlx.report.figures import encoded

    figure.set_dpi(150)
    save_file(path, encoded(figure), "picture")


def save_file(path: Path, content: bytes, what: str, inputs: Iterable[Path] = ()) -> None:
    """Write a file that the command line names, and say so.

    Links are followed. A pipe or a device is written to, never replaced. `inputs` are the files
    that the content was made of, which it may not replace.
    """
    from dlx.runs import storage_errors, write_atomic
    from dlx.runs.files import exists

    with storage_errors(path):
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            mode = stat.S_IFREG
        else:
            if any(exists(file) and path.samefile(file) for file in inputs):
                raise ConfigError(f"{path} is read by this command; name another file to write")
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if stat.S_ISREG(mode):
            write_atomic(Path(os.path.realpath(path)) if path.is_symlink() else path, content)
        else:
            # A pipe without a reader is an error at once.
            descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            os.set_blocking(descriptor, True)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
    note(f"{what} written to {path}")


def run_labels(paths: Iterable[str]) -> list[str]:
    """Return the first cell of each run: `ABLATION#NUMBER (VARIANT@SEED)`, or else its path."""
    from dlx.runs.ablations import INDEX, read_index
    from dlx.runs.files import exists

    numbered: dict[Path, dict[str, str]] = {}
    labels = []
    for path in map(Path, paths):
        ablation = path.parent.parent
        if path.parent.name != "runs" or not exists(ablation / INDEX):
            labels.append(str(path))
            continue
        if ablation not in numbered:
            numbered[ablation] = {
                str(run.number): f"{ablation}#{run.number} ({run.variant}@{run.seed}"
                + (f" fold {run.fold})" if run.fold else ")")
                for run in read_index(ablation).values()
            }
        labels.append(numbered[ablation][path.name])
    return labels


def amount(number: float | None, unit: str) -> str:
    """Return `1,234 steps` or `1 epoch`; an empty text if there is no number."""
    if number is None:
        return ""
    return f"{round(number, 2):,.10g} {unit}{'' if number == 1 else 's'}"


def bits_elsewhere(reasons: Sequence[str]) -> str:
    """Say whether another machine gives the same bits; the reasons why it does not."""
    if not reasons:
        return "every machine gives the same bits"
    return f"another machine may give other last digits ({'; '.join(reasons)})"

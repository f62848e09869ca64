"""`dlx runs` and `dlx board`: the runs there are."""

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from dlx.cli.options import RUNS_DIR, Json, RunsDir
from dlx.cli.output import emit, emit_json, emit_table, note
from dlx.errors import ConfigError
from dlx.report.numbers import format_metric

_runs = typer.Typer(rich_markup_mode=None)


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(_runs, name="runs", rich_help_panel="Look at runs")
    app.command(rich_help_panel="Look at runs")(board)


@_runs.callback(invoke_without_command=True)
def list_all(context: typer.Context, runs_dir: RunsDir = RUNS_DIR, as_json: Json = False) -> None:
    """List the runs, newest first; `dlx runs rm` deletes them.

    Accuracy where there is one, else the first metric of log.metrics: on all rows or, while a run
    trains, of its last evaluation.
    """
    if context.invoked_subcommand is not None:
        return
    from dlx.report.run_list import summaries

    found, warnings = summaries(runs_dir)
    for warning in warnings:
        note(f"warning: {warning}")
    if as_json:
        emit_json({"runs": found})
    elif found:
        headings = ["run", "status", "seed", "steps", "dev", "test", "seconds", "age"]
        emit_table(headings, [_row(each) for each in found], "  rrrrrr")
    else:
        note(f"no runs in {runs_dir}; `dlx train digits` makes one")


@_runs.command("rm")
def remove(
    context: typer.Context,
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN", help="Folders, names (the newest run of it), ids or latest."),
    ],
    runs_dir: Annotated[
        Path | None,
        typer.Option(
            "--runs-dir",
            metavar="DIR",
            help=f"The folder that runs are kept in.  [default: {RUNS_DIR}]",
            show_default=False,
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Delete runs, after asking.

    \b
    Examples:
      dlx runs rm latest
      dlx runs rm runs/digits/* --yes
    """
    from dlx.runs import remove as delete
    from dlx.training.finding import find

    assert context.parent is not None
    folder = runs_dir or Path(context.parent.params["runs_dir"])
    found = list(
        {run.path.resolve(): run for run in (find(each, folder) for each in runs)}.values()
    )
    if not yes and not _agreed([f"{run.path} ({run.status()})" for run in found]):
        note("nothing was deleted")
        raise typer.Exit(0)
    for run in found:
        delete(run)
        note(f"deleted {run.path}")
    if as_json:
        emit_json({"deleted": [str(run.path) for run in found]})


def board(
    path: Annotated[
        str | None,
        typer.Argument(
            metavar="PATH",
            help="A folder of runs, or a run's name, id or latest.  [default: the runs folder]",
            show_default=False,
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="0: any free one.  [default: 6006 or the next free]", show_default=False),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Of an ablation that has ended, show the N best variants, with all their seeds.",
            show_default=False,
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Who may connect; 0.0.0.0: other machines too.")] = (
        "localhost"
    ),
    runs_dir: RunsDir = RUNS_DIR,
) -> None:
    """Start TensorBoard on the runs; Ctrl-C ends it.

    \b
    Examples:
      dlx board
      dlx board mnist --port 7000
      dlx board latest --top 20
    """
    from dlx.cli import tensorboard
    from dlx.report import board as views
    from dlx.training.finding import find

    if path is None and not runs_dir.is_dir():
        raise ConfigError(f"there is no folder {runs_dir}; `dlx train digits` makes a first run")
    folder = runs_dir if path is None else Path(path)
    if top is not None or not folder.is_dir():
        folder = find(path or "latest", runs_dir).path
    with tempfile.TemporaryDirectory(prefix="dlx-board-") as links:
        shown, what = folder, str(folder)
        if top is not None:
            shown = Path(links)
            best = views.link_best(folder, top, shown)
            what = f"{len(best.shown)} variants of {folder}, the best by {best.metric}"
            if best.left_out:
                note(f"left out: {_first(best.left_out, 5)}")
        elif views.is_ablation(folder):
            count = views.derive(folder)
            if count:
                note(f"wrote TensorBoard's files of {count:,} runs")
        address = tensorboard.start(shown, host, port)
        emit(f"TensorBoard on {what}: {address} (Ctrl-C ends it)")
        if views.is_ablation(folder):
            emit(f"means of the variants, with intervals: {views.means_page(address)}")
            if views.num_event_folders(shown) > views.MOST_SELECTED:
                note(
                    f"TensorBoard draws none of more than {views.MOST_SELECTED} runs by itself: "
                    "tick the box above their list, or show fewer with --top"
                )
        tensorboard.wait()


def _first(names: list[str], count: int) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more


def _agreed(runs: list[str]) -> bool:
    if not sys.stdin.isatty():
        raise ConfigError("there is no terminal to ask at: give --yes to delete without asking")
    for run in runs:
        note(f"  {run}")
    return typer.confirm(f"delete {'this run' if len(runs) == 1 else 'these runs'}?", err=True)


def _row(run: dict[str, Any]) -> list[str]:
    return [
        f"{run['name']}/{run['id']}",
        run["status"],
        "" if run["seed"] is None else str(run["seed"]),
        "" if run["steps"] is None else f"{run['steps']:,}",
        _judged((run["metrics"] or {}).get("dev")),
        _judged((run["metrics"] or {}).get("test")),
        "" if run["seconds"] is None else f"{run['seconds']:.1f}",
        _age(run["created"]),
    ]


def _age(created: str | None) -> str:
    if created is None:
        return ""
    seconds = (datetime.now(UTC) - datetime.fromisoformat(created)).total_seconds()
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _judged(metrics: dict[str, float] | None) -> str:
    if not metrics:
        return ""
    others = [name for name in metrics if name != "cost"]
    name = "accuracy" if "accuracy" in metrics else next(iter(others), "cost")
    shown = format_metric(name, metrics[name])
    return shown if name in ("accuracy", "cost") else f"{name} {shown}"

"""`dlx runs` and `dlx board`: list, tag and delete runs, show them in TensorBoard."""

import contextlib
import errno
import socket
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from dlx.cli.options import RUNS_DIR, Json, RunPath, RunsDir
from dlx.cli.output import emit, emit_json, emit_table, note, warn
from dlx.errors import ConfigError, said
from dlx.report.numbers import format_metric

_MOST_NAMED = 5  # variants that are left out


class _Named(TyperGroup):
    """A group that takes a NAME where no command stands: `dlx runs digits`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        place = {"--runs-dir": 2}.get(args[0] if args else "", 0)
        place = 1 if args and args[0].startswith("--runs-dir=") else place
        if args[place : place + 1] and args[place] in self.commands:
            args = [*args[:place], "", *args[place:]]  # no NAME
        else:
            ctx.allow_interspersed_args = True
        return super().parse_args(ctx, args)


runs_app = typer.Typer(rich_markup_mode=None, cls=_Named)


@runs_app.callback(invoke_without_command=True)
def list_all(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", help="List the runs of this name alone.")
    ] = "",
    where: Annotated[
        str | None,
        typer.Option(
            metavar="CONDITION",
            help="List the runs that meet a condition on keys of their config, metrics and fields: "
            "'optimizer.lr>0.01 and dev.accuracy>0.9'.",
        ),
    ] = None,
    sort: Annotated[
        str,
        typer.Option(
            metavar="NAMES", help="What they are sorted by, joined by commas; -NAME: largest first."
        ),
    ] = "",
    columns: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="The columns, joined by commas; default: status, metrics, and the keys in which "
            "runs of one name differ.",
        ),
    ] = "",
    runs_dir: RunsDir = RUNS_DIR,
    as_json: Json = False,
) -> None:
    """List runs and ablations, newest first; `dlx runs rm` deletes.

    `dlx runs tag` pins a run under a name, `dlx runs untag` takes the name away.

    The columns dev and test show the accuracy, or the first metric of log.metrics where there is no
    accuracy: on all rows or, while a run trains, at its last evaluation. An ablation is one line,
    with its answer; the runs of an ablation are in its results.csv, and their tags beside it.

    \b
    Examples:
      dlx runs digits --sort -dev.accuracy
      dlx runs --where 'optimizer.lr>0.0001 and status=="completed"' --columns optimizer.lr,seed
    """
    if context.invoked_subcommand is not None:
        return
    from dlx.report.run_list import summaries

    asked = _split(columns)
    listed = summaries(runs_dir, name, where=where, sort=_split(sort), columns=asked)
    runs = listed.runs
    warn(listed.warnings)
    if as_json:
        emit_json({"runs": runs})
    elif not runs:
        cure = "no run meets the condition" if where else "`dlx train digits` makes one"
        note(cure if where else f"no runs in {runs_dir}; {cure}")
    elif asked:
        rows = [[f"{run['name']}/{run['id']}", *_cells(run)] for run in runs]
        emit_table(["run", *listed.columns], rows, " " + "r" * len(asked))
    else:
        headings = ["run", "status", "seed", "steps", *listed.columns]
        headings += ["dev", "test", "seconds", "age"]
        rows = [_row(run) for run in runs]
        right = "  " + "r" * (len(headings) - 2)
        if any(run["tags"] for run in runs):
            headings.append("tags")
            rows = [[*row, ", ".join(run["tags"])] for row, run in zip(rows, runs, strict=True)]
        if any(run["answer"] for run in runs):
            headings.append("answer")
            rows = [[*row, run["answer"] or ""] for row, run in zip(rows, runs, strict=True)]
        emit_table(headings, rows, right)


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def _cells(run: dict[str, Any]) -> list[str]:
    from dlx.config.dump import inline

    def cell(name: str, value: Any) -> str:
        split, _, tag = name.partition(".")
        if value is None:
            return ""
        if tag in ((run["metrics"] or {}).get(split) or {}):
            return format_metric(tag, value)
        return value if isinstance(value, str) else inline(value)

    return [cell(name, value) for name, value in run["columns"].items()]


Below = Annotated[
    Path | None,
    typer.Option(
        "--runs-dir", metavar="DIR", help=f"The folder that holds all runs.  [default: {RUNS_DIR}]"
    ),
]
Tag = Annotated[str, typer.Argument(metavar="NAME@TAG", help="The tag, such as churn@production.")]


@runs_app.command()
def tag(
    context: typer.Context, run: RunPath, name: Tag, runs_dir: Below = None, as_json: Json = False
) -> None:
    """Pin a run under a name that stays with it.

    All commands take NAME@TAG for it, whatever is trained later under NAME. TAG begins with a
    letter. A tag that another run has moves to this one. A tagged run is not deleted.

    \b
    Examples:
      dlx runs tag latest churn@production
      dlx runs untag churn@production
    """
    from dlx.runs.tags import set_tag
    from dlx.training.finding import find_run

    folder = _folder_of_all(context, runs_dir)
    path = find_run(run, folder).path
    before = set_tag(path, name, folder)
    moved = f" (before: {before})" if before not in (None, path) else ""
    note(f"{name} now means {path}{moved}")
    if as_json:
        emit_json({"tag": name, "run": str(path), "before": before and str(before)})


@runs_app.command()
def untag(context: typer.Context, name: Tag, runs_dir: Below = None, as_json: Json = False) -> None:
    """Take a tag away; its run stays.

    \b
    Example:
      dlx runs untag churn@production
    """
    from dlx.runs.tags import remove_tag

    path = remove_tag(name, _folder_of_all(context, runs_dir))
    note(f"{name} no longer means {path}")
    if as_json:
        emit_json({"tag": name, "run": str(path)})


def _folder_of_all(context: typer.Context, runs_dir: Path | None) -> Path:
    """Return the folder of all runs that a command below `dlx runs`, or `dlx runs`, was given."""
    assert context.parent is not None
    return runs_dir or Path(context.parent.params["runs_dir"])


@runs_app.command("rm")
def remove(
    context: typer.Context,
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN",
            help="Runs or ablations: folders, names (the newest run of each), ids or latest.",
        ),
    ],
    runs_dir: Below = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Delete runs or ablations, after asking.

    \b
    Examples:
      dlx runs rm latest
      dlx runs rm runs/digits/20* --yes
    """
    from dlx.runs import remove as delete
    from dlx.training.finding import find_to_remove

    folder = _folder_of_all(context, runs_dir)
    chosen = [find_to_remove(run, folder) for run in runs]
    distinct = list({run.path.resolve(): run for run in chosen}.values())
    if not yes and not _agreed([f"{run.path} ({run.status()})" for run in distinct]):
        note("nothing was deleted")
        raise typer.Exit(0)
    for run in distinct:
        delete(run)
        note(f"deleted {run.path}")
    if as_json:
        emit_json({"deleted": [str(run.path) for run in distinct]})


def board(
    path: Annotated[
        str | None,
        typer.Argument(
            metavar="PATH",
            help="A run or an ablation (folder, name, id, latest or ABLATION#NUMBER), or a folder "
            "of runs.  [default: the folder of all runs]",
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="The port; 0: any free one.  [default: 6006 or the next free one]",
        ),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Show the N best variants of an ablation that has ended, with all their seeds.",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="The address to listen on; 0.0.0.0 lets other machines connect.")
    ] = "localhost",
    runs_dir: RunsDir = RUNS_DIR,
) -> None:
    """Show runs in TensorBoard; Ctrl-C ends it.

    The curves of an ablation's single runs are made, and kept, when PATH is that ablation or one of
    its runs; until then TensorBoard shows the means of its variants.

    \b
    Examples:
      dlx board
      dlx board mnist --port 7000
      dlx board latest --top 20
    """
    from dlx.report import board as views
    from dlx.report.loose_means import write_means

    folder = _folder_to_show(path, runs_dir, needs_ablation=top is not None)
    with tempfile.TemporaryDirectory(prefix="dlx-board-") as links:
        shown, what = folder, str(folder)
        if top is not None:
            shown = Path(links)
            best = views.link_best(folder, top, shown)
            what = f"{len(best.shown)} variants of {folder}, the best by {best.metric}"
            if best.left_out:
                more = len(best.left_out) - _MOST_NAMED
                rest = f" and {more} more" if more > 0 else ""
                note(f"left out: {', '.join(best.left_out[:_MOST_NAMED])}{rest}")
        elif views.is_ablation(folder) and (count := views.derive(folder)):
            note(f"wrote TensorBoard's files of {count:,} runs")
        is_ablation = views.is_ablation(folder)
        many = views.num_event_folders(shown) > views.MOST_SELECTED
        means = None
        if many and not is_ablation:
            means = write_means(folder, Path(links))
            shown = Path(links) if means else folder
        first = views.means_page("") if many else views.FIRST_PAGE
        address = serve(shown, host, port, first)
        emit(f"TensorBoard on {what}: {address} (Ctrl-C ends it)")
        if is_ablation:
            emit(f"means of the variants, with intervals: {views.means_page(address)}")
        elif means is not None:
            emit(
                f"means of the runs of one {means.of}, with intervals: {views.means_page(address)}"
            )
        else:
            emit(f"cost, gradient norms and learning rate: {views.charts_page(address)}")
        if many:
            fewer = "; --top shows fewer" if is_ablation else ""
            note(
                f"TensorBoard draws no curves of more than {views.MOST_SELECTED} runs until "
                f"you tick the box above their list{fewer}"
            )
        wait()


def serve(folder: Path, host: str, port: int | None, first: str) -> str:
    """Serve TensorBoard from a thread of this process, and return its address.

    Port 0 is any free one, None 6006 or the next free one. The address alone leads to the page
    `first`, a query or fragment. Raises ConfigError if the port is taken,
    or the host is not an address of this machine.
    """
    from tensorboard import program

    try:
        if not host:  # which would listen on all addresses
            raise OSError(errno.EINVAL, "it is empty")
        family, kind, *_, place = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as tried:
            tried.bind(place)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else said(error)
        cure = "name an address of this machine, such as localhost"
        raise ConfigError(f"--host: {host!r} is no address: {why}; {cure}") from error

    def server(app: Any, flags: Any) -> Any:
        return program.create_port_scanning_werkzeug_server(_led_to(first, app), flags)

    board = program.TensorBoard(server_class=server)
    port_option = [] if port is None else [f"--port={port}"]
    board.configure(["", f"--logdir={folder}", f"--host={host}", *port_option])
    try:
        return board.launch()
    except program.TensorBoardServerException as error:
        raise ConfigError(f"TensorBoard could not start: {error.msg}") from error


def _led_to(first: str, app: Any) -> Any:
    """Return a WSGI application that leads from its bare address to a page of it."""

    def answer(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/" and not environ.get("QUERY_STRING"):
            start_response("302 Found", [("Location", f"/{first}"), ("Cache-Control", "no-store")])
            return [b""]
        return app(environ, start_response)

    return answer


def wait() -> None:
    """Wait for Ctrl-C."""
    # On Windows, Ctrl-C interrupts no wait for a lock or an event.
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(60)


def _folder_to_show(path: str | None, runs_dir: Path, *, needs_ablation: bool) -> Path:
    """Return the folder of event files that a path or name means; None: that of all runs.

    Where an ablation is needed, a folder of runs means its newest run.
    """
    from dlx.report import board as views
    from dlx.runs.ablations import read_index
    from dlx.training.finding import find

    if path is None and not runs_dir.is_dir():
        raise ConfigError(f"there is no folder {runs_dir}; `dlx train digits` makes a first run")
    folder = runs_dir if path is None else Path(path)
    if needs_ablation or not folder.is_dir():
        folder = find(path or "latest", runs_dir).path
    ablation = folder.parent.parent
    if folder.parent.name != "runs" or not views.is_ablation(ablation):
        return folder
    # The folder of an ablation's run has no event files; they lie in that of its variant.
    [run] = [run for run in read_index(ablation).values() if str(run.number) == folder.name]
    views.derive(ablation, [run.variant])
    return ablation / run.name


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
        *_cells(run),
        _shown_metric((run["metrics"] or {}).get("dev")),
        _shown_metric((run["metrics"] or {}).get("test")),
        "" if run["seconds"] is None else f"{run['seconds']:.1f}",
        _age(run["created"]),
    ]


def _age(created: str | None) -> str:
    if created is None:
        return ""
    seconds = (datetime.now(UTC) - datetime.fromisoformat(created)).total_seconds()
    if seconds < -1:
        return "clock was changed"
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _shown_metric(metrics: dict[str, float] | None) -> str:
    if not metrics:
        return ""
    others = [name for name in metrics if name != "cost"]
    name = "accuracy" if "accuracy" in metrics else next(iter(others), "cost")
    shown = format_metric(name, metrics[name])
    return shown if name in ("accuracy", "cost") else f"{name} {shown}"

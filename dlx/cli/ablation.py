"""`dlx ablate`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlx.cli.ablation_progress import shown
from dlx.cli.options import RUNS_DIR, Config, DataDir, Json, Overrides, Quiet, RunsDir
from dlx.cli.output import amount, emit, emit_json, emit_table, note
from dlx.cli.progress import duration
from dlx.errors import DlxError

if TYPE_CHECKING:
    from dlx.api.ablation import Ablation

Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        metavar="N",
        min=1,
        help="Processes that train cohorts side by side; default: by the size of the work.",
        show_default=False,
    ),
]
Seeds = Annotated[
    str | None,
    typer.Option(
        "--seeds",
        metavar="N",
        help="How many seeds, or which: '[3, 5, 8]'.",
        show_default=False,
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Train")(ablate)


def ablate(
    config: Config,
    overrides: Overrides = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            "--vary",
            metavar="KEY=a,b,c",
            help="Values of a key, as in a YAML list, or a range: '0.001..1 log 7'; repeatable.",
            show_default=False,
        ),
    ] = None,
    seeds: Seeds = None,
    design: Annotated[
        str | None,
        typer.Option(
            "--design",
            metavar="D",
            help="grid, one_at_a_time, zip or list.",
            show_default=False,
        ),
    ] = None,
    jobs: Jobs = None,
    show_test: Annotated[
        bool, typer.Option("--show-test", help="Show test metrics of every variant.")
    ] = False,
    runs_dir: RunsDir = RUNS_DIR,
    data_dir: DataDir = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Plan, build every model, say how long; write nothing."),
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train every variant of a config at every seed, and compare them.

    All runs that have the same shapes train as one program. Each variant is compared with the
    baseline seed by seed; the report says by how much it differs, and how sure that is.

    \b
    Examples:
      dlx ablate configs/ablations/activation_depth.yaml
      dlx ablate digits --vary model.activation=relu,tanh --vary model.dropout=0,0.3 --seeds 5
      dlx ablate digits --vary 'optimizer.lr=0.0001..0.1 log 4' --dry-run
    """
    from dlx import api
    from dlx.config.shipped import locate

    changes = [*(overrides or []), *(["ablation.show_test=true"] if show_test else [])]
    read = api.read_ablation(locate(config), changes, varied=vary or [], seeds=seeds, design=design)
    plan = api.plan_ablation(read, runs_dir=runs_dir, data_dir=data_dir, jobs=jobs)
    for remark in plan.remarks:
        note(f"note: {remark}")
    if dry_run:
        found = api.preview_ablation(plan)
        emit_json(found) if as_json else _emit_preview(found)
        return
    with shown(quiet) as show:
        ended = reported(
            lambda: api.train_plan(plan, runs_dir=runs_dir, jobs=jobs, show=show), as_json
        )
    emit_ablation(ended, as_json)


def resume_ablation(
    path: Path,
    only: str | None,
    seeds: str | None,
    jobs: int | None,
    data_dir: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Go on with an ablation, and print what it came to."""
    from dlx import api

    with shown(quiet) as show:
        ended = reported(
            lambda: api.resume_ablation(
                path,
                seeds=seeds,
                only_failed=only == "failed",
                data_dir=data_dir,
                jobs=jobs,
                show=show,
            ),
            as_json,
        )
    emit_ablation(ended, as_json)


def reported(train: Callable[[], "Ablation"], as_json: bool) -> "Ablation":
    """Return the trained ablation; of one that did not end well, print first what there is."""
    from dlx import api
    from dlx.api.ablation import CrashedError

    try:
        return train()
    except DlxError as error:
        # Of one that failed as a whole there is nothing to show.
        if error.run and (as_json or isinstance(error, CrashedError)):
            emit_ablation(api.Ablation(error.run), as_json)
        raise


def emit_ablation(ended: "Ablation", as_json: bool) -> None:
    """Print what an ablation came to."""
    for remark in ended.info.get("remarks") or []:
        note(f"note: {remark}")
    if as_json:
        emit_json(ended.result())
        return
    from dlx.report.ablation.reading import by_others
    from dlx.report.ablation.verdict_table import verdicts

    summary = ended.summary
    for view in (summary, *by_others(summary)):
        table = verdicts(view)
        emit_table(table.headings, table.rows, table.right)
    for warning in summary["warnings"]:
        note(f"warning: {warning}")
    emit(f"{ended.path / 'report.html'}")


def _emit_preview(found: dict[str, Any]) -> None:
    tuned = found["tuning"]
    emit(
        f"{found['name']}: {amount(len(found['variants']), 'variant')} x "
        f"{amount(len(found['seeds']), 'seed')}"
        + (f" x {found['folds']} folds" if found["folds"] else "")
        + f" = {amount(found['runs'], 'run')}"
        + (f", after {amount(tuned['runs'], 'tuning run')}" if tuned else "")
        + f"; judged by {found['metric']} against {found['baseline']!r}"
    )
    rows = [[each["name"], f"{each['parameters']:,}"] for each in found["variants"]]
    emit_table(["variant", "parameters"], rows, " r")
    emit("")
    table = [
        [
            str(each["number"]),
            each["phase"],
            each["shape"],
            f"{each['runs']:,}",
            f"{each['steps']:,}",
            f"{each['bytes'] / 2**20:,.1f}",
            f"{1e6 * each['seconds_per_step'] / each['runs']:,.1f}",
            duration(each["seconds"]),
        ]
        for each in found["cohorts"]
    ]
    headings = ["cohort", "phase", "shape", "runs", "steps", "MiB", "µs per run-step", "time"]
    emit_table(headings, table, "r  rrrrr")
    low, high = map(duration, found["range"])
    emit(f"about {duration(found['seconds'])} in all ({low} to {high}); nothing was written")
    if tuned:
        note("note: the comparison is planned once tuning is over; its time was reckoned")

"""`dlx ablate`: train and compare the variants of a config."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlx.cli.ablation_progress import shown
from dlx.cli.cluster import Address, Gpus, OnCluster, Workers, connected
from dlx.cli.options import RUNS_DIR, Changes, Config, DataDir, Json, Quiet, RunsDir
from dlx.cli.output import amount, emit, emit_json, emit_table, note, warn
from dlx.cli.progress import duration
from dlx.errors import ConfigError, DlxError

if TYPE_CHECKING:
    from dlx.ablation.cluster import Cluster
    from dlx.api.ablation import Ablation

_MOST_PAIRS = 30  # rows of the table

Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        metavar="N",
        min=1,
        help="The number of processes that train; default: chosen by the size of the work.",
    ),
]
Seeds = Annotated[
    str | None,
    typer.Option(
        "--seeds",
        metavar="N",
        help="The number of seeds, a list of seeds: '[3, 5, 8]', or '{until: decided, max: 60}', "
        "which adds seeds to the variants that are undecided.",
    ),
]


def ablate(
    config: Config,
    overrides: Changes = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=a,b,c",
            help="A key and its values, as in a YAML list, or a range: '0.001..1 log 7'; may be "
            "repeated.",
        ),
    ] = None,
    seeds: Seeds = None,
    design: Annotated[
        str | None,
        typer.Option(
            metavar="DESIGN",
            help="How values make variants: grid (all combinations), one_at_a_time, zip or list.",
        ),
    ] = None,
    comparisons: Annotated[
        str | None,
        typer.Option(
            metavar="WHICH",
            help="What is compared: each variant with the baseline, or all pairs too: baseline or "
            "all, which also names the group that is not shown to be worse than the best.",
        ),
    ] = None,
    jobs: Jobs = None,
    cluster: OnCluster = None,
    address: Address = None,
    workers: Workers = None,
    gpus_per_worker: Gpus = None,
    show_test: Annotated[
        bool, typer.Option("--show-test", help="Show the test metrics of every variant.")
    ] = False,
    runs_dir: RunsDir = RUNS_DIR,
    data_dir: DataDir = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Build every network, estimate the time, print; write nothing."
        ),
    ] = False,
    pilot: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=2,
            help="Train the first N seeds alone, and say which differences all seeds will find; "
            "`dlx resume` goes on with the others. With --dry-run the runs are not kept.",
        ),
    ] = None,
    anyway: Annotated[
        bool,
        typer.Option("--anyway", help="Train even if nothing can be decided, as with one seed."),
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train all variants of a config at several seeds; compare them.

    Runs whose networks have the same shapes train together, as one program. Each variant is
    compared with the baseline, seed by seed: the report says how much it differs, and how certain
    the difference is. results.csv lists all runs with their numbers; `dlx evaluate ABLATION#17` and
    every other command take one of them.

    \b
    Examples:
      dlx ablate configs/ablations/activation_depth.yaml
      dlx ablate digits --vary model.activation=relu,tanh --vary model.dropout=0,0.3 --seeds 5
      dlx ablate digits --vary 'optimizer.lr=0.0001..0.1 log 4' --dry-run
      dlx ablate digits --vary optimizer=sgd,adam --pilot 3
      dlx ablate iris --vary model.activation=relu,tanh --seeds '{until: decided, max: 20}'
      dlx ablate digits --vary optimizer=sgd,adam --seeds 3 --cluster ray --address local
    """
    from dlx import api
    from dlx.config.shipped import locate
    from dlx.report.ablation import prospects

    changes = [*(overrides or []), *(["ablation.show_test=true"] if show_test else [])]
    resolved = api.read_ablation(
        locate(config),
        changes,
        varied=vary or [],
        seeds=seeds,
        design=design,
        comparisons=comparisons,
    )
    with connected(cluster, address, workers, gpus_per_worker, jobs) as own:
        jobs = jobs if own is None else own.workers
        plan = api.plan_ablation(resolved, runs_dir=runs_dir, data_dir=data_dir, jobs=jobs)
        warn(plan.remarks, "note")
        warn(plan.warnings)
        if dry_run:
            with shown(quiet or pilot is None) as show:
                document = api.preview_ablation(
                    plan, runs_dir=runs_dir, pilot=pilot, jobs=jobs, show=show, cluster=own
                )
            warn(prospects.same(document))
            if document["refusal"] and not anyway:
                warn([f"this is trained by --anyway alone: {document['refusal']}"])
            emit_json(document) if as_json else _emit_preview(document)
            return
        foreseen = api.foresee_ablation(plan, runs_dir=runs_dir)
        warn(prospects.same(foreseen))
        if foreseen["refusal"] and not anyway:
            raise ConfigError(f"{foreseen['refusal']}, or train without verdicts by --anyway")
        if not quiet:
            warn(prospects.sentences(foreseen), "note")
        with shown(quiet) as show:
            ablation = _trained(
                lambda: api.train_plan(
                    plan, runs_dir=runs_dir, pilot=pilot, jobs=jobs, show=show, cluster=own
                ),
                as_json,
            )
        if pilot is None:
            _emit_ablation(ablation, as_json)
            return
        foreseen = api.foresee_ablation(plan, pilot=ablation)
        if as_json:
            emit_json(ablation.result() | {"pilot": foreseen})
            return
        _emit_ablation(ablation, as_json)
        _emit_pilot(foreseen, ablation.path)


def resume_ablation(
    path: Path,
    only: str | None,
    seeds: str | None,
    jobs: int | None,
    allow_inexact: bool,
    data_dir: Path | None,
    as_json: bool,
    quiet: bool,
    cluster: "Cluster | None",
) -> None:
    """Continue an ablation, and print its results."""
    from dlx import api

    with shown(quiet) as show:
        ablation = _trained(
            lambda: api.resume_ablation(
                path,
                seeds=seeds,
                only_failed=only == "failed",
                data_dir=data_dir,
                jobs=jobs,
                allow_inexact=allow_inexact,
                show=show,
                cluster=cluster,
            ),
            as_json,
        )
    _emit_ablation(ablation, as_json)


def _trained(train: Callable[[], "Ablation"], as_json: bool) -> "Ablation":
    """Return the trained ablation; if some of its runs failed, print the results before the error.

    As JSON the results of an ablation that was stopped are printed too.
    """
    from dlx import api
    from dlx.api.ablation import CrashedError

    try:
        return train()
    except DlxError as error:
        if error.run and (as_json or isinstance(error, CrashedError)):
            _emit_ablation(api.Ablation(error.run), as_json)
        raise


def _emit_ablation(ablation: "Ablation", as_json: bool) -> None:
    warn(ablation.info.get("remarks") or [], "note")
    if as_json:
        emit_json(ablation.result())
        return
    from dlx.report.ablation.reading import by_others
    from dlx.report.ablation.verdict_table import best_group, pairs, verdicts

    summary = ablation.summary
    for view in (summary, *by_others(summary)):
        table = verdicts(view)
        emit_table(table.headings, table.rows, table.right)
    if summary["pairs"]:
        table = pairs(summary)
        emit("")
        emit_table(table.headings, table.rows[:_MOST_PAIRS], table.right)
        if (more := len(table.rows) - _MOST_PAIRS) > 0:
            note(f"and {more:,} more pairs, in the report")
    if summary["best_group"]:
        emit(best_group(summary))
    warn(summary["warnings"])
    emit(f"{ablation.path / 'report.html'}")


def _up_to(least: int, most: int, what: str) -> str:
    """Return an amount, or two of them: `5 to 60 seeds`."""
    return amount(least, what) if least == most else f"{least:,} to {amount(most, what)}"


def _emit_pilot(document: Mapping[str, Any], path: Path) -> None:
    """Print what a pilot says of all seeds, and how to go on."""
    from dlx.report.ablation import prospects

    if document["variances"] is None:
        note(
            "the pilot does not show how far differences vary: its pairs are equal or missing, or "
            "success is judged"
        )
    else:
        table = prospects.table(document)
        emit("")
        emit_table(table.headings, table.rows, table.right)
        emit(prospects.found(document))
    if document["looks"]:
        emit(f"`dlx resume {path}` adds seeds, at most {document['most_seeds']:,}")
    else:
        emit(f"`dlx resume {path}` trains the other seeds; with --seeds N so many in all")


def _emit_preview(document: dict[str, Any]) -> None:
    tuning = document["tuning"]
    emit(
        f"{document['name']}: {amount(len(document['variants']), 'variant')} x "
        f"{_up_to(len(document['seeds']), document['most_seeds'], 'seed')}"
        + (f" x {document['folds']} folds" if document["folds"] else "")
        + f" = {_up_to(document['runs'], document['most_runs'], 'run')}"
        + (f", after {amount(tuning['runs'], 'tuning run')}" if tuning else "")
        + f"; judged by {document['metric']} against {document['baseline']!r}"
    )
    from dlx.report.ablation import prospects

    for sentence in prospects.sentences(document):
        emit(sentence)
    table = prospects.table(document)
    emit_table(table.headings, table.rows, table.right)
    emit("")
    rows = [
        [
            str(cohort["number"]),
            cohort["phase"],
            cohort["shape"],
            cohort["engine"],
            f"{cohort['runs']:,}",
            f"{cohort['steps']:,}",
            f"{cohort['bytes'] / 2**20:,.1f}",
            f"{1e6 * cohort['seconds_per_step'] / cohort['runs']:,.1f}",
            duration(cohort["seconds"]),
        ]
        for cohort in document["cohorts"]
    ]
    headings = ["cohort", "phase", "shape", "engine", "runs", "steps", "MiB", "µs/run-step", "time"]
    emit_table(headings, rows, "r   rrrrr")
    reasons = {c["engine_reason"] for c in document["cohorts"] if c["engine_reason"]}
    for reason in sorted(reasons):
        emit(f"the native engine does not train all of them: {reason}")
    for cohort in document["cohorts"]:
        if cohort["diverging"]:
            path, reason = next(iter(cohort["diverging"].items()))
            emit(
                f"{len(cohort['diverging']):,} of cohort {cohort['number']} will diverge before "
                f"the first step ({path}: {reason})"
            )
    low, high = map(duration, document["range"])
    whole = "for the first seeds" if document["looks"] else "in all"
    emit(f"about {duration(document['seconds'])} {whole} ({low} to {high}); nothing was written")
    if tuning:
        note("note: the comparison is planned after tuning; its time is an estimate")

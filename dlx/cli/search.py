"""`dlx search`: find good values of a config."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlx.cli import completion
from dlx.cli.ablation import Jobs
from dlx.cli.ablation_progress import shown
from dlx.cli.cluster import Address, Gpus, OnCluster, Workers, connected
from dlx.cli.options import RUNS_DIR, Changes, Config, DataDir, Json, Quiet, RunsDir, Seed
from dlx.cli.output import amount, emit, emit_json, emit_table, warn
from dlx.cli.progress import duration
from dlx.errors import DlxError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dlx.ablation.cluster import Cluster
    from dlx.api.searching import Search

Test = Annotated[
    bool, typer.Option("--test", help="Look at the test rows, once, when the search has ended.")
]


def search(
    config: Config,
    overrides: Changes = None,
    space: Annotated[
        list[str] | None,
        typer.Option(
            "--space",
            metavar="KEY=VALUES",
            help="A key and its values: a range, '1e-4..1e-1 log' or 16..256, or a list "
            "'[64],[128,128]'; may be repeated.",
            autocompletion=completion.changes,
        ),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="The number of trials; default: 100.")
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="The seeds that a trial is the mean of; default: 3."),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="What is made as good as it can be: a metric, parameters or seconds_per_step; "
            "several: the trials that no other one beats.  [default: dev.accuracy, else dev.cost]",
        ),
    ] = None,
    constraint: Annotated[
        list[str] | None,
        typer.Option(metavar="BOUND", help="A bound: 'parameters < 1e5'; may be repeated."),
    ] = None,
    sampler: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="tpe, cmaes, gp, random or grid; default: tpe."),
    ] = None,
    pruner: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What lets trials leave early: none, asha, hyperband or wilcoxon; default: none.",
        ),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Trials that are chosen at once; default: a fifth of all."
        ),
    ] = None,
    test: Test = False,
    jobs: Jobs = None,
    cluster: OnCluster = None,
    address: Address = None,
    workers: Workers = None,
    gpus_per_worker: Gpus = None,
    runs_dir: RunsDir = RUNS_DIR,
    data_dir: DataDir = None,
    seed: Seed = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Choose and build the first batch, print; write nothing."),
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find good values of a config; say whether they are better.

    Optuna chooses a batch of trials, which train together, as one program, each at several seeds;
    what they come to decides the next batch. Rows held out before the first trial then judge the
    best values against the config's own, at fresh seeds: the answer may be `tuned, but not better`.

    \b
    Examples:
      dlx search digits name=rates --space 'optimizer.lr=1e-4..1e-1 log' --trials 20 --seeds 2
      dlx search search/digits --dry-run
    """
    from dlx import api
    from dlx.config.shipped import locate

    read = api.read_search(
        locate(config),
        [*(overrides or []), *([] if seed is None else [f"seed={seed}"])],
        searched=space or [],
        trials=trials,
        seeds=seeds,
        metric=metric,
        constraints=constraint,
        sampler=sampler,
        pruner=pruner,
        batch=batch,
    )
    plan = api.plan_search(read, runs_dir=runs_dir, data_dir=data_dir, jobs=jobs)
    warn(plan.remarks, "note")
    with connected(cluster, address, workers, gpus_per_worker, jobs) as own:
        if dry_run:
            document = api.preview_search(plan)
            emit_json(document) if as_json else _emit_preview(document)
            return
        with shown(quiet) as show:
            found = _ended(
                lambda: api.search(plan, runs_dir=runs_dir, show_test=test, show=show, cluster=own),
                as_json,
            )
    _emit(found, as_json)


def resume_search(
    path: Path,
    test: bool,
    jobs: int | None,
    data_dir: Path | None,
    as_json: bool,
    quiet: bool,
    cluster: "Cluster | None",
) -> None:
    """Continue a search, and print its results."""
    from dlx import api

    with shown(quiet) as show:
        ended = _ended(
            lambda: api.resume_search(
                path, show_test=test, data_dir=data_dir, jobs=jobs, show=show, cluster=cluster
            ),
            as_json,
        )
    _emit(ended, as_json)


def _ended(train: "Callable[[], Search]", as_json: bool) -> "Search":
    """Return the search that has ended; what it came to is printed before an error too.

    Of a search that has not ended that is known as JSON alone.
    """
    from dlx import api
    from dlx.api.experiment import CrashedError

    try:
        return train()
    except DlxError as error:
        if error.run and as_json:
            emit_json(api.Search(error.run).result())
        elif error.run and isinstance(error, CrashedError):
            _emit(api.Search(error.run), as_json)
        raise


def _emit(found: "Search", as_json: bool) -> None:
    warn(found.info.get("remarks") or [], "note")
    if as_json:
        emit_json(found.result())
        return
    from dlx.report.search.words import answer, best_trials, tested

    summary = found.summary
    emit_table(*best_trials(summary))
    emit("")
    for sentence in (*answer(summary), *tested(summary)):
        emit(sentence)
    warn((summary["verdict"] or {}).get("warnings") or [])
    if summary["best"] is not None:
        emit(f"{found.best}")
    emit(f"{found.path / 'report.html'}")


def _emit_preview(document: dict[str, Any]) -> None:
    from dlx.ablation.variants import show as in_short

    emit(
        f"{document['name']}: {amount(document['trials'], 'trial')} of "
        f"{amount(len(document['seeds']), 'seed')}, in batches of {document['batch']}, then 2 "
        f"configs at {len(document['judge_seeds'])} fresh seeds: {document['runs']:,} runs; "
        f"by {' and '.join(document['objectives'])}"
    )
    first = document["first"]
    if (number := first[0]["number"]) > 1:
        emit(f"no trial before {number} makes a step; the batch that begins with it:")
    rows = [
        [f"{own['number']}", *map(in_short, own["settings"].values()), own["state"] or ""]
        for own in first
    ]
    emit_table(["trial", *document["space"], ""], rows, "r")
    for own in first:
        if own["reason"]:
            emit(f"trial {own['number']}: {own['reason']}")
    emit("")
    shapes = [
        [own["shape"], f"{own['runs']:,}", f"{own['steps']:,}", duration(own["seconds"])]
        for own in document["cohorts"]
    ]
    emit_table(["cohorts of the batch", "runs", "steps", "time"], shapes, " rrr")
    low, high = map(duration, document["range"])
    emit(f"about {duration(document['seconds'])} in all ({low} to {high}); nothing was written")

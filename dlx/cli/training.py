"""`dlx train` and `dlx resume`: train a run, continue a run or an ablation."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlx.cli.ablation import Jobs, Seeds, resume_ablation
from dlx.cli.cluster import Address, Gpus, OnCluster, Workers, connected
from dlx.cli.options import CONFIG, RUNS_DIR, Changes, DataDir, Json, Quiet, RunPath, RunsDir, Seed
from dlx.cli.output import (
    amount,
    bits_elsewhere,
    emit,
    emit_findings,
    emit_json,
    emit_result,
    emit_table,
    note,
    warn,
)
from dlx.cli.progress import shown
from dlx.cli.search import Test, resume_search
from dlx.errors import ConfigError, DlxError

if TYPE_CHECKING:
    from dlx.api import Training
    from dlx.training.job import Job

NoFigures = Annotated[bool, typer.Option("--no-figures", help="Draw no figures after training.")]


def train(
    config: Annotated[str | None, CONFIG] = None,
    overrides: Changes = None,
    ablation: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="ABLATION",
            help="Train one run of this ablation again; with --variant, without CONFIG.",
        ),
    ] = None,
    variant: Annotated[
        str | None, typer.Option(metavar="NAME", help="The run's variant, with --from.")
    ] = None,
    fold: Annotated[
        int | None, typer.Option(metavar="N", help="The run's fold, with --from.")
    ] = None,
    runs_dir: RunsDir = RUNS_DIR,
    data_dir: DataDir = None,
    seed: Seed = None,
    no_figures: NoFigures = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Build the network, pass one batch through it, print; write nothing."
        ),
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train one run, as a config describes it.

    The run's folder is DIR/NAME/ID. It holds the resolved config, metrics, checkpoints, weights,
    figures and the curves for TensorBoard. Ctrl-C saves the run; `dlx resume` continues it.
    Metrics are printed before the figures are drawn.

    \b
    Examples:
      dlx train configs/mnist.yaml
      dlx train digits optimizer.lr=0.01 model.hidden=[100,100] --seed 3
      dlx train xor optimizer=sgd --dry-run
      dlx train --from runs/mnist_knobs/ID --variant dropout=0.3 --seed 1
    """
    from dlx import api
    from dlx.config.shipped import locate
    from dlx.report.run_preview import preview

    changes = list(overrides or [])
    if ablation is not None:
        if config is not None:  # the first word after the options is KEY=VALUE here
            changes.insert(0, config)
        chosen = api.run_config(ablation, variant, seed, fold, runs_dir=runs_dir)
    elif config is None:
        raise ConfigError("missing argument 'CONFIG' (see `dlx train --help`)")
    else:
        for option, value in (("--variant", variant), ("--fold", fold)):
            if value is not None:
                raise ConfigError(f"{option} {value}: it goes with --from ABLATION; leave it out")
        chosen = locate(config)
        changes += [] if seed is None else [f"seed={seed}"]
    job = api.prepare(chosen, changes, runs_dir=runs_dir, data_dir=data_dir)
    _remark(job, config or "")
    if dry_run:
        document = preview(job)
        emit_json(document) if as_json else _emit_preview(document)
        return
    _finish(api.new_training(job, runs_dir=runs_dir), no_figures, as_json, quiet)


def resume(
    run: RunPath,
    overrides: Changes = None,
    only: Annotated[
        str | None,
        typer.Option(metavar="failed", help="Train those runs of an ablation again that failed."),
    ] = None,
    seeds: Seeds = None,
    test: Test = False,
    jobs: Jobs = None,
    cluster: OnCluster = None,
    address: Address = None,
    workers: Workers = None,
    gpus_per_worker: Gpus = None,
    allow_inexact: Annotated[
        bool,
        typer.Option(
            "--allow-inexact",
            help="Go on with another torch, processor or arithmetic, and own threads.",
        ),
    ] = False,
    no_figures: NoFigures = False,
    runs_dir: RunsDir = RUNS_DIR,
    data_dir: DataDir = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Continue what was stopped, or extend what has ended.

    KEY=VALUE changes train. and log. keys of a run from here on; a change that cannot be made to a
    run that has begun is refused, with the reason. A finished run goes on if it is given more steps
    (train.epochs=40), a finished ablation if it is given more seeds. A schedule that more steps
    stretch is warned of, and run.json keeps how the run came about. A run of an ablation is never
    changed: KEY=VALUE then trains a new run from the start.

    A run goes on as if it had never stopped, with as many threads as before. With another version
    of torch, another processor or another arithmetic of the native engine the bits would differ:
    that is refused, unless --allow-inexact is given, of which run.json keeps a note.

    \b
    Examples:
      dlx resume latest
      dlx resume mnist train.epochs=40
      dlx resume runs/activation_depth/ID --seeds 20
    """
    from dlx import api
    from dlx.training.finding import find

    # KEY=VALUE is for a run: then a name does not mean an ablation of this name.
    directory = find(run, runs_dir, prefer="run" if overrides else None)
    if directory.read_info()["kind"] == "ablation":
        if overrides:
            raise ConfigError(
                f"{overrides[0]}: an ablation that has begun keeps its config; add seeds with "
                "--seeds, or start a new one"
            )
        if only not in (None, "failed"):
            raise ConfigError(f"--only: received {only!r}; allowed: failed")
        with connected(cluster, address, workers, gpus_per_worker, jobs) as own:
            resume_ablation(
                *(directory.path, only, seeds, jobs, allow_inexact, data_dir, as_json, quiet, own)
            )
        return
    if directory.read_info()["kind"] == "search":
        if overrides or only or seeds:
            raise ConfigError(
                f"{directory.path} is a search, which goes on as it began: leave out KEY=VALUE, "
                "--only and --seeds, or start a new one"
            )
        with connected(cluster, address, workers, gpus_per_worker, jobs) as own:
            resume_search(directory.path, test, jobs, data_dir, as_json, quiet, own)
        return
    if test:
        raise ConfigError(f"--test: {directory.path} is a run; --test is for searches")
    if only or seeds or jobs:
        raise ConfigError(
            f"{directory.path} is a run: --only, --seeds and --jobs are for ablations"
        )
    if cluster or address or workers or gpus_per_worker is not None:
        raise ConfigError(
            f"{directory.path} is a run, which this machine trains; --cluster is for ablations and "
            "searches"
        )

    training = api.resumed_training(
        directory.path,
        overrides or [],
        runs_dir=runs_dir,
        data_dir=data_dir,
        allow_inexact=allow_inexact,
    )
    if training is None:
        result = api.load(directory.path).result()
        emit_json(result) if as_json else emit_result(result)
        return
    if training.path != directory.path:
        note(
            f"note: {directory.path} is a run of an ablation and stays as it is; this is a new run"
        )
    warn(training.remarks)
    _finish(training, no_figures, as_json, quiet)


def _finish(training: "Training", no_figures: bool, as_json: bool, quiet: bool) -> None:
    """Train a run, print its metrics, then draw its figures.

    If the run fails or diverges, the JSON is printed before the error.
    """
    from dlx import api

    try:
        with shown(quiet) as show:
            run = training.train(show)
    except DlxError as error:
        if as_json and error.run:
            emit_json(api.load(error.run).result())
        raise
    linear = {"linear_model": training.linear_model()}
    if not as_json:
        emit_result(run.result() | linear)
    diagnosis = training.diagnose()
    if as_json:
        emit_json(run.result() | linear | {"diagnosis": diagnosis})
    else:
        emit_findings(diagnosis["findings"], most=5)
    if not no_figures:
        training.draw()


def _remark(job: "Job", config: str) -> None:
    if job.config.ablation is not None:
        note(f"note: this trains the base run of {config}, without its ablation")
    warn(job.remarks, "note")
    warn(job.splits.warnings)


def _emit_preview(document: dict[str, Any]) -> None:
    data, rows = document["data"], document["data"]["rows"]
    sizes = ", ".join(f"{count:,} {part}" for part, count in rows.items())
    emit(f"{document['name']}: {data['name']} ({sizes} rows), {data['task']}")
    if document["input_dropout"]:
        emit(f"dropout {document['input_dropout']} of the inputs")
    if document["input_noise"]:
        emit(f"noise {document['input_noise']} on the inputs")
    if document["corruption"]:
        name, *options = document["corruption"].values()
        emit(f"{name.replace('_', ' ')} {', '.join(map(str, options))} of the inputs")
    table = [
        [
            layer["name"],
            f"{layer['inputs']:,} → {layer['outputs']:,}",
            layer["activation"] or "",
            layer["init"] or "",
            _extras(layer),
            f"{layer['parameters']:,}",
        ]
        for layer in document["layers"]
    ]
    table[-1][2] = document["output"]
    emit_table(["layer", "shape", "activation", "init", "", "parameters"], table, " " * 5 + "r")
    emit(
        f"{amount(document['parameters'], 'parameter')}; {amount(document['steps'], 'step')} of "
        f"{document['optimizer']} in batches of {document['batch_size']:,} "
        f"({amount(document['epochs'], 'epoch')}) on {document['device']} by the "
        f"{document['engine']} engine, "
        f"evaluated every {amount(document['evaluate_every'], 'step')}"
    )
    if document["engine_reason"]:
        emit(f"the native engine does not train it: {document['engine_reason']}")
    emit(bits_elsewhere(document["differs_elsewhere"]))
    emit(f"first batch: {document['loss']} {document['cost']:.4g}; nothing was written")


def _extras(layer: dict[str, Any]) -> str:
    extras = [
        f"{name.replace('_', ' ')} {layer[name]}"
        for name in ("batch_norm", "layer_norm", "noise")
        if layer[name]
    ]
    if layer["weight_norm"]:
        extras.append("weight norm")
    if layer["pieces"] > 1:
        extras.append(f"largest of {layer['pieces']}")
    if layer["dropout"]:
        extras.append(f"{layer['dropout_kind'].replace('_', ' ')} {layer['dropout']}")
    return ", ".join(extras)

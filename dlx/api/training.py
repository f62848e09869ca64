"""Train a config's run in a directory, and go on with one that stopped."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dlx import plugins
from dlx.api.figures import trained
from dlx.api.inputs import RUNS_DIR, data_directory, read_config
from dlx.api.run import Run, load
from dlx.config import load as config_files
from dlx.config.schema import RunConfig
from dlx.data.pipeline import load as load_data
from dlx.denormals import flushed_denormals
from dlx.errors import ConfigError, DataError, DivergedError, DlxError, RunError, RunInUseError
from dlx.report.figures import write
from dlx.runs import RunDirectory
from dlx.training import job as jobs
from dlx.training import session
from dlx.training.progress import Show
from dlx.training.transfer import located

_RESUMABLE = ("train.", "log.")
_FIXED = ("train.batch_size",)


@flushed_denormals()
def prepare(
    config: RunConfig | str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    runs_dir: Path | str = RUNS_DIR,
    data_dir: Path | str | None = None,
) -> jobs.Job:
    """Return a config's run, ready to train: data loaded, network designed, all checked.

    Args:
        config: a path to YAML, a mapping of the same form, or a config
        overrides: KEY=VALUE, the value read as YAML
        runs_dir: where a run that it starts from (`model.from_run`) is looked for
        data_dir: where data sets are kept; default: $DLX_DATA, else the user's cache

    Raises:
        ConfigError: the config cannot be used
        DataError: the data are missing or damaged
    """
    config = located(read_config(config, overrides), Path(runs_dir))
    return jobs.prepare(config, load_data(config.data, data_directory(data_dir)))


def train(
    config: RunConfig | str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    runs_dir: Path | str = RUNS_DIR,
    data_dir: Path | str | None = None,
    show: Show = lambda progress: None,
) -> Run:
    """Train a config's run in a new directory `runs_dir/<name>/<id>`.

    Args:
        config: a path to YAML, a mapping of the same form, or a config
        overrides: KEY=VALUE, the value read as YAML
        runs_dir: where runs are kept, and one that it starts from is looked for
        data_dir: where data sets are kept; default: $DLX_DATA, else the user's cache
        show: is told of progress

    Raises:
        ConfigError, DataError: before anything is written
        DivergedError: a cost was not finite
        Interrupted: SIGINT or SIGTERM, after saving
        StorageError: a file could not be written
    """
    job = prepare(config, overrides, runs_dir=runs_dir, data_dir=data_dir)
    return train_job(job, runs_dir=runs_dir, show=show)


@flushed_denormals()
def train_job(
    job: jobs.Job, *, runs_dir: Path | str = RUNS_DIR, show: Show = lambda progress: None
) -> Run:
    """Train a prepared run in a new directory; see `train`."""
    run = RunDirectory.create(
        Path(runs_dir),
        job.config.name,
        config=config_files.dump(job.config),
        seed=job.config.seed,
        plugins=plugins.loaded(),
    )
    return _train(job, run, show)


@flushed_denormals()
def resume(
    run: Path | str,
    overrides: Sequence[str] = (),
    *,
    runs_dir: Path | str = RUNS_DIR,
    data_dir: Path | str | None = None,
    show: Show = lambda progress: None,
) -> Run:
    """Go on with a stopped run; a finished one is left alone unless an override extends it.

    Where files of a finished run are missing or damaged, they are written again.

    Args:
        run: a path, a name (its newest run), an id or 'latest'
        overrides: of `train.` and `log.` keys, such as train.epochs=40
        runs_dir: where runs are kept
        data_dir: where data sets are kept
        show: is told of progress

    Raises:
        ConfigError: an override of what a trained run cannot change
        RunError: no such run, or no checkpoint of it can be used
    """
    loaded = load(run, runs_dir=runs_dir)
    for override in overrides:
        key = override.split("=", 1)[0]
        if not key.startswith(_RESUMABLE) or key in _FIXED:
            raise ConfigError(
                f"{override}: a run that has begun keeps its {key}; only train.* (but not "
                "batch_size) and log.* can change; train a new run for anything else"
            )
    if not overrides and loaded.status in ("completed", "stopped_early") and _is_whole(loaded):
        return loaded
    if loaded.status == "diverged":
        raise DivergedError(f"{loaded.info.get('reason')}; train a new run ({loaded.path})")
    config = read_config(loaded.config, overrides)
    splits = load_data(config.data, data_directory(data_dir))
    directory = RunDirectory(loaded.path)
    recorded = loaded.info.get("data_fingerprint")
    if recorded is not None and splits.fingerprint != recorded:
        raise DataError(
            f"the data {config.data.name!r} have changed since {loaded.path} began; train a new run"
        )
    job = jobs.prepare(config, splits)
    return _train(job, directory, show, changed=bool(overrides))


def _is_whole(run: Run) -> bool:
    """Say whether all that a finished run is used with can be read."""
    try:
        for needed in ("tensors", "preprocessing", "encoder"):
            getattr(run, needed)
    except RunError:
        return False
    return True


def _train(job: jobs.Job, directory: RunDirectory, show: Show, *, changed: bool = False) -> Run:
    """Train in a directory; an error that ends the run says which run it was."""
    try:
        session.train(job, directory, show, changed=changed)
        run = load(directory.path)
        if job.config.log.level != "minimal":
            drawn = trained(run, jobs.targeted(job.config, job.labelled), job.labelled)
            everything = job.config.log.level == "full"
            write(directory.path / "figures", drawn, everything=everything)
    except RunInUseError:
        raise
    except DlxError as error:
        error.run = directory.path
        raise
    return run

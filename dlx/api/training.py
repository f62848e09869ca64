"""Train a config's run in a directory, and go on with one that stopped."""

import signal
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dlx import plugins
from dlx.api.inputs import RUNS_DIR, data_directory, read_config
from dlx.api.run import Run, load
from dlx.config import load as config_files
from dlx.config.schema import RunConfig
from dlx.data.pipeline import Pool, load_chosen
from dlx.data.pipeline import load_of as load_data
from dlx.denormals import flushed_denormals
from dlx.errors import ConfigError, DataError, DivergedError, DlxWarning, Interrupted, RunError
from dlx.report.run.observer import RunObserver
from dlx.runs import RunDirectory, checkpoints, timestamp
from dlx.training import exactness, resuming
from dlx.training import job as jobs
from dlx.training.finding import find_run, is_of_ablation
from dlx.training.linear_model import linear_model
from dlx.training.process import breaking_off, in_training, signals
from dlx.training.records import Show
from dlx.training.session import Stopped
from dlx.training.store import RunStore
from dlx.training.train import train as train_jobs
from dlx.training.transfer import located, refuse_leaks, split_of_source


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
        config: a path to YAML, the name of a config that comes with dlx, a mapping of the same
            form, or a config
        overrides: KEY=VALUE, the value read as YAML
        runs_dir: where a run that it starts from (`model.from_run`) is looked for
        data_dir: where data sets are kept; default: $DLX_DATA, else the user's cache

    Raises:
        ConfigError: the config cannot be used
        DataError: the data are missing or damaged
    """
    config = located(read_config(config, overrides), Path(runs_dir))
    jobs.refuse_watched_dev(config)
    config = config_files.assign(config, split_of_source(config))
    pool = Pool(load_chosen(config.data, data_directory(data_dir)))
    splits = pool.split_for(config)
    refuse_leaks(config, splits, pool)
    return jobs.prepare(config, splits)


class Training:
    """A run in its directory, to be trained and then drawn.

    Args:
        job: the run
        directory: its directory
        change: where its config is not the one that the directory holds, what run.json says of it
        remarks: sentences for the user about that
        inexact: what may be other than when its checkpoint was saved, see `dlx.training.exactness`
    """

    def __init__(
        self,
        job: jobs.Job,
        directory: RunDirectory,
        *,
        change: Mapping[str, Any] | None = None,
        remarks: Sequence[str] = (),
        inexact: Sequence[str] = (),
    ) -> None:
        self.remarks = tuple(remarks)
        self._inexact = inexact
        self._job = job
        self._directory = directory
        self._change = change
        self._observer = RunObserver(job, directory.path)

    @property
    def path(self) -> Path:
        """The run's directory."""
        return self._directory.path

    @flushed_denormals()
    def train(self, show: Show = lambda progress: None) -> Run:
        """Train the run to its end.

        Raises:
            DivergedError: a cost was not finite
            Interrupted: SIGINT or SIGTERM, after saving
            StorageError: a file could not be written
            InexactError: it would go on with other bits
            MemoryLimitError: the machine or device ran out of memory
            RunInUseError: another process trains the run
        """
        directory, began = self._directory, time.monotonic()
        with in_training(directory), signals() as received:
            store = RunStore(directory, self._job, change=self._change)
            store.start()
            try:
                remarks = train_jobs(
                    [self._job],
                    store,
                    [self._observer],
                    cache=directory.cache,
                    show=show,
                    stop=lambda: bool(received),
                    began=began,
                    inexact=self._inexact,
                )
            except Stopped:
                raise _interrupted(directory, received[0]) from None
            except KeyboardInterrupt:
                if not received:  # it is not ours
                    raise
                raise _broken_off(directory, received[0]) from None
            if remarks:
                directory.write_info(warnings=remarks)
            for remark in remarks:
                if remark not in store.told:
                    warnings.warn(remark, DlxWarning, stacklevel=2)
            if store.outcome is not None and store.outcome.status == "diverged":
                raise _diverged(self._job, directory)
        return load(directory.path)

    def linear_model(self) -> Mapping[str, Mapping[str, float]]:
        """Return the metrics of a linear model of the same table, by split, see `linear_model`."""
        return linear_model(self._job.splits, self._job.member.metrics)

    def diagnose(self) -> dict[str, Any]:
        """Return what stands out in the run, which has ended, see `diagnose_run`.

        The same stands on TensorBoard's Text page.
        """
        from dlx.api.diagnosis import diagnose_run

        path = self._directory.path
        with breaking_off(f": the run has ended; `dlx diagnose {path}` says what stands out in it"):
            diagnosis = diagnose_run(load(path), labelled=self._job.labelled)
            self._observer.diagnosed(diagnosis["findings"])
        return diagnosis

    @flushed_denormals()
    def draw(self) -> list[Path]:
        """Draw the run that has been trained: figures in its folder, the same in TensorBoard.

        Raises:
            Interrupted: SIGINT or SIGTERM
            StorageError: a file cannot be written
        """
        path = self._directory.path
        with breaking_off(
            f": the run has ended, but its pictures are not whole; `dlx figures {path}` draws them"
        ):
            return self._observer.draw()


def _interrupted(directory: RunDirectory, number: int) -> Interrupted:
    info = directory.read_info()
    where = f"at step {info['steps']}" if info["status"] == "interrupted" else "in pre-training"
    if info["status"] != "interrupted":
        directory.write_info(status="interrupted", ended=timestamp())
    name = signal.Signals(number).name
    return Interrupted(
        f"stopped by {name} {where}, saved; `dlx resume {directory.path}` goes on", number
    )


def _broken_off(directory: RunDirectory, number: int) -> Interrupted:
    directory.write_info(status="interrupted", ended=timestamp())
    newest = checkpoints.newest_step(directory.checkpoints)
    where = "the start" if newest is None else f"step {newest}"
    return Interrupted(
        f"stopped by {signal.Signals(number).name} at once, without saving; "
        f"`dlx resume {directory.path}` goes on from {where}",
        number,
    )


def _diverged(job: jobs.Job, directory: RunDirectory) -> DivergedError:
    return DivergedError(f"{job.divergence(directory.read_info()['reason'])} ({directory.path})")


def new_training(job: jobs.Job, *, runs_dir: Path | str = RUNS_DIR) -> Training:
    """Return a prepared run in a new directory `runs_dir/<name>/<id>`."""
    directory = RunDirectory.create(
        Path(runs_dir),
        job.config.name,
        config=config_files.dump(job.config),
        seed=job.config.seed,
        plugins=plugins.loaded(),
    )
    return Training(job, directory)


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
        config: a path to YAML, the name of a config that comes with dlx, a mapping of the same
            form, or a config
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
    training = new_training(job, runs_dir=runs_dir)
    run = training.train(show)
    training.draw()
    return run


def resume(
    run: Path | str,
    overrides: Sequence[str] = (),
    *,
    runs_dir: Path | str = RUNS_DIR,
    data_dir: Path | str | None = None,
    allow_inexact: bool = False,
    show: Show = lambda progress: None,
) -> Run:
    """Go on with a stopped run; a finished one is left alone unless an override extends it.

    Arguments and errors are those of `resumed_training`.
    """
    training = resumed_training(
        run, overrides, runs_dir=runs_dir, data_dir=data_dir, allow_inexact=allow_inexact
    )
    if training is None:
        return load(run, runs_dir=runs_dir)
    ended = training.train(show)
    training.draw()
    return ended


@flushed_denormals()
def resumed_training(
    run: Path | str,
    overrides: Sequence[str] = (),
    *,
    runs_dir: Path | str = RUNS_DIR,
    data_dir: Path | str | None = None,
    allow_inexact: bool = False,
) -> Training | None:
    """Return what is left to do of a run, None if there is nothing.

    Where files of a finished run are missing or damaged, they are written again. A run of an
    ablation never changes: with overrides it becomes a new run, which is trained from the start.

    Args:
        run: a path, a name (its newest run), an id or 'latest'
        overrides: of `train.` and `log.` keys, such as train.epochs=40
        runs_dir: where runs are kept
        data_dir: where data sets are kept
        allow_inexact: whether it may go on with this process's threads, torch and processor where
            the checkpoint has others; default: its threads are taken over, others are refused

    Raises:
        ConfigError: an override of what a trained run cannot change
        RunError: no such run, or no checkpoint of it can be used
        DataError: the data are missing or changed
    """
    directory = find_run(run, Path(runs_dir))
    loaded = load(directory.path)
    resuming.check_keys(list(overrides))
    if overrides and is_of_ablation(directory):  # which never changes
        job = prepare(loaded.config, overrides, runs_dir=runs_dir, data_dir=data_dir)
        return new_training(job, runs_dir=runs_dir)
    remarks: list[str] = []
    if not overrides and loaded.status in ("completed", "stopped_early"):
        damaged = _damaged(loaded)
        if damaged is None:
            return None
        remarks.append(f"the run's end is repeated: {damaged}")
    if loaded.status == "diverged":
        raise DivergedError(f"{loaded.info.get('reason')}; train a new run ({loaded.path})")
    config = read_config(loaded.config, overrides)
    resuming.check_watched(loaded.config, config)
    if config.train.accumulate != (parts := loaded.config.train.accumulate):
        raise ConfigError(
            f"train.accumulate: a run that has begun keeps it, {parts}; train a new run"
        )
    splits = load_data(config, data_directory(data_dir))
    recorded = loaded.info.get("data_fingerprint")
    if recorded is not None and splits.fingerprint != recorded:
        raise DataError(
            f"the data {config.data.name!r} have changed since {loaded.path} began, or this "
            "version of dlx reads them otherwise; train a new run"
        )
    job = jobs.prepare(config, splits)
    moved = any(override.startswith("train.device=") for override in overrides)
    inexact = exactness.ALL if allow_inexact else ("processor",) if moved else ()
    if not overrides:
        return Training(job, directory, remarks=remarks, inexact=inexact)
    taken = checkpoints.newest_step(directory.checkpoints)
    if taken is None and loaded.info.get("steps"):
        raise RunError(f"{loaded.path} has no checkpoint to go on from; train a new run")
    asked = job.member.num_steps
    resuming.check(loaded.config, job.config, taken or 0, asked)
    sizes = len(job.splits.train), job.batch_size
    before, after = (jobs.asked_steps(c, *sizes) for c in (loaded.config, job.config))
    change = resuming.change(
        (loaded.config, job.config), overrides, taken or 0, (asked - after + before, asked)
    )
    if config_files.dump(job.config) == config_files.dump(loaded.config):
        return Training(job, directory, inexact=inexact)
    remark = resuming.remark(config.optimizer, change)
    told = [remark] if remark else []
    return Training(job, directory, change=change, remarks=told, inexact=inexact)


def _damaged(run: Run) -> RunError | None:
    """Return what is wrong with files of a finished run that resuming it writes anew.

    RunError: a file is damaged that it does not write anew.
    """
    for needed in ("history", "stages"):
        getattr(run, needed)
    try:
        for needed in ("tensors", "preprocessing", "encoder"):
            getattr(run, needed)
    except RunError as error:
        return error
    return None

"""Search good values of a config in a directory, go on with a search that stopped, and read one."""

import json
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlx import plugins, texts
from dlx.ablation import estimate, vary
from dlx.ablation.cluster import Cluster
from dlx.ablation.variants import quieted
from dlx.api import experiment
from dlx.api.experiment import CrashedError, Experiment
from dlx.api.inputs import RUNS_DIR, data_directory, read_config
from dlx.config import load as config_files
from dlx.config.schema import RunConfig
from dlx.denormals import flushed_denormals
from dlx.errors import ConfigError, DataError, DivergedError, Interrupted, RunError
from dlx.runs import RunDirectory, timestamp, write_atomic
from dlx.runs.ablations import SUMMARY
from dlx.runs.files import exists
from dlx.search import plan as planning
from dlx.search import session, space, summary
from dlx.search.directory import CONFIG
from dlx.search.directory import read_config as read_search_config
from dlx.search.plan import SearchPlan
from dlx.search.session import Ended, Show
from dlx.search.study import require
from dlx.training.process import breaking_off, in_training
from dlx.training.transfer import located

if TYPE_CHECKING:
    from dlx.report.ablation.verdict_table import Table

BEST, TRIALS = "best.yaml", "trials.csv"
_IN_JSON = (
    *("name", "objectives", "rising", "constraints", "sampler", "pruner", "seeds", "planned"),
    *("states", "defaults", "best", "front", "importances", "verdict", "trials"),
)


class Search(Experiment):
    """A search in its directory.

    Attributes:
        path: of the directory
    """

    def _shown(self, summary: dict[str, Any]) -> "tuple[list[str], Table]":
        from dlx.report.search.words import answer, best_trials

        return answer(summary), best_trials(summary)

    @property
    def best(self) -> Path:
        """The file of the best config.

        Raises:
            RunError: the search has not ended, or no trial was completed within all bounds
        """
        path = self.path / BEST
        if not exists(path):
            raise RunError(f"{self.path} has no best config: it has not ended, or no trial fits")
        return path

    def result(self) -> dict[str, Any]:
        """Return the JSON object that search and resume print."""
        known = self.summary if self.has_ended else {}
        best = self.path / BEST
        return {
            "search": str(self.path),
            "status": self.status,
            "seconds": self.info.get("seconds"),
            **{key: known.get(key) for key in _IN_JSON},
            "best_config": str(best) if exists(best) else None,
        }


def read_search(
    config: RunConfig | str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    searched: Sequence[str] = (),
    **options: Any,
) -> RunConfig:
    """Return a checked config whose `search` section is changed as a command line says.

    Args:
        config: a path to YAML, a mapping of the same form, or a config
        overrides: KEY=VALUE, the value read as YAML
        searched: KEY=LOW..HIGH or KEY=a,b,c each, added to `search.space` or put in place of what
            it says of the key
        options: other keys of the section by name; None: as the config says

    Raises:
        ConfigError: with every error of the config at once
    """
    read = quieted(read_config(config, overrides))
    changes: dict[str, str] = {}
    for name, value in options.items():
        if value is not None:
            text = json.dumps(value, ensure_ascii=False)
            words = value if isinstance(value, list) else [value]
            flag = {"constraints": "constraint", "judge_seeds": "judge-seeds"}.get(name, name)
            changes[f"search.{name}={text}"] = " ".join(f"--{flag} {word}" for word in words)
    if searched:
        known = dict(read.search.space) if read.search is not None else {}
        merged = known | vary.by_key(map(space.read, searched), "--space")
        text = f"search.space={json.dumps(merged, ensure_ascii=False)}"
        changes[text] = " ".join(f"--space '{text}'" for text in searched)
    return config_files.override(read, list(changes), changes) if changes else read


@flushed_denormals()
def plan_search(
    config: RunConfig,
    *,
    runs_dir: Path | str = RUNS_DIR,
    data_dir: Path | str | None = None,
    jobs: int | None = None,
) -> SearchPlan:
    """Return a config's search, ready to train and checked.

    Args:
        config: with its `search` section
        runs_dir: where runs that the config starts from are looked for
        data_dir: where data sets are kept
        jobs: processes that train at a time; default: by the size of the work

    Raises:
        ConfigError: Optuna is missing, or the config cannot be used
        DataError: the data are missing or damaged, or have too few rows
    """
    require()
    return planning.make(located(config, Path(runs_dir)), data_directory(data_dir), jobs)


@flushed_denormals()
def preview_search(ready: SearchPlan) -> dict[str, Any]:
    """Return what a search would train first, and how long all of it takes; nothing is written.

    Raises:
        DivergedError: all trials diverge before their first step
        ConfigError: no trial is one that can be trained and keeps all bounds
    """
    first, cohorts = session.rehearse(ready)
    trained = sum(cohort["runs"] for cohort in cohorts)
    seconds = sum(cohort["seconds"] for cohort in cohorts)
    runs = ready.num_trials * len(ready.seeds) + 2 * len(ready.judge_seeds)
    whole = seconds * runs / trained + estimate.BEGINNING
    return {
        "name": ready.config.name,
        "objectives": ready.objectives,
        "sampler": ready.section.sampler,
        "pruner": ready.section.pruner,
        "space": ready.section.space,
        "trials": ready.num_trials,
        "batch": ready.batch_size,
        "seeds": ready.seeds,
        "judge_seeds": ready.judge_seeds,
        "runs": runs,
        "first": [
            {"settings": dict(trial.settings)}
            | {name: getattr(trial, name) for name in ("number", "state", "reason")}
            for trial in first
        ],
        "cohorts": cohorts,
        "seconds": whole,
        "range": [whole / estimate.RANGE, whole * estimate.RANGE],
    }


@flushed_denormals()
def search(
    ready: SearchPlan,
    *,
    runs_dir: Path | str = RUNS_DIR,
    show_test: bool = False,
    show: Show = lambda progress: None,
    cluster: Cluster | None = None,
) -> Search:
    """Carry out a planned search in a new directory `runs_dir/<name>/<id>`.

    Args:
        ready: from `plan_search`
        runs_dir: where runs are kept
        show_test: whether the test rows are looked at, once, at the end
        show: is told of progress
        cluster: trains in place of this machine, see `dlx.api.clusters`

    Raises:
        DivergedError: all trials diverged
        ConfigError: the cluster cannot train it
        ClusterError: the cluster was lost; what it had sent is saved
        CrashedError: some trials could not be trained
        Interrupted: SIGINT or SIGTERM, after saving
        StorageError: a file could not be written
    """
    if cluster is not None:
        cluster.check(ready.config)
    run = RunDirectory.create(
        Path(runs_dir),
        ready.config.name,
        config=config_files.dump(ready.config),
        config_name=CONFIG,
        kind="search",
        plugins=plugins.loaded(),
    )
    return _train(ready, run, show_test, show, cluster)


@flushed_denormals()
def resume_search(
    directory: Path,
    *,
    show_test: bool = False,
    data_dir: Path | str | None = None,
    jobs: int | None = None,
    show: Show = lambda progress: None,
    cluster: Cluster | None = None,
) -> Search:
    """Go on with a search that stopped; of one that has ended, write its report anew.

    Args:
        directory: of the search
        show_test: whether the test rows are looked at
        data_dir: where data sets are kept
        jobs: processes that train at a time
        show: is told of progress
        cluster: trains in place of this machine, see `dlx.api.clusters`

    Raises:
        RunError: config, plan or journal were changed, or a checkpoint cannot be used
        DataError: data are missing, or have changed since
        DivergedError, ClusterError, CrashedError, Interrupted, StorageError: as `search`
    """
    run = RunDirectory.open(directory)
    plugins.require(run.read_info().get("plugins") or [], directory)
    require()
    ready = planning.make(read_search_config(directory), data_directory(data_dir), jobs)
    known = run.read_info().get("data_fingerprint")
    if known is not None and known != ready.fingerprint:
        raise DataError(
            f"the data {ready.config.data.name!r} have changed since the search began, so that "
            "trials from before and after would not compare; put them back, or start a new search"
        )
    if cluster is not None:
        cluster.check(ready.config)
    return _train(ready, run, show_test, show, cluster)


def _train(
    ready: SearchPlan, run: RunDirectory, show_test: bool, show: Show, cluster: Cluster | None
) -> Search:
    began = time.monotonic()
    with in_training(run):
        before = run.read_info().get("seconds") or 0.0
        facts = {"seed": ready.config.seed, "data_fingerprint": ready.fingerprint}
        experiment.begin(run, ready.config, **facts)
        with experiment.resumable(run) as received:
            try:
                ended = session.train(
                    ready,
                    run,
                    experiment.circumstances(),
                    show,
                    lambda: bool(received),
                    prepare=experiment.worker_preparation(),
                    cluster=cluster,
                )
            except DivergedError:
                run.write_info(status="diverged", ended=timestamp())
                raise
            if ended.report.stopped:
                _note_end(run, ended, "interrupted", before + time.monotonic() - began)
                raise experiment.stopped(run, received[0])
        words = f": all trials have ended; `dlx resume {run.path}` makes the report"
        try:
            with breaking_off(words):
                _write(ready, run, ended, show_test)
        except Interrupted:
            run.write_info(status="interrupted", ended=timestamp())
            raise
        crashed = ended.report.crashed
        number = sum(trial.state == "failed" for trial in ended.progress.trials)
        of_verdict = any(result.status == "failed" for result in ended.results)
        status = "failed" if crashed or number or of_verdict else "completed"
        _note_end(run, ended, status, before + time.monotonic() - began)
        if status == "failed":
            what = f"{number} of {len(ended.progress.trials)} trials"
            if not number:
                what = "some runs of the verdict"
            why = f" ({experiment.reasons(crashed)})" if crashed else " earlier"
            raise CrashedError(
                f"{what} could not be trained{why}; the search went on without them: once the "
                f"cause is removed, `{_again(run)}` searches anew"
            )
        if ended.best is None:
            why = session.why_no_best(ended.progress.trials)
            raise ConfigError(f"{why}; {run.path / TRIALS} lists all trials")
    return Search(run.path)


def _note_end(run: RunDirectory, ended: Ended, status: str, seconds: float) -> None:
    run.write_info(status=status, ended=timestamp(), seconds=seconds, remarks=ended.report.remarks)


def _write(ready: SearchPlan, run: RunDirectory, ended: Ended, show_test: bool) -> None:
    """Write what is derived of the trials: best.yaml, trials.csv, summary.json and the page."""
    from dlx.report.search import page

    document = summary.summary_of(ready, ended, show_test=show_test, command=_again(run))
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomic(run.path / TRIALS, texts.encoded(summary.trials_csv(ready, ended.progress.trials)))
    files = {SUMMARY: texts.encoded(text) + b"\n"}
    if ended.best is not None:
        files = {BEST: summary.best_yaml(ready, ended.best).encode()} | files
    page.write(run.path, document, config_files.dump(ready.config))
    run.write_files(files)


def _again(run: RunDirectory) -> str:
    """Return the command that begins the same search in a directory of its own."""
    return f"dlx search {shlex.quote(str(run.path / CONFIG))}"

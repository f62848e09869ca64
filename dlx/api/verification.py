"""Train runs again, alone, and say whether the same comes out."""

import random
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from dlx.api.ablation import Ablation
from dlx.api.inputs import RUNS_DIR, data_directory
from dlx.api.run import Run, load
from dlx.api.searching import Search
from dlx.denormals import flushed_denormals
from dlx.errors import DlxWarning, RunError
from dlx.runs.ablations import FINISHED, read_index
from dlx.runs.directory import LATEST
from dlx.search.pruning import is_pruned
from dlx.streams import GENERATOR
from dlx.training import exactness, resuming
from dlx.training import job as jobs
from dlx.training.finding import find, materialise
from dlx.training.pretraining import pretrain
from dlx.training.verification import Part
from dlx.training.verification import verify as verify_job


@flushed_denormals()
def verify(
    path: Path | str,
    runs: int = 3,
    *,
    runs_dir: Path | str = RUNS_DIR,
    data_dir: Path | str | None = None,
    show: Callable[[str], None] = lambda path: None,
) -> dict[str, Any]:
    """Train a run, or a sample of an ablation's or a search's runs, again and alone, and compare.

    Args:
        path: of a run, an ablation or a search, a name (the newest run, or ablation if there is no
            run), an id or 'latest'
        runs: of an ablation or a search: how many, drawn at random, the same ones every time
        runs_dir: where runs are kept
        data_dir: where data sets are kept
        show: is told which run is trained

    Returns:
        the object of `Run.result` or `Ablation.result`, and `verified`: for each run its path,
        status, identical (every bit), weights and metrics (largest relative differences), missing
        (evaluations that only one of the two has) and parted (the first step at which a metric
        differs or an evaluation is missing, or null)

    Raises:
        RunError: no such run, or one that has not ended, or that an earlier version of dlx went on
            with changes in it that are not known
        DataError: the data are missing or changed
    """
    directory = find(path, Path(runs_dir), prefer=None if str(path) == LATEST else "run")
    kind = directory.read_info()["kind"]
    if kind == "run":
        run = load(directory.path)
        return run.result() | {"verified": [_verify(run, data_dir, show)]}
    of = Ablation(directory.path) if kind == "ablation" else Search(directory.path)
    ended = [
        run
        for run in read_index(directory.path).values()
        if run.phase == "comparison" and run.status in FINISHED and not is_pruned(run.reason)
    ]
    if not ended:
        raise RunError(f"no run of {directory.path} has ended; `dlx resume` it")
    count = min(runs, len(ended))
    sample = sorted(random.Random(0).sample(ended, count), key=lambda run: run.number)
    sampled = [load(materialise(directory.path, run).path) for run in sample]
    return of.result() | {"verified": [_verify(run, data_dir, show) for run in sampled]}


def _verify(run: Run, data_dir: Path | str | None, show: Callable[[str], None]) -> dict[str, Any]:
    if run.status == "running":
        raise RunError(f"{run.path} is being trained; verify it when it has ended")
    if run.status not in FINISHED:
        raise RunError(f"{run.path} has not ended ({run.status}); `dlx resume` it first")
    if why := resuming.not_repeatable(run.info.get("resumed") or []):
        raise RunError(
            f"{run.path} cannot be repeated from its config: it {why}; verify a run that was "
            "trained in one go"
        )
    if run.info.get("generator") != GENERATOR:
        raise RunError(
            f"{run.path} was trained by an earlier version of dlx, which drew other random "
            "numbers; train it again, or verify it with that version"
        )
    if exactness.has_other_arithmetic(run.info):
        told = (
            f"{run.path} was trained by a version of dlx whose native engine computes other last "
            "digits: trained again, other bits may come out"
        )
        warnings.warn(told, DlxWarning, stacklevel=3)
    for note in run.info.get("inexact") or []:
        others = [name for name in exactness.ALL if name in note]
        words = f"{run.path} went on with other {' and '.join(others)} at step {note['step']:,}"
        told = f"{words}: trained again on one machine, other bits may come out"
        warnings.warn(told, DlxWarning, stacklevel=3)
    show(str(run.path))
    splits = run.labelled_splits(data_directory(data_dir))
    entries = resuming.sections(run.config, run.info.get("resumed") or [])
    first, *later = [(jobs.prepare(config, splits), entry) for config, entry in entries]
    threads = torch.get_num_threads()
    torch.set_num_threads(run.info.get("threads") or threads)
    try:
        if first[0].stages:
            with tempfile.TemporaryDirectory() as cache:  # nothing is taken from before
                [job] = pretrain([first[0]], Path(cache)).jobs
                first = job, first[1]
        parts = [_part(job, entry) for job, entry in (first, *later)]
        tensors = None if run.status == "diverged" else run.tensors
        steps = run.info.get("steps") or 0
        verified = verify_job(parts, run.status, steps, run.history, tensors, run.metrics)
    finally:
        torch.set_num_threads(threads)
    return {
        "run": str(run.path),
        "status": verified.status,
        "identical": verified.is_identical,
        **{key: getattr(verified, key) for key in ("weights", "metrics", "missing", "parted")},
    }


def _part(job: jobs.Job, entry: Mapping[str, Any] | None) -> Part:
    if entry is None:
        return Part(job)
    return Part(job, entry["step"], entry.get("evaluated", True))

"""What a worker of a cluster does: it trains a cohort in a folder of its own, sending what comes.

The machine that leads the ablation writes that down (`dlx.ablation.cluster`): a worker reads none
of the ablation's files and writes none. This module knows nothing of how things travel.
"""

import contextlib
import functools
import hashlib
import queue
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import dlx
from dlx.ablation.dispatch import throttled, trained
from dlx.ablation.execution import Work, reason_of
from dlx.ablation.leaving import Leaving
from dlx.ablation.plan import Arm, Plan, PlannedCohort, PlannedRun
from dlx.config import load as config_files
from dlx.data.pipeline import Pool
from dlx.denormals import flushed_denormals
from dlx.errors import ConfigError, DataError, DlxError, RunError, StorageError
from dlx.runs import checkpoints, locks, make_directory, storage_errors
from dlx.runs.ablations import COHORT, METRICS, PRETRAINING, cohort_folder
from dlx.runs.checkpoints import Checkpoint
from dlx.runs.directory import RunDirectory
from dlx.runs.files import exists, read_plain, write_atomic
from dlx.runs.weights import encode
from dlx.tracking.metrics import MetricsFile
from dlx.training import exactness
from dlx.training.finding import with_differences
from dlx.training.job import resolve_device
from dlx.training.store import CohortStore
from dlx.training.trainer import Trainer

_SECONDS = 0.2  # between two questions whether to stop
_SCRATCH, _LOCK = "dlx-cohort-", ".lock"
_SECONDS_TO_LOCK = 60  # a folder, from when its lock's file is made

Send = Callable[[tuple[str, Any]], object]


@dataclass(frozen=True)
class Order:
    """What the cohorts of an ablation have in common."""

    config: Mapping[str, Any]  # the ablation's, plain
    metric: str  # that is judged
    circumstances: Mapping[str, Any]  # as `Work` has them
    inexact: tuple[str, ...]
    leaving: Leaving | None
    prepare: Callable[[], object]  # loads plug-ins
    pause: float  # seconds between two reports of progress


@dataclass(frozen=True)
class SentArm:
    """An `Arm` of a plan."""

    variant: str
    settings: Mapping[str, Any]
    folder: str
    choice: Mapping[str, Any] | None
    differences: Mapping[str, Any]  # of its config from the ablation's


@dataclass(frozen=True)
class Asked:
    """A cohort to train."""

    cohort: PlannedCohort
    arms: tuple[SentArm, ...]
    runs: tuple[tuple[int, int, int | None], ...]  # that are to train: place of the arm, seed, fold
    data: str  # SHA-256 of the fingerprints of their splits
    files: Mapping[str, bytes]  # of the cohort's folder, by name
    cache: Mapping[str, bytes]  # of the stages of the runs' pre-training, by name


@dataclass(frozen=True)
class Saved:
    """A checkpoint, and what was written since the one before."""

    step: int
    checkpoint: bytes
    metrics_from: int  # where the lines stand in metrics.jsonl
    metrics: bytes
    pretraining: bytes | None


def facts(kind: str) -> dict[str, str]:
    """Return what this machine is, and what has to be the same wherever an ablation is trained.

    `code` is the SHA-256 of dlx's Python files, and with them of the schema of configs; `processor`
    is that of a kind of device, cpu or cuda.

    Raises:
        ConfigError: this machine has no such device
    """
    device = resolve_device(kind)
    digest = hashlib.sha256()
    root = Path(dlx.__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return {
        "host": socket.gethostname(),
        "dlx": version("dlx"),
        "code": digest.hexdigest(),
        "torch": torch.__version__,
        "processor": exactness.processor_of(device),
    }


def difference(ours: Mapping[str, str], other: Mapping[str, str]) -> str | None:
    """Return in what a worker differs from the machine that leads the ablation, in words."""
    if ours["dlx"] != other["dlx"]:
        return f"it has dlx {other['dlx']}, and this machine {ours['dlx']}"
    if ours["code"] != other["code"]:
        return (
            f"its dlx {other['dlx']} is made of other files (SHA-256 {other['code'][:12]}…) than "
            f"that of this machine ({ours['code'][:12]}…)"
        )
    return None


def digest_of(fingerprints: Iterable[str]) -> str:
    """Return the SHA-256 of the fingerprints of several splits."""
    return hashlib.sha256("".join(fingerprints).encode()).hexdigest()


def news(
    order: Order, asked: Asked, pools: Mapping[str, Pool], stop: Callable[[], bool]
) -> Iterator[tuple[str, Any]]:
    """Train a cohort in a thread of its own, and give the news of it, see `dlx.ablation.dispatch`.

    A checkpoint is ("saved", Saved), the files of a cohort are ("ended", bytes by name), and what
    cannot be trained on this machine is ("broken", DlxError). `stop` is asked five times a second.
    """
    waiting: queue.SimpleQueue[tuple[str, Any] | None] = queue.SimpleQueue()
    stopping = threading.Event()

    def work() -> None:
        try:
            # Both are of a thread, and not of the process.
            with flushed_denormals():
                torch.set_num_threads(1)
                waiting.put(_train(order, asked, pools, stopping, waiting.put))
        except (Exception, SystemExit) as error:
            waiting.put(("crashed", reason_of(error)))
        finally:
            waiting.put(None)

    threading.Thread(target=work, daemon=True).start()
    asked_last = 0.0
    while True:
        if time.monotonic() - asked_last > _SECONDS:
            asked_last = time.monotonic()
            if stop():
                stopping.set()
        try:
            piece = waiting.get(timeout=_SECONDS)
        except queue.Empty:
            continue
        if piece is None:
            return
        yield piece


def _train(
    order: Order, asked: Asked, pools: Mapping[str, Pool], stopping: threading.Event, send: Send
) -> tuple[str, Any]:
    """Train a cohort in a folder that is removed then, and return the last news of it."""
    with _scratch() as scratch:
        directory = scratch / "runs" / "ablation" / "here"
        try:
            make_directory(directory)
            work, runs = _work(order, asked, pools, directory, stopping, send)
        except DlxError as error:
            return "broken", _of_host(error)
        kind, content = trained(work, asked.cohort, runs)
        return kind, _of_host(content) if kind == "broken" else content


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    """Give a folder that is removed then; those whose processes were killed are removed now."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*"):
        with contextlib.suppress(OSError):
            lock = folder / _LOCK
            is_new = time.time() - lock.stat().st_mtime < _SECONDS_TO_LOCK
            if not is_new and not locks.is_held(lock):
                shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=_SCRATCH) as name, locks.hold(Path(name) / _LOCK):
        yield Path(name)


def _of_host(error: DlxError) -> DlxError:
    """Return an error of this machine as one of the ablation."""
    kinds = (StorageError, exactness.InexactError)
    kind = next((own for own in kinds if isinstance(error, own)), ConfigError)
    return kind(f"{socket.gethostname()}: {error}")


def _work(
    order: Order,
    asked: Asked,
    pools: Mapping[str, Pool],
    directory: Path,
    stopping: threading.Event,
    send: Send,
) -> tuple[Work, list[PlannedRun]]:
    """Return what a cohort is trained with, and its runs, and write the files that were sent.

    Raises:
        DlxError: they cannot be trained here
    """
    order.prepare()
    config = config_files.of_plain(order.config)
    arms = []
    for own in asked.arms:
        changed = config_files.of_plain(with_differences(order.config, own.differences))
        arms.append(Arm(own.variant, own.settings, changed, own.folder, own.choice))
    runs = [PlannedRun(arms[place], seed, fold) for place, seed, fold in asked.runs]
    plan = Plan(config, [], "", order.metric, [], [], directory / "data", _pools=dict(pools))
    try:
        jobs = [plan.job(run) for run in runs]
    except (ConfigError, DataError, RunError) as error:
        raise ConfigError(
            f"it lacks what the runs are made of ({error}); have the same files on all nodes, "
            "under the same paths"
        ) from error
    if digest_of(job.splits.fingerprint for job in jobs) != asked.data:
        raise ConfigError(
            "the data that it was sent have another digest there; install the same versions of "
            "Python, NumPy and scikit-learn on all nodes"
        )
    cohort, first = asked.cohort, jobs[0]
    if first.member.engine != cohort.engine:
        raise ConfigError(
            f"cohort {cohort.number} was planned for the {cohort.engine} engine, but there it "
            f"would be trained by {first.member.engine} ({first.by_torch}); install dlx as here"
        )
    folder = cohort_folder(directory, cohort.number)
    _write(folder, asked.files)
    _write(RunDirectory(directory).cache, asked.cache)
    device = resolve_device(config.train.device)
    if saved := checkpoints.load_newest(folder / "checkpoints"):
        exactness.check(saved, device, cohort.engine, {*order.inexact, "threads"})
    host = {"name": socket.gethostname(), "processor": exactness.processor_of(device)}
    work = Work(
        plan,
        directory,
        {**order.circumstances, "host": host},
        throttled(send, order.pause),
        stopping.is_set,
        order.inexact,
        order.leaving,
        functools.partial(_SendingStore, send=send),
    )
    return work, runs


class _SendingStore(CohortStore):
    """Sends a checkpoint instead of keeping it, and at the end the files that it has written."""

    def __init__(self, *arguments: Any, send: Send) -> None:
        super().__init__(*arguments)
        self._send = send
        self._sent: int | None = None  # bytes of metrics.jsonl that are known

    def begin(self, trainer: Trainer) -> int | None:
        """Note what was there before."""
        began = super().begin(trainer)
        if self._sent is None:
            self._sent = self.position()
        return began

    def resume(
        self, trainer: Trainer, saved: Checkpoint, start: int
    ) -> Iterable[tuple[str, Mapping[str, Any]]]:
        """Note what was there before."""
        records = super().resume(trainer, saved, start)
        self._sent = self.position()
        return records

    def forget(self, names: Any, start: int) -> None:
        """Take back what was written of runs since `start`."""
        super().forget(names, start)
        self._sent = min(self._sent or 0, start)

    def save(self, step: int, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
        """Send a checkpoint, and the lines since the last one."""
        assert self._sent is not None
        lines = read_plain(self.folder / METRICS)[self._sent : metadata["position"]]
        path = self.folder / PRETRAINING
        pretraining = read_plain(path) if exists(path) else None
        saved = Saved(step, encode(tensors, metadata), self._sent, lines, pretraining)
        self._send(("saved", saved))
        self._sent = metadata["position"]

    def finish(self) -> None:
        """Write the files of all runs that have ended, and send them."""
        super().finish()
        if self.fields:
            self._send(("ended", packed(self.folder)))


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        make_directory((folder / name).parent)
        write_atomic(folder / name, content)


def packed(folder: Path) -> dict[str, bytes]:
    """Return the files in a folder and below it by name; none if there is no folder."""
    with storage_errors(folder, "read"):
        paths = [path for path in folder.rglob("*") if path.is_file() and path.name[0] != "."]
        return {path.relative_to(folder).as_posix(): read_plain(path) for path in paths}


def write_saved(folder: Path, saved: Saved) -> None:
    """Write to a cohort's folder what a worker has saved; the caller holds the ablation's lock.

    As where the cohort is trained, lines come before the checkpoint that knows of them.
    """
    make_directory(folder)
    if saved.pretraining is not None:
        write_atomic(folder / PRETRAINING, saved.pretraining)
    metrics = MetricsFile(folder / METRICS, saved.metrics_from)
    try:
        metrics.append(saved.metrics)
        metrics.sync()
    finally:
        metrics.close()
    checkpoints.keep(folder / "checkpoints", saved.step, saved.checkpoint)


def write_ended(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files of a cohort that has ended, cohort.json last; see `write_saved`."""
    _write(folder, {name: content for name, content in files.items() if name != COHORT})
    _write(folder, {COHORT: files[COHORT]})
    checkpoints.clear(folder / "checkpoints")

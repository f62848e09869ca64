"""Training cohorts in several processes at a time.

A worker with one thread is a copy of this process and shares its data; one with several, or with a
GPU, is a fresh process that reads the plan from the ablation's directory: what runs threads cannot
be copied. A worker that dies takes its cohort with it, and no other.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch

from dlx.ablation.directory import read_plan
from dlx.ablation.execution import CohortProgress, Report, Work, reason_of, train_cohort
from dlx.ablation.ledger import Ledger
from dlx.ablation.plan import Plan, PlannedCohort
from dlx.denormals import flushed_denormals
from dlx.errors import StorageError
from dlx.runs.info import describe
from dlx.training.session import Stopped


@dataclass(frozen=True)
class Setting:
    """What a worker has to know.

    Attributes:
        directory: of the ablation
        data_dir: where data sets are kept
        threads: that it may use
        prepare: is called first in a fresh process, and returns the plug-ins as run.json has them
        fresh: whether workers are fresh processes
        environments: variables that each gets in turn, such as the GPU that it sees
    """

    directory: Path
    data_dir: Path
    threads: int
    prepare: Callable[[], list[dict[str, str]]]
    fresh: bool
    environments: Sequence[Mapping[str, str]]


@dataclass
class _Worker:
    """A process with what it is at."""

    process: Any
    connection: Connection
    cohort: PlannedCohort | None = None


def train_cohorts(
    work: Work, cohorts: Sequence[PlannedCohort], ledger: Ledger, setting: Setting, count: int
) -> Report:
    """Train cohorts in `count` processes; see `dlx.ablation.execution.train_cohorts`.

    Args:
        work: whose plan is written to its directory
        cohorts: to train
        ledger: which runs have ended; written by this process alone
        setting: of the workers
        count: processes at a time

    Raises:
        StorageError: a worker could not write a file
    """
    report = Report()
    waiting = list(cohorts)
    context: Any = multiprocessing.get_context("spawn" if setting.fresh else "fork")
    stopping = context.Event()

    def start(place: int) -> _Worker:
        environment = setting.environments[place % len(setting.environments)]
        shared = None if setting.fresh else (work.plan, work.circumstances)
        return _start(context, setting, stopping, environment, shared)

    workers: list[_Worker] = []
    storage: str | None = None
    try:
        for place in range(min(count, len(waiting))):
            workers.append(start(place))
            _hand_out(workers[-1], waiting, ledger)
        while any(worker.cohort is not None for worker in workers):
            if work.stop() or storage is not None:
                stopping.set()
                waiting.clear()
            ready = wait([worker.connection for worker in workers if worker.cohort], timeout=0.2)
            for place, worker in enumerate(workers):
                if worker.connection not in ready:
                    continue
                try:
                    kind, content = worker.connection.recv()
                except (EOFError, OSError):
                    worker.process.join()
                    assert worker.cohort is not None
                    reason = _death(worker.process.exitcode)
                    report.crashed[worker.cohort.number] = reason
                    ledger.fail(worker.cohort, reason)
                    worker.cohort = None
                    if waiting:
                        workers[place] = start(place)
                        _hand_out(workers[place], waiting, ledger)
                    continue
                if kind == "progress":
                    work.show(content)
                    continue
                assert worker.cohort is not None
                if kind == "done":
                    report.remarks += content
                    ledger.add(worker.cohort)
                elif kind == "stopped":
                    report.stopped = True
                elif kind == "storage":
                    storage = storage or content
                else:
                    report.crashed[worker.cohort.number] = content
                    ledger.fail(worker.cohort, content)
                worker.cohort = None
                _hand_out(worker, waiting, ledger)
        report.stopped = report.stopped or (stopping.is_set() and storage is None)
    finally:
        stopping.set()
        for worker in workers:
            with contextlib.suppress(OSError):
                worker.connection.send(None)
            worker.process.join(timeout=30)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
    if storage is not None:
        raise StorageError(storage)
    return report


def _start(
    context: Any,
    setting: Setting,
    stopping: Any,
    environment: Mapping[str, str],
    shared: tuple[Plan, Mapping[str, Any]] | None,
) -> _Worker:
    own_end, worker_end = context.Pipe()
    arguments = (setting, worker_end, stopping, dict(environment), shared)
    process = context.Process(target=_work, args=arguments, daemon=True)
    with warnings.catch_warnings():
        # Threads of torch's are there, but the copy, with one thread, does not use them.
        warnings.filterwarnings("ignore", ".*multi-threaded, use of fork", DeprecationWarning)
        process.start()
    worker_end.close()
    return _Worker(process, own_end)


def _hand_out(worker: _Worker, waiting: list[PlannedCohort], ledger: Ledger) -> None:
    if waiting:
        worker.cohort = waiting.pop(0)
        paths = [run.path for run in ledger.unfinished(worker.cohort.runs)]
        worker.connection.send((worker.cohort.number, paths))


def _death(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        more = "; perhaps it ran out of memory" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{more}"
    return f"its process ended with exit code {code}"


def _work(
    setting: Setting,
    connection: Connection,
    stopping: Any,
    environment: Mapping[str, str],
    shared: tuple[Plan, Mapping[str, Any]] | None,
) -> None:
    """Train the cohorts that the parent asks for, until it asks for none."""
    os.environ.update(environment)
    # Ctrl-C reaches the whole group of processes: the parent says when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with flushed_denormals():
        torch.set_num_threads(setting.threads)
        if shared is None:
            circumstances = describe() | {"plugins": setting.prepare()}
            shared = read_plan(setting.directory, setting.data_dir), circumstances
        _serve(setting.directory, connection, stopping.is_set, *shared)


def _end_with_parent() -> None:
    """End this process at once when its parent is gone: nobody holds the ablation's lock then."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _serve(
    directory: Path,
    connection: Connection,
    stop: Callable[[], bool],
    plan: Plan,
    circumstances: Mapping[str, Any],
) -> None:
    by_number = {cohort.number: cohort for cohort in plan.cohorts}
    shown = 0.0

    def show(progress: CohortProgress) -> None:
        nonlocal shown
        if progress.ended or progress.values or time.monotonic() - shown > 0.2:
            shown = time.monotonic()
            connection.send(("progress", progress))

    work = Work(plan, directory, circumstances, show, stop)
    while (order := connection.recv()) is not None:
        number, paths = order
        try:
            remarks = train_cohort(work, by_number[number], paths)
        except Stopped:
            connection.send(("stopped", None))
        except StorageError as error:
            connection.send(("storage", str(error)))
        except Exception as error:
            connection.send(("crashed", reason_of(error)))
        else:
            connection.send(("done", remarks))

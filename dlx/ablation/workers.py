"""Training cohorts in several processes at a time.

A worker with one thread is a copy of this process and shares its data; one with several, or with a
GPU, is a fresh process that reads the plan from the ablation's directory: what runs threads cannot
be copied. Where a worker dies, another one goes on with its cohort; where that dies too, the cohort
has failed, and no other has.
"""

import contextlib
import functools
import multiprocessing
import os
import signal
import sys
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
from dlx.ablation.leaving import Leaving
from dlx.ablation.ledger import Ledger
from dlx.ablation.plan import Plan, PlannedCohort
from dlx.denormals import flushed_denormals
from dlx.errors import StorageError
from dlx.runs.ablations import cohort_folder
from dlx.runs.checkpoints import newest_step
from dlx.runs.info import describe
from dlx.stopping import numbers
from dlx.training.job import resolve_device
from dlx.training.session import Stopped

Prepare = Callable[[], list[dict[str, str]]]
"""Is called first in a fresh process, and returns the plug-ins as run.json has them."""

Order = Callable[[], tuple[Plan, Mapping[str, Any], Leaving | None]]
"""Returns what a worker has to know: the plan, the circumstances that run.json records, and which
runs leave before their last step."""


@dataclass
class _Worker:
    process: Any
    connection: Connection
    cohort: PlannedCohort | None = None


def train_cohorts(
    work: Work, cohorts: Sequence[PlannedCohort], ledger: Ledger, count: int, prepare: Prepare
) -> Report:
    """Train cohorts in `count` processes; see `dlx.ablation.execution.train_cohorts`.

    The plan has been written to the ablation's directory. This process alone keeps the ledger.
    """
    report = Report()
    waiting = list(cohorts)
    device = resolve_device(work.plan.config.train.device)
    threads = max(torch.get_num_threads() // count, 1)
    # A cohort that was stopped goes on with the threads that it had.
    fresh = has_begun(work.directory, cohorts) or not are_copies(count, device)
    context: Any = multiprocessing.get_context("spawn" if fresh else "fork")
    stopping = context.Event()
    environments = _environments(device)
    order: Order = lambda: (work.plan, work.circumstances, work.leaving)
    if fresh:
        order = functools.partial(_read, work.directory, work.plan.data_dir, prepare)

    directory, inexact = work.directory, work.inexact

    def start(place: int) -> _Worker:
        own_end, worker_end = context.Pipe()
        environment = environments[place % len(environments)]
        arguments = directory, threads, inexact, environment, worker_end, stopping, order
        process = context.Process(target=_work, args=arguments, daemon=True)
        with warnings.catch_warnings():
            # Threads of torch's are there, but the copy, with one thread, does not use them.
            warnings.filterwarnings("ignore", ".*multi-threaded, use of fork", DeprecationWarning)
            process.start()
        worker_end.close()
        return _Worker(process, own_end)

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
                    _note_death(worker, waiting, ledger, report, is_stopping=stopping.is_set())
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
    except KeyboardInterrupt:  # there is no time to save
        for worker in workers:
            worker.process.kill()
        raise
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


def has_begun(directory: Path, cohorts: Sequence[PlannedCohort]) -> bool:
    """Say whether one of the cohorts has a checkpoint."""
    folders = [cohort_folder(directory, cohort.number) for cohort in cohorts]
    return any(newest_step(folder / "checkpoints") is not None for folder in folders)


def are_copies(count: int, device: torch.device) -> bool:
    """Say whether so many workers are copies of this process, which need no file of the plan."""
    return (
        torch.get_num_threads() // count <= 1 and device.type == "cpu" and sys.platform == "linux"
    )


def _environments(device: torch.device) -> list[dict[str, str]]:
    """Return the variables of the workers, in turn: each sees one of the GPUs, if any are used."""
    count = torch.cuda.device_count()
    if device.type != "cuda" or device.index is not None or count < 2:
        return [{}]
    return [{"CUDA_VISIBLE_DEVICES": str(index)} for index in range(count)]


def _read(
    directory: Path, data_dir: Path, prepare: Prepare
) -> tuple[Plan, Mapping[str, Any], None]:
    circumstances = describe() | {"plugins": prepare()}
    return read_plan(directory, data_dir), circumstances, None


def _hand_out(worker: _Worker, waiting: list[PlannedCohort], ledger: Ledger) -> None:
    if waiting:
        worker.cohort = waiting.pop(0)
        paths = [run.path for run in ledger.unfinished(worker.cohort.runs)]
        worker.connection.send((worker.cohort.number, paths))


def _note_death(
    worker: _Worker,
    waiting: list[PlannedCohort],
    ledger: Ledger,
    report: Report,
    *,
    is_stopping: bool,
) -> None:
    """Let the cohort of a worker that died be trained once more; the second time it has failed."""
    cohort, reason = worker.cohort, _death(worker.process.exitcode)
    assert cohort is not None
    remark = f"cohort {cohort.number}: a process that trained it died, and another one went on"
    ledger.add(cohort)  # which may have been written before the worker died
    if not ledger.unfinished(cohort.runs):
        return
    if is_stopping:
        report.stopped = True  # it goes on when the ablation does
    elif remark not in report.remarks:
        report.remarks.append(remark)
        waiting.insert(0, cohort)
    else:
        report.crashed[cohort.number] = reason
        ledger.fail(cohort, reason)


def _death(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        more = "; perhaps it ran out of memory" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{more}"
    return f"its process ended with exit code {code}"


def _work(
    directory: Path,
    threads: int,
    inexact: Sequence[str],
    environment: Mapping[str, str],
    connection: Connection,
    stopping: Any,
    order: Order,
) -> None:
    """Train the cohorts that the parent asks for, until it asks for none."""
    os.environ.update(environment)
    # Ctrl-C reaches the whole group of processes: the parent says when to stop.
    for number in numbers():
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with flushed_denormals():
        torch.set_num_threads(threads)
        plan, circumstances, leaving = order()
        show = _throttled(connection)
        work = Work(plan, directory, circumstances, show, stopping.is_set, inexact, leaving)
        by_number = {cohort.number: cohort for cohort in plan.cohorts}
        while (asked := connection.recv()) is not None:
            number, paths = asked
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


def _throttled(connection: Connection) -> Callable[[CohortProgress], None]:
    """Return what sends progress to the parent: news at once, the rest five times a second."""
    shown = 0.0

    def show(progress: CohortProgress) -> None:
        nonlocal shown
        if progress.ended or progress.values or time.monotonic() - shown > 0.2:
            shown = time.monotonic()
            connection.send(("progress", progress))

    return show


def _end_with_parent() -> None:
    """End this process at once when its parent is gone: nobody holds the ablation's lock then."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)

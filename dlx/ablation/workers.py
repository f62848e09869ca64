"""Training cohorts in several processes at a time.

A worker with one thread is a copy of this process and shares its data; one with several, or with a
GPU, is a fresh process that reads the plan from the ablation's directory: what runs threads cannot
be copied.
"""

import ast
import contextlib
import errno
import functools
import multiprocessing
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch

from dlx.ablation import execution
from dlx.ablation.directory import read_plan
from dlx.ablation.dispatch import Crew, News, dispatch, throttled, trained
from dlx.ablation.execution import Report, Work
from dlx.ablation.leaving import Leaving
from dlx.ablation.ledger import Ledger
from dlx.ablation.plan import Plan, PlannedCohort, PlannedRun, runs_by_path
from dlx.denormals import flushed_denormals
from dlx.errors import FEW_FILES, FEW_PROCESSES, StorageError
from dlx.runs.ablations import cohort_folder
from dlx.runs.checkpoints import newest_step
from dlx.runs.info import describe
from dlx.stopping import numbers
from dlx.training.job import resolve_device

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


_IN_ONE_PROCESS = (
    "one process trained all: further ones would have run this script again; for several, write "
    "what trains below `if __name__ == '__main__':` into a file"
)


def train_cohorts(
    work: Work, cohorts: Sequence[PlannedCohort], ledger: Ledger, count: int, prepare: Prepare
) -> Report:
    """Train cohorts in `count` processes; see `dlx.ablation.execution.train_cohorts`.

    The plan has been written to the ablation's directory. Where fresh processes would run the
    user's script again, this one trains all.
    """
    device = resolve_device(work.plan.config.train.device)
    # A cohort that was stopped goes on with the threads that it had.
    fresh = has_begun(work.directory, cohorts) or not are_copies(count, device)
    if fresh and repeats_script():
        report = execution.train_cohorts(work, cohorts, ledger)
        report.remarks.append(_IN_ONE_PROCESS)
        return report
    crew = _Processes(work, device, count, prepare, fresh=fresh)
    return dispatch(work, cohorts, ledger, crew)


class _Processes(Crew):
    def __init__(
        self, work: Work, device: torch.device, count: int, prepare: Prepare, *, fresh: bool
    ) -> None:
        self._work = work
        self._threads = max(torch.get_num_threads() // count, 1)
        self._order: Order = lambda: (work.plan, work.circumstances, work.leaving)
        if fresh:
            self._order = functools.partial(_read, work.directory, work.plan.data_dir, prepare)
        self._context: Any = multiprocessing.get_context("spawn" if fresh else "fork")
        with _given("semaphores", "let /dev/shm exist, be writable and have room"):
            self._stopping = self._context.Event()
        self._environments = _environments(device)
        self._workers: list[_Worker | None] = [None] * count

    def has_room(self) -> bool:
        """Say whether a worker has nothing to do, or may be started."""
        return any(worker is None or worker.cohort is None for worker in self._workers)

    def begin(self, cohort: PlannedCohort, runs: Sequence[PlannedRun]) -> None:
        """Hand a cohort to a worker, a new one if need be."""
        places = [place for place, own in enumerate(self._workers) if own and not own.cohort]
        place = places[0] if places else self._workers.index(None)
        worker = self._workers[place] = self._workers[place] or self._start(place)
        worker.cohort = cohort
        with contextlib.suppress(OSError):  # it has died, which is heard soon
            worker.connection.send((cohort.number, [run.path for run in runs]))

    def _start(self, place: int) -> _Worker:
        own_end, worker_end = self._context.Pipe()
        arguments = (
            *(self._work.directory, self._threads, self._work.inexact),
            *(self._environments[place % len(self._environments)], worker_end),
            *(self._stopping, self._order),
        )
        process = self._context.Process(target=_work, args=arguments, daemon=True)
        with warnings.catch_warnings():
            # Threads of torch's are there, but the copy, with one thread, does not use them.
            warnings.filterwarnings("ignore", ".*multi-threaded, use of fork", DeprecationWarning)
            with _given("further process", FEW_PROCESSES):
                process.start()
        worker_end.close()
        return _Worker(process, own_end)

    def hear(self, seconds: float) -> Iterator[News]:
        """Give one piece of news of each worker that has some."""
        busy = [worker for worker in self._workers if worker and worker.cohort]
        ready = wait([worker.connection for worker in busy], timeout=seconds)
        for worker in busy:
            if worker.connection not in ready:
                continue
            cohort = worker.cohort
            assert cohort is not None
            try:
                kind, content = worker.connection.recv()
            except (EOFError, OSError):
                worker.process.join()
                self._workers[self._workers.index(worker)] = None
                yield cohort, "died", _death(worker.process.exitcode)
                continue
            if kind != "progress":
                worker.cohort = None
            yield cohort, kind, content

    def stop(self) -> None:
        """Tell all workers to save and to stop."""
        self._stopping.set()

    def kill(self) -> None:
        """End all workers at once."""
        for worker in filter(None, self._workers):
            worker.process.kill()

    def close(self) -> None:
        """Let all workers end, in 30 seconds at most."""
        self.stop()
        for worker in filter(None, self._workers):
            with contextlib.suppress(OSError):
                worker.connection.send(None)
            worker.process.join(timeout=30)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()


@contextlib.contextmanager
def _given(thing: str, cure: str) -> Iterator[None]:
    """Raise a StorageError where the system does not give what workers need."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # the latter is how Python tells of threads
        reason = getattr(error, "strerror", None) or error
        cure = FEW_FILES if getattr(error, "errno", None) == errno.EMFILE else cure
        words = f"--jobs: the system gives no {thing} ({reason}); leave --jobs out, or {cure}"
        raise StorageError(words) from error


def repeats_script() -> bool:
    """Say whether a fresh process would run the script of this one again, and train once more.

    Python lets it read the script anew, as `__mp_main__`; one that is written for that trains where
    it has asked for `__main__`. The `__main__` of a package is not read again.
    """
    main = sys.modules["__main__"]
    if getattr(getattr(main, "__spec__", None), "name", "").endswith("__main__"):
        return False
    file = getattr(main, "__file__", None)
    if file is None:  # as in a notebook
        return False
    try:
        tree = ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError):  # as of <stdin>, which is not there, and .pyc
        return True
    guards = [guard for guard in map(_guarded, ast.walk(tree)) if guard is not None]
    outwards = [frame for frame, _ in traceback.walk_stack(sys._getframe())]
    scripts = [frame for frame in outwards if frame.f_globals is vars(main)]
    if not scripts or scripts[-1].f_code.co_name != "<module>":  # as in a thread
        return not guards
    own = scripts[-1].f_code.co_filename
    lines = [frame.f_lineno for frame in scripts if frame.f_code.co_filename == own]
    return not any(first <= line <= last for first, last in guards for line in lines)


def _guarded(node: ast.AST) -> tuple[int, int] | None:
    """Return the lines that are executed only where `__name__` is `__main__`, if a node says so."""
    if not isinstance(node, ast.If | ast.Expr):
        return None
    asked = node.test if isinstance(node, ast.If) else node.value
    for own in ast.walk(asked):
        names = {ast.unparse(part) for part in ast.walk(own)}
        if isinstance(own, ast.Compare) and names >= {"__name__", "'__main__'"}:
            return node.lineno, node.end_lineno or node.lineno
    return None


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
    try:
        with _given("further thread", FEW_PROCESSES):
            threading.Thread(target=_end_with_parent, daemon=True).start()
    except StorageError as error:
        connection.send(("broken", error))
        return
    with flushed_denormals():
        torch.set_num_threads(threads)
        plan, circumstances, leaving = order()
        show = throttled(connection.send)
        work = Work(plan, directory, circumstances, show, stopping.is_set, inexact, leaving)
        by_number = {cohort.number: cohort for cohort in plan.cohorts}
        runs = runs_by_path(plan)
        while (asked := connection.recv()) is not None:
            number, paths = asked
            connection.send(trained(work, by_number[number], [runs[path] for path in paths]))


def _end_with_parent() -> None:
    """End this process at once when its parent is gone: nobody holds the ablation's lock then."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)

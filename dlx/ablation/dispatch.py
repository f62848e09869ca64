"""Handing cohorts out to a crew that trains several at a time, and hearing what becomes of them.

The crew is of this machine's processes (`dlx.ablation.workers`) or of a cluster's
(`dlx.ablation.cluster`).
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from dlx.ablation.execution import CohortProgress, Report, Show, Work, reason_of, train_cohort
from dlx.ablation.ledger import Ledger
from dlx.ablation.plan import PlannedCohort, PlannedRun
from dlx.errors import DlxError, StorageError
from dlx.training.session import Stopped

_MOST_DEATHS = 2  # of workers that train a cohort, without a checkpoint between them
_SECONDS = 0.2  # between two looks at whether to stop, and between two reports of progress

News = tuple[PlannedCohort, str, Any]
"""A cohort, a kind of news and its content. A cohort may go on after

    progress    a CohortProgress
    saved       nothing; there is a new checkpoint

and has left its worker after

    done        remarks; its files are written
    stopped     nothing; what it saved is written
    died        what became of the worker, in words
    returned    nothing; no worker has begun with it
    crashed     what the error said
    broken      a DlxError, which ends the whole ablation
"""


class Crew(Protocol):
    """Workers that train a cohort each."""

    def has_room(self) -> bool:
        """Say whether another cohort can begin."""
        ...

    def begin(self, cohort: PlannedCohort, runs: Sequence[PlannedRun]) -> None:
        """Let a worker train runs of a cohort."""
        ...

    def hear(self, seconds: float) -> Iterable[News]:
        """Give the news, after waiting for some so long."""
        ...

    def stop(self) -> None:
        """Ask all workers to save and to stop, if they have not been asked before."""
        ...

    def kill(self) -> None:
        """End all workers at once."""
        ...

    def close(self) -> None:
        """End all workers, and wait for those that still save."""
        ...


def trained(work: Work, cohort: PlannedCohort, runs: Sequence[PlannedRun]) -> tuple[str, Any]:
    """Train runs of a cohort, as a worker, and return the last news of it."""
    try:
        return "done", train_cohort(work, cohort, runs)
    except Stopped:
        return "stopped", None
    except StorageError as error:
        return "broken", error
    except BaseException as error:  # a plug-in may end the process
        return "crashed", reason_of(error)


def _suspects(work: Work) -> str:
    """Return in words which plug-ins took part, which may have ended a worker without an error."""
    names = [Path(plugin["path"]).name for plugin in work.circumstances.get("plugins", ())]
    return f"; perhaps a plug-in ended it ({', '.join(names)})" if names else ""


def throttled(send: Callable[[tuple[str, Any]], object], seconds: float = _SECONDS) -> Show:
    """Return what sends progress of a worker: runs that end at once, the rest now and then."""
    shown = 0.0
    values: dict[str, float] = {}

    def show(progress: CohortProgress) -> None:
        nonlocal shown, values
        values |= progress.values
        if progress.ended or time.monotonic() - shown > seconds:
            shown = time.monotonic()
            send(("progress", replace(progress, values=values)))
            values = {}

    return show


def dispatch(work: Work, cohorts: Sequence[PlannedCohort], ledger: Ledger, crew: Crew) -> Report:
    """Train cohorts by a crew, which is closed; see `dlx.ablation.execution.train_cohorts`.

    Where a worker dies, another one goes on with its cohort; where that dies too without having
    saved anything, the cohort has failed, and no other has. This process alone keeps the ledger.
    """
    report = Report()
    waiting = list(cohorts)
    training: dict[int, PlannedCohort] = {}
    deaths: Counter[int] = Counter()
    broken: DlxError | None = None
    stopping = False
    try:
        while waiting or training:
            if work.stop() or broken is not None:
                stopping = True
                crew.stop()
                waiting.clear()
            while waiting and crew.has_room():
                cohort = waiting.pop(0)
                crew.begin(cohort, ledger.unfinished(cohort.runs))
                training[cohort.number] = cohort
            for cohort, kind, content in crew.hear(_SECONDS):
                number = cohort.number
                if kind == "progress":
                    work.show(content)
                    continue
                if kind == "saved":
                    del deaths[number]
                    continue
                del training[number]
                if kind == "returned":
                    waiting.insert(0, cohort)
                    continue
                if kind == "died":
                    ledger.add(cohort)  # which may have been written before the worker died
                    if not ledger.unfinished(cohort.runs):
                        continue
                    deaths[number] += 1
                    content += _suspects(work)
                    if stopping:
                        kind = "stopped"  # it goes on when the ablation does
                    elif deaths[number] < _MOST_DEATHS:
                        remark = (
                            f"cohort {number}: a process that trained it died, and another one "
                            "went on"
                        )
                        report.remarks += [remark] if remark not in report.remarks else []
                        waiting.insert(0, cohort)
                        continue
                if kind == "done":
                    report.remarks += content
                    ledger.add(cohort)
                elif kind == "stopped":
                    report.stopped = True
                elif kind == "broken":
                    broken = broken or content
                else:
                    report.crashed[number] = content
                    ledger.fail(cohort, content)
        report.stopped = report.stopped or (stopping and broken is None)
    except KeyboardInterrupt:  # there is no time to save
        crew.kill()
        raise
    finally:
        crew.close()
    if broken is not None:
        raise broken
    return report

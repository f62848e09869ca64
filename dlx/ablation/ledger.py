"""Which runs of an ablation have ended, and how: index.json in memory."""

import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dlx.ablation.plan import Plan, PlannedCohort, PlannedRun, runs_by_path
from dlx.config.dump import to_plain
from dlx.config.schema import COMPARING
from dlx.errors import RunError, UnreadableError
from dlx.runs import storage_errors
from dlx.runs.ablations import (
    COHORT,
    METRICS,
    IndexedRun,
    cohort_folder,
    read_cohort,
    read_cohort_file,
    read_index,
    write_index,
)
from dlx.tracking.metrics import of_cohort
from dlx.training.finding import differences

CRASHED = "failed"
_LONG = 0.2  # seconds
_REST = 20  # times as long as writing took it is not written again


class Ledger:
    """The runs of an ablation that have ended, by name, with remarks on what was damaged.

    What index.json does not hold yet, since the process ended before, is read from the cohorts.
    """

    def __init__(self, plan: Plan, directory: Path, *, repair: bool = False) -> None:
        """Read what has ended; RunError where files are damaged, unless they are to be repaired.

        To repair is to take the runs of a cohort whose files are missing or damaged for runs that
        have not ended: they will be trained again.
        """
        self._plan = plan
        self._directory = directory
        self._differences: dict[tuple[str, int | None], dict] = {}
        self.remarks: list[str] = []
        self._written = self._took = 0.0  # when index.json was written, and how long that took
        try:
            self.runs: dict[str, IndexedRun] = read_index(directory)
        except RunError as error:
            if not repair or isinstance(error, UnreadableError):
                raise
            self.remarks.append(f"{error}; it is made again")
            self.runs = {}
        for cohort in plan.cohorts:
            try:
                document = self._read(cohort)
                if repair and document is not None:
                    of_cohort(cohort_folder(directory, cohort.number), document)
            except RunError as error:
                if not repair or isinstance(error, UnreadableError):
                    raise
                self._lose(cohort, str(error))

    def _lose(self, cohort: PlannedCohort, reason: str) -> None:
        """Take the runs of a cohort for runs that have not ended."""
        self.remarks.append(f"{reason}: the runs of cohort {cohort.number} are trained again")
        folder = cohort_folder(self._directory, cohort.number)
        derived = [self._directory / name for name in cohort.runs]
        derived += [self._directory / "runs" / str(number) for number in cohort.numbers]
        for path in (folder, *derived):
            with storage_errors(path, "remove"):
                shutil.rmtree(path, ignore_errors=True)
        for name in cohort.runs:
            self.runs.pop(name, None)

    def status(self, name: str) -> str | None:
        """Return how a run ended; None if it has not."""
        run = self.runs.get(name)
        return None if run is None else run.status

    def unfinished(self, names: Iterable[str]) -> list[PlannedRun]:
        """Return those of the runs that have not ended in any way."""
        planned = runs_by_path(self._plan)
        return [planned[name] for name in names if name not in self.runs]

    def add(self, cohort: PlannedCohort) -> None:
        """Take in what ended in a cohort, and write index.json.

        Where that takes long, since there are very many runs, it is left to a later call: what the
        file lacks stands in the cohorts.
        """
        self._read(cohort)
        if self._took < _LONG or time.monotonic() - self._written > _REST * self._took:
            self.write()

    def write(self) -> None:
        """Write index.json."""
        began = time.monotonic()
        write_index(self._directory, self.runs.values())
        self._written = time.monotonic()
        self._took = self._written - began

    def fail(self, cohort: PlannedCohort, reason: str) -> None:
        """Note that the runs of a cohort which have not ended failed, and write index.json."""
        self._read(cohort)
        for run in self.unfinished(cohort.runs):
            self.runs[run.path] = self._entry(cohort, run, CRASHED, 0, reason=reason)
        self.write()

    def forget_failed(self) -> int:
        """Make the runs that failed ones that have not ended, and return how many there were."""
        failed = [name for name, run in self.runs.items() if run.status == CRASHED]
        for name in failed:
            del self.runs[name]
        self.write()
        return len(failed)

    def _read(self, cohort: PlannedCohort) -> dict[str, Any] | None:
        """Take in what cohort.json says, and return it; None if no run of the cohort has ended."""
        folder = cohort_folder(self._directory, cohort.number)
        document = read_cohort(folder)
        if document is None:
            lost = [name for name in cohort.runs if name in self.runs and self.runs[name].cohort]
            if lost:
                raise RunError(f"{folder / COHORT} is missing")
            return None
        for file in (METRICS, *document["digests"]):
            read_cohort_file(folder, document, file)  # which checks that it is whole
        planned = runs_by_path(self._plan)
        for run in document["runs"]:
            if self.status(run["name"]) in (None, CRASHED):
                fields = run["fields"]
                self.runs[run["name"]] = self._entry(
                    cohort,
                    planned[run["name"]],
                    fields["status"],
                    cohort.number,
                    metrics=fields["metrics"],
                    reason=fields["reason"],
                )
        return document

    def _entry(
        self, cohort: PlannedCohort, run: PlannedRun, status: str, number: int, **fields: object
    ) -> IndexedRun:
        key = (run.arm.folder, run.fold)
        if key not in self._differences:
            config = to_plain(self._plan.job(run).config)
            self._differences[key] = differences(to_plain(self._plan.config), config)
        own = self._differences[key]
        return IndexedRun(
            number=cohort.number_of(run.path),
            name=run.path,
            phase=cohort.phase,
            variant=run.arm.variant,
            seed=run.seed,
            fold=run.fold,
            status=status,
            cohort=number,
            row=cohort.runs.index(run.path),
            differences={k: v for k, v in own.items() if k not in ("seed", *COMPARING)},
            **fields,  # type: ignore[arg-type]
        )

"""Which runs of an ablation have ended, and how: index.json in memory."""

from collections.abc import Iterable
from pathlib import Path

from dlx.ablation.plan import Plan, PlannedCohort, PlannedRun, runs_by_path
from dlx.config.dump import to_plain
from dlx.runs.ablations import (
    IndexedRun,
    cohort_folder,
    read_cohort,
    read_index,
    write_index,
)
from dlx.training.finding import differences

CRASHED = "failed"


class Ledger:
    """The runs of an ablation that have ended.

    What index.json does not hold yet, since the process ended before, is read from the cohorts.

    Args:
        plan: of the ablation
        directory: of the ablation

    Raises:
        RunError: index.json or a cohort.json is damaged
    """

    def __init__(self, plan: Plan, directory: Path) -> None:
        self._plan = plan
        self._directory = directory
        self._differences: dict[tuple[str, int | None], dict] = {}
        self.runs: dict[str, IndexedRun] = read_index(directory)
        for cohort in plan.cohorts:
            self._read(cohort)

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

        Raises:
            RunError: the cohort's files are damaged
            StorageError: index.json cannot be written
        """
        self._read(cohort)
        write_index(self._directory, self.runs.values())

    def fail(self, cohort: PlannedCohort, reason: str) -> None:
        """Note that the runs of a cohort which have not ended failed, and write index.json."""
        self._read(cohort)
        for run in self.unfinished(cohort.runs):
            self.runs[run.path] = self._entry(cohort, run, CRASHED, 0, reason=reason)
        write_index(self._directory, self.runs.values())

    def forget_failed(self) -> int:
        """Make the runs that failed ones that have not ended, and return how many there were."""
        failed = [name for name, run in self.runs.items() if run.status == CRASHED]
        for name in failed:
            del self.runs[name]
        write_index(self._directory, self.runs.values())
        return len(failed)

    def _read(self, cohort: PlannedCohort) -> None:
        document = read_cohort(cohort_folder(self._directory, cohort.number))
        if document is None:
            return
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
            differences={k: v for k, v in own.items() if k not in ("seed", "ablation")},
            **fields,  # type: ignore[arg-type]
        )

"""A search's own files: search.yaml, plan.json and the journal; run.json has the digests.

plan.json holds the trials, batch by batch, and how they ended; the last batch may not have ended.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from dlx.ablation.directory import plain
from dlx.config import load as config_files
from dlx.config.schema import RunConfig
from dlx.errors import ConfigError, RunError
from dlx.runs import RunDirectory, documents
from dlx.runs.documents import count
from dlx.runs.files import exists
from dlx.search.trials import State, Trial

CONFIG, PLAN = "search.yaml", "plan.json"
_NUMBER = documents.NUMBER | None
_SHAPE = {
    "batches": [
        [
            {
                "number": count,
                "batch": count,
                "settings": dict,
                "parameters": dict,
                "state?": set(get_args(State)),
                "values": [_NUMBER],
                "violations": {str: _NUMBER},
                "same_as?": count,
                "measured": {str: _NUMBER},
                "rungs": {str: [_NUMBER]},
                "steps": count,
                "reason": str,
            }
        ]
    ],
    "told": count,
    "journal?": {"bytes": count, "sha256": str},
    "cohorts": count,
    "runs": count,
    "parts?": count,
    "judged?": {"trial": (None, count)},
}


@dataclass
class Progress:
    """The trials that were chosen so far."""

    batches: list[list[Trial]] = field(default_factory=list)
    told: int = 0  # of these, that have ended
    journal: dict[str, Any] | None = None  # bytes and SHA-256 of what is known of it
    cohorts: int = 0  # of batches that have ended
    runs: int = 0  # of these cohorts
    # How many workers the cohorts of what has not ended were planned for; None: of no cohorts.
    parts: int | None = None
    # Of the verdict: the number of the best trial, and its settings; None: it has not begun.
    judged: dict[str, Any] | None = None

    @property
    def trials(self) -> list[Trial]:
        """All trials."""
        return [trial for batch in self.batches for trial in batch]

    @property
    def ended(self) -> list[list[Trial]]:
        """The batches that have ended."""
        return self.batches[: self.told]

    @property
    def open(self) -> list[Trial]:
        """The trials of the batch that has not ended; none if all have."""
        return self.batches[-1] if self.told < len(self.batches) else []

    def write(self, run: RunDirectory, name: str, objectives: Sequence[str]) -> None:
        """Write plan.json, and its digest into run.json; the caller holds the lock."""
        document = {
            "name": name,
            "objectives": list(objectives),
            "batches": [[trial.document() for trial in batch] for batch in self.batches],
            "told": self.told,
            "journal": self.journal,
            "cohorts": self.cohorts,
            "runs": self.runs,
            "parts": self.parts,
            "judged": self.judged,
        }
        run.write_files({PLAN: documents.encode(plain(document))})

    @classmethod
    def read(cls, directory: Path) -> "Progress":
        """Return what plan.json says; nothing was chosen if it was never written.

        Raises:
            RunError: it is missing, damaged, or was changed
        """
        run = RunDirectory(directory)
        if not exists(directory / PLAN):
            if PLAN in (run.read_info().get("digests") or {}):
                raise RunError(
                    f"{directory / PLAN}, which says what was tried, was deleted; put it back, or "
                    "start a new search"
                )
            return cls()
        document = documents.decode(run.read_file(PLAN), directory / PLAN)
        documents.check(document, _SHAPE, directory / PLAN)
        try:
            batches = [[Trial.of(trial) for trial in batch] for batch in document["batches"]]
            known = {k: document[k] for k in ("told", "journal", "cohorts", "runs", "judged")}
            return cls(batches, **known, parts=document.get("parts"))
        except (KeyError, TypeError) as error:
            raise RunError(f"{directory / PLAN} is damaged: {error}") from error


def read_config(directory: Path) -> RunConfig:
    """Return the resolved config of a search."""
    if RunDirectory(directory).read_info()["kind"] != "search":
        raise RunError(f"{directory} is no search; `dlx runs` lists what there is")
    RunDirectory(directory).read_file(CONFIG)
    try:
        return config_files.load_resolved(directory / CONFIG)
    except ConfigError as error:
        raise RunError(f"the config of {directory} cannot be used: {error}") from error

"""Ablations whose runs never trained, in the files that dlx writes of cohorts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dlx.config.load import dump, load
from dlx.runs import RunDirectory, documents, make_directory
from dlx.runs.ablations import COHORT, METRICS, IndexedRun, cohort_folder, read_index, write_index
from dlx.runs.info import describe
from dlx.tracking.evaluations import Evaluation, Record
from dlx.tracking.metrics import MetricsFile, lines

START = 1_700_000_000.5


@dataclass(frozen=True)
class Row:
    """A run of a cohort.

    Attributes:
        variant: its name
        seed: of its random streams
        fold: of a cross-validation, from 1
        status: how it ended
        phase: comparison or tuning
        metrics: the final ones
        differences: values by dotted key in which its config differs from the ablation's
        records: its evaluations, of which that of step s was at second s after `START`
        fields: more fields of run.json
    """

    variant: str
    seed: int = 0
    fold: int | None = None
    status: str = "completed"
    phase: str = "comparison"
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    differences: Mapping[str, Any] = field(default_factory=dict)
    records: Sequence[Record] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The run's name in its ablation."""
        fold = "" if self.fold is None else f" fold={self.fold}"
        return f"{self.variant.replace('/', '_')}/seed={self.seed}{fold}"


def make_ablation(runs_dir: Path, name: str, rows: Sequence[Row] = (), **info: Any) -> RunDirectory:
    """Make the folder of an ablation of XOR that has ended, with one cohort of runs."""
    config = dump(load({"name": name, "data": "xor", "train": {"steps": 100}}))
    fields = {"kind": "ablation", "status": "completed"} | info
    made = RunDirectory.create(runs_dir, name, config=config, config_name="ablation.yaml", **fields)
    if rows:
        add_cohort(made.path, rows)
    return made


def add_cohort(ablation: Path, rows: Sequence[Row]) -> Path:
    """Add a cohort of runs that have ended, and return its folder."""
    indexed = list(read_index(ablation).values())
    number = 1 + max((run.cohort or 0 for run in indexed), default=0)
    folder = cohort_folder(ablation, number)
    make_directory(folder)
    metrics = MetricsFile(folder / METRICS)
    entries = []
    for place, row in enumerate(rows):
        run_number = len(indexed) + 1
        for record in row.records:
            columns: dict[str, dict[str, list[Any]]] = {
                split: {tag: [value] for tag, value in tags.items()}
                for split, tags in record.metrics.items()
            }
            alone = Evaluation(record.step, record.epoch, record.examples, [0], columns)
            metrics.append(lines(alone, [0.5], START + record.step, [run_number]))
        fields = {
            "status": row.status,
            "weights": None if row.status == "diverged" else "last",
            "seed": row.seed,
            "steps": 100,
            "epochs": 100.0,
            "examples": 400,
            "parameters": 151,
            "metrics": row.metrics,
            "reason": None,
            "ended": "2026-01-31T09:45:01Z",
            "seconds": 0.5,
            **row.fields,
        }
        entry = {"number": run_number, "row": place, "name": row.name, "shared": 0}
        entries.append(entry | {"fields": fields})
        indexed.append(
            IndexedRun(
                number=run_number,
                name=row.name,
                phase=row.phase,
                variant=row.variant,
                seed=row.seed,
                fold=row.fold,
                status=row.status,
                cohort=number,
                row=place,
                metrics=row.metrics,
                differences=row.differences,
            )
        )
    document = {
        "number": number,
        "shared": [{"data_fingerprint": "0" * 64, "table": False}],
        "runs": entries,
        "metrics_bytes": metrics.size,
        "digests": {},
        **describe(),
        "plugins": [],
    }
    metrics.close()
    documents.write(folder / COHORT, document)
    write_index(ablation, indexed)
    return folder

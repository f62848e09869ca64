"""The directories of runs that have ended: the files of an ordinary run, written once and together.

Nothing is synced run by run. run.json is written last: a directory without one holds a run that has
not ended.
"""

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dlx.ablation.plan import PlannedRun
from dlx.ablation.variants import flat
from dlx.config.load import dump
from dlx.models.plain import PlainForm
from dlx.runs import make_directory, timestamp, weights, write_unsynced
from dlx.runs.environment import describe
from dlx.runs.files import finite
from dlx.tracking.finished import FinishedRun, write_finished
from dlx.training.baseline import baseline
from dlx.training.job import Job
from dlx.training.process import device_name
from dlx.training.records import Outcome


@dataclass(frozen=True)
class EndedRun:
    """One run that has left its cohort.

    Attributes:
        run: as planned
        job: what it trained
        outcome: how it ended
        columns: its evaluations, as `Recorder.columns` gives them
        info: more fields of run.json
    """

    run: PlannedRun
    job: Job
    outcome: Outcome
    columns: Mapping[str, Any]
    info: Mapping[str, Any]


class Writer:
    """Writes the directories of an ablation's runs.

    Args:
        directory: of the ablation
        plugins: as run.json records them
    """

    def __init__(self, directory: Path, plugins: Sequence[Mapping[str, str]]) -> None:
        self._directory = directory
        self._common = describe() | {"plugins": list(plugins), "ablation": directory.name}
        self._arms: dict[tuple[str, int | None], _Arm] = {}

    def write(self, ended: Sequence[EndedRun]) -> list[dict[str, Any]]:
        """Write the directories of runs, and return what their run.json say.

        Raises:
            StorageError: disk full, read-only, no permission
        """
        write_finished(self._measured(each) for each in ended)
        return [self._write(each) for each in ended]

    def failed(self, run: PlannedRun, reason: str) -> dict[str, Any]:
        """Write down that a run could not be trained, and return what its run.json says."""
        folder = self._directory / run.path
        make_directory(folder)
        info = self._common | {
            "kind": "run",
            "status": "failed",
            "seed": run.seed,
            "variant": run.arm.variant,
            "reason": reason,
            "ended": timestamp(),
        }
        write_unsynced(folder / "run.json", _json(info))
        return info

    def _measured(self, each: EndedRun) -> FinishedRun:
        run = each.run
        return FinishedRun(
            directory=self._directory / run.path,
            **each.columns,
            final=each.outcome.worth,
            hparams=flat(run.arm.settings),
            group=run.arm.variant if run.arm.choice is None else "",
            success=each.outcome.status != "diverged",
            config=self._arm(each).config(run.seed),
        )

    def _write(self, each: EndedRun) -> dict[str, Any]:
        run, outcome, arm = each.run, each.outcome, self._arm(each)
        folder = self._directory / run.path
        write_unsynced(folder / "config.yaml", arm.config(run.seed).encode())
        write_unsynced(folder / "preprocessing.safetensors", arm.preprocessing)
        if arm.table is not None:
            write_unsynced(folder / "table.json", arm.table)
        if outcome.status != "diverged":
            tensors = arm.form.state_dict({k: v.cpu() for k, v in outcome.state.items()})
            described = {"step": outcome.step, "weights": outcome.weights}
            write_unsynced(folder / "weights.safetensors", weights.encode(tensors, described))
        info = (
            self._common
            | arm.info
            | {
                "status": outcome.status,
                "seed": run.seed,
                "variant": run.arm.variant,
                "weights": None if outcome.status == "diverged" else outcome.weights,
                "steps": outcome.step,
                "epochs": outcome.step / each.job.steps_per_epoch,
                "metrics": outcome.metrics,
                "reason": outcome.reason,
                "ended": timestamp(),
            }
            | dict(each.info)
        )
        write_unsynced(folder / "run.json", _json(info))
        return info

    def _arm(self, each: EndedRun) -> "_Arm":
        key = (each.run.arm.folder, each.run.fold)
        if key not in self._arms:
            self._arms[key] = _Arm(each.job)
        return self._arms[key]


class _Arm:
    """What the runs of an arm and fold have in common on disk."""

    def __init__(self, job: Job) -> None:
        self._text = dump(job.config)
        self.form = PlainForm(job.design)
        splits = job.splits
        self.preprocessing = weights.encode(splits.preprocessing.to("cpu").tensors(), {})
        self.table = splits.encoder.to_json() if splits.encoder is not None else None
        metrics = job.member.metrics
        self.info: dict[str, Any] = {
            "kind": "run",
            "sequence": None,
            "device": device_name(job.device),
            "threads": torch.get_num_threads(),
            "data_fingerprint": splits.fingerprint,
            "task": dataclasses.asdict(splits.task),
            "features": splits.features,
            "baseline": baseline(splits.task, splits.train, splits.parts, metrics),
        }

    def config(self, seed: int) -> str:
        """Return config.yaml of a run."""
        return re.sub(r"(?m)^seed: \d+$", f"seed: {seed}", self._text, count=1)


def _json(document: Mapping[str, Any]) -> bytes:
    return (
        json.dumps(finite(document), indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    )

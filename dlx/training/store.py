"""What lies on disk of runs in training: the only writer of a run's folder and of a cohort's.

runs/<name>/<id>/                a run: see `dlx.runs.directory`
ablation/cohorts/<n>/            the runs of a cohort
  cohort.json                    what run.json says of each of them; written last
  metrics.jsonl                  their evaluations, each line with its run's number
  weights.safetensors            their scored weights, as `<row>/<name>`
  preprocessing.safetensors      what was fitted on training rows, as `<shared>/<name>`, the number
  tables.json                    of what runs share in cohort.json; of tables, also by that number
  rows.safetensors               what each row adds to judged metrics, as `<row>/<split>.<tag>`, and
                                 the rows' numbers, as `rows/<shared>/<split>`
  pretraining.jsonl
  checkpoints/                   while they train
"""

import dataclasses
import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dlx.config.load import dump
from dlx.errors import DlxWarning, RunError
from dlx.models.plain import PlainForm
from dlx.native import library
from dlx.runs import RunDirectory, checkpoints, documents, make_directory, timestamp, weights
from dlx.runs.ablations import (
    COHORT,
    FINISHED,
    METRICS,
    PREPROCESSING,
    PRETRAINING,
    ROWS,
    TABLE,
    TABLES,
    WEIGHTS,
    read_cohort,
    read_cohort_file,
)
from dlx.runs.checkpoints import Checkpoint
from dlx.runs.files import digest_of, exists, finite, gone, read_plain, write_atomic
from dlx.streams import GENERATOR
from dlx.tracking import metrics as metrics_file
from dlx.tracking.evaluations import Curve, Evaluation
from dlx.tracking.metrics import MetricsFile
from dlx.training.baseline import baseline
from dlx.training.job import Job
from dlx.training.portability import differs_elsewhere
from dlx.training.process import device_name
from dlx.training.records import Outcome
from dlx.training.resuming import placed
from dlx.training.trainer import Trainer


@dataclass(frozen=True)
class Ended:
    """A run that leaves its session."""

    outcome: Outcome  # how it ended
    epochs: float  # passes over the training rows
    examples: int  # training rows seen
    parameters: int  # numbers that were trained
    seconds: float  # its share of the time of the runs that trained with it
    curve: Curve  # its evaluations


@dataclass(frozen=True)
class StageResult:
    """What run.json and pretraining.jsonl say of one stage of a run's pre-training."""

    summary: Mapping[str, Any]  # its number, method, layers, steps, status and last costs
    lines: Sequence[Mapping[str, Any]]  # its evaluations
    failure: str = ""  # which stage diverged, and why; empty if it did not


class Store:
    """Who writes down what becomes of the runs of a session; this one writes nothing."""

    title = "the run"  # of the runs, for remarks
    keeps_last_checkpoint = False  # whether ended runs can be trained further
    folder = Path()  # that the runs are kept in; Path(): they are not

    def load(self) -> Checkpoint | None:
        """Return the newest checkpoint."""
        return None

    def begin(self, trainer: Trainer) -> int | None:
        """Begin with runs; return -1 if they have begun before, without leaving a checkpoint."""
        return None

    def inexact(self, entry: Mapping[str, Any]) -> None:
        """Write down that the runs go on with other bits, before they do."""

    def resume(
        self, trainer: Trainer, saved: Checkpoint, start: int
    ) -> Iterable[tuple[str, Mapping[str, Any]]]:
        """Go on from a checkpoint; return the evaluations since `start`, by names of runs."""
        return ()

    def evaluated(
        self, names: Sequence[str], evaluation: Evaluation, seconds: Sequence[float], now: float
    ) -> None:
        """Add an evaluation of the named runs."""

    def position(self) -> int:
        """Return where the next evaluation will be written; what is before is on the disk."""
        return 0

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return what a checkpoint has to hold beside the trainer: tensors and JSON values."""
        return {}, {}

    def save(self, step: int, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
        """Save a checkpoint."""

    def ended(self, trainer: Trainer, runs: Mapping[str, Ended]) -> None:
        """Write down how runs ended, by name."""

    def forget(self, names: Sequence[str], start: int) -> None:
        """Take back all that was written of runs since `start`."""

    def interrupted(self, trainer: Trainer, seconds: Mapping[str, float]) -> None:
        """Write down that training was stopped, after a checkpoint; seconds of each run."""

    def finish(self) -> None:
        """Write down that all runs have ended."""

    def close(self) -> None:
        """Close the files."""


def shared_fields(job: Job, baselines: dict[Any, Any]) -> dict[str, Any]:
    """Return what run.json says of all runs that differ in nothing but their seeds.

    `baselines` are those that were measured before, by what they depend on; a new one is added.
    """
    splits, metrics = job.splits, job.member.metrics
    # Targets that are the inputs depend on how these are preprocessed, too.
    data = id(splits) if splits.train.own_targets is None else splits.fingerprint
    key = data, splits.task, repr(metrics)
    if key not in baselines:
        baselines[key] = baseline(splits.task, splits.train.targets, splits.parts, metrics)
    return {
        "baseline": baselines[key],
        "data_fingerprint": splits.fingerprint,
        "data_digest": splits.data_digest,
        "rows": rows_of(job),
        "task": dataclasses.asdict(splits.task),
        "features": splits.features,
        "table": splits.encoder is not None,
        "device": device_name(job.device),
        "threads": torch.get_num_threads(),
        "engine": job.member.engine,
        "differs_elsewhere": differs_elsewhere(job),
        "generator": GENERATOR,
        **({"arithmetic": library.ARITHMETIC} if job.member.engine == "native" else {}),
    }


def rows_of(job: Job) -> dict[str, dict[str, Any]]:
    """Return the number of rows of each part, and what tells other rows from them."""
    return {
        name: {"n": len(part.rows), "digest": job.splits.row_digests[name]}
        for name, part in job.splits.parts.items()
    }


def own_fields(job: Job, ended: Ended, stages: Sequence[StageResult]) -> dict[str, Any]:
    """Return what run.json says of one run that has ended."""
    outcome = ended.outcome
    pretraining = {"pretraining": [stage.summary for stage in stages]} if stages else {}
    reasons = [*(stage.failure for stage in stages), outcome.reason]
    return {
        "status": outcome.status,
        "weights": None if outcome.status == "diverged" else outcome.weights,
        "seed": job.config.seed,
        "steps": outcome.step,
        "epochs": ended.epochs,
        "examples": ended.examples,
        **job.spent_before,
        **pretraining,
        "parameters": ended.parameters,
        "metrics": outcome.metrics,
        "reason": next(filter(None, reasons), None),
        "ended": timestamp(),
        "seconds": ended.seconds,
    }


def data_files(job: Job) -> dict[str, bytes]:
    """Return the files that hold what was fitted on the training rows."""
    splits = job.splits
    files = {PREPROCESSING: weights.encode(splits.preprocessing.to("cpu").tensors(), {})}
    if splits.encoder is not None:
        files[TABLE] = splits.encoder.to_json()
    return files


def _on_cpu(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.cpu() for name, value in state.items()}


class _FolderStore(Store):
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._checkpoints = folder / "checkpoints"
        self._metrics: MetricsFile | None = None

    def load(self) -> Checkpoint | None:
        """Return the newest checkpoint."""
        return checkpoints.load_newest(self._checkpoints)

    def save(self, step: int, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
        """Save a checkpoint; StorageError if the folder was moved or deleted."""
        if not exists(self.folder):  # which would be made anew, with nothing else in it
            raise gone(self.folder)
        checkpoints.save(self._checkpoints, step, tensors, metadata)

    def position(self) -> int:
        """Return the length of metrics.jsonl, synced."""
        assert self._metrics is not None
        self._metrics.sync()
        return self._metrics.size

    def close(self) -> None:
        """Close metrics.jsonl."""
        metrics, self._metrics = self._metrics, None  # closed too where that is an error
        if metrics is not None:
            metrics.close()


class RunStore(_FolderStore):
    """Writes the folder of a single run, whose lock the caller holds.

    `change` is given where the job's config is not the one that the folder holds: what run.json
    says of it (see `dlx.training.resuming`).
    """

    keeps_last_checkpoint = True

    def __init__(
        self, run: RunDirectory, job: Job, *, change: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(run.path)
        self.outcome: Outcome | None = None
        self._run = run
        self._job = job
        self._change = change
        self._stages: Sequence[StageResult] = ()
        self.told: list[str] = []  # warnings that the user has been given

    def load(self) -> Checkpoint | None:
        """Return the newest checkpoint; a newer one that is damaged, or its lack, is told.

        RunError: there is none, and the run went on with changes, so that its config does not tell
        how it began.
        """
        saved = super().load()
        if saved is not None:
            for told in saved.warnings:
                warnings.warn(told, DlxWarning, stacklevel=2)
            self.told += saved.warnings
        elif exists(self._run.metrics_path):
            if self._run.read_info().get("resumed"):
                raise RunError(
                    f"{self._checkpoints} has no checkpoint to go on from, and the run went on "
                    "with other options than it began with; put it back, or train a new run"
                )
            words = f"{self._checkpoints} has no checkpoint: the run begins again at step 0"
            warnings.warn(words, DlxWarning, stacklevel=2)
        return saved

    def start(self) -> None:
        """Write down that the run is being trained.

        One that goes on keeps its status until it is known that it can.
        """
        has_checkpoint = checkpoints.newest_step(self._checkpoints) is not None
        if not has_checkpoint and self._run.read_info()["status"] not in FINISHED:
            self._run.write_info(**self._running())

    def _running(self) -> dict[str, Any]:
        started = self._run.read_info().get("started") or timestamp()
        seed = self._job.config.seed
        return {"status": "running", "started": started, "ended": None, "seed": seed}

    def pretrained(self, stages: Mapping[str, Sequence[StageResult]]) -> None:
        """Write down how the run's pre-training went."""
        self._stages = stages[self._job.member.name]
        lines = [metrics_file.line(line) for stage in self._stages for line in stage.lines]
        self._run.write_files(
            {PRETRAINING: "".join(lines).encode()},
            pretraining=[stage.summary for stage in self._stages],
        )

    def inexact(self, entry: Mapping[str, Any]) -> None:
        """Write down that the run goes on with other bits."""
        entries = self._run.read_info().get("inexact") or []
        self._run.write_info(inexact=[*entries, entry])

    def begin(self, trainer: Trainer) -> int | None:
        """Write down what the run is made of."""
        has_begun = exists(self._run.metrics_path)
        self._open(trainer, 0, 0, False)
        return -1 if has_begun else None

    def resume(
        self, trainer: Trainer, saved: Checkpoint, start: int
    ) -> Iterable[tuple[str, Mapping[str, Any]]]:
        """Cut metrics.jsonl to where the checkpoint stood, and return its lines."""
        state = saved.metadata["trainer"]
        is_evaluated = state["evaluated"] == state["step"]
        self._open(trainer, saved.metadata["position"], saved.step, is_evaluated)
        name = self._job.member.name
        return [(name, record) for record in metrics_file.read(self._run.metrics_path)]

    def _open(self, trainer: Trainer, position: int, step: int, is_evaluated: bool) -> None:
        """Write down what the run is made of, now that it is known to be possible."""
        metrics_file.check_position(self._run.metrics_path, position)
        if position and METRICS in (self._run.read_info().get("digests") or {}):
            self._run.read_file(METRICS)  # else a changed one would get a new digest
        files, fields = data_files(self._job), shared_fields(self._job, {})
        if self._change is not None:
            files["config.yaml"] = dump(self._job.config).encode()
            entries = [*(self._run.read_info().get("resumed") or []), self._change]
            # Before the config: an entry whose change was not made yet changes nothing.
            self._run.write_info(resumed=placed(entries, step, is_evaluated))
        parameters = trainer.cohort.network.num_parameters(0)
        self._run.write_files(files, **fields, **self._running(), parameters=parameters)
        self._run.will_grow(METRICS)
        self._metrics = MetricsFile(self._run.metrics_path, position)

    def evaluated(
        self, names: Sequence[str], evaluation: Evaluation, seconds: Sequence[float], now: float
    ) -> None:
        """Add a line to metrics.jsonl."""
        assert self._metrics is not None
        self._metrics.append(metrics_file.lines(evaluation, seconds, now))

    def ended(self, trainer: Trainer, runs: Mapping[str, Ended]) -> None:
        """Write the scored weights, and close run.json."""
        [ended] = runs.values()
        self.outcome = ended.outcome
        recorded = self._run.read_info().get("pretraining") or []  # in an earlier session
        stages = self._stages or [StageResult(summary, ()) for summary in recorded]
        fields = own_fields(self._job, ended, stages)
        files = {}
        if ended.outcome.status != "diverged":
            tensors = PlainForm(self._job.design).state_dict(_on_cpu(ended.outcome.state))
            described = {"step": fields["steps"], "weights": fields["weights"]}
            files[WEIGHTS] = weights.encode(tensors, described)
        self.position()  # all lines are on the disk
        self._run.write_files(files, grown=[METRICS], **fields)

    def interrupted(self, trainer: Trainer, seconds: Mapping[str, float]) -> None:
        """Write down where the run stands."""
        self._run.write_files(
            {},
            grown=[METRICS],
            status="interrupted",
            steps=trainer.step,
            epochs=trainer.step / trainer.steps_per_epoch,
            seconds=seconds[self._job.member.name],
            ended=timestamp(),
        )


@dataclass(frozen=True)
class PlannedMember:
    """A run of a cohort as its ablation numbers it."""

    number: int  # of the run in the ablation
    row: int  # of the run in the cohort, as it was planned
    job: Job  # the run


class CohortStore(_FolderStore):
    """Writes the folder of a cohort of an ablation.

    Args:
        members: its runs that have not ended, by name
        circumstances: command, git_commit, versions and plugins, as run.json records them
    """

    def __init__(
        self,
        folder: Path,
        number: int,
        members: Mapping[str, PlannedMember],
        circumstances: Mapping[str, Any],
    ) -> None:
        super().__init__(folder)
        self.title = f"cohort {number}"
        self.fields: dict[str, dict[str, Any]] = {}  # what run.json says of runs that have ended
        self.curves: dict[str, Curve] = {}
        self._number = number
        self._members = members
        self._circumstances = circumstances
        self._saved = read_cohort(folder)
        self._tensors: dict[str, dict[str, Tensor]] = {}
        self._judged: dict[str, dict[str, Tensor]] = {}
        self._stages: dict[str, Sequence[StageResult]] = {}
        self._inexact: list[Mapping[str, Any]] = []

    def pretrained(self, stages: Mapping[str, Sequence[StageResult]]) -> None:
        """Write down how the pre-training of runs went, by name."""
        self._stages |= stages
        lines = [
            metrics_file.line({"run": self._members[name].number} | dict(line))
            for name, results in stages.items()
            for stage in results
            for line in stage.lines
        ]
        make_directory(self.folder)
        path = self.folder / PRETRAINING
        before = read_plain(path) if exists(path) else b""
        others = metrics_file.without_runs(before, {self._members[name].number for name in stages})
        write_atomic(path, others + "".join(lines).encode())

    def inexact(self, entry: Mapping[str, Any]) -> None:
        """Keep that the runs which have not ended go on with other bits."""
        self._inexact = [entry]

    def begin(self, trainer: Trainer) -> int | None:
        """Open metrics.jsonl, without what runs wrote that have left no checkpoint."""
        if self._metrics is None:
            make_directory(self.folder)
            kept = self._saved["metrics_bytes"] if self._saved else 0
            self._metrics = MetricsFile(self.folder / METRICS, kept)
        return None

    def resume(
        self, trainer: Trainer, saved: Checkpoint, start: int
    ) -> Iterable[tuple[str, Mapping[str, Any]]]:
        """Cut metrics.jsonl to where the checkpoint stood; return the lines since `start`."""
        self.fields |= saved.metadata["ended"]
        self._inexact = [*saved.metadata.get("inexact", []), *self._inexact]
        self._stages |= {
            name: [StageResult(summary, ()) for summary in summaries]
            for name, summaries in saved.metadata["stages"].items()
        }
        names = {str(member.row): name for name, member in self._members.items()}
        for key, tensor in saved.tensors.items():
            if key.startswith("ended/"):
                _, row, name = key.split("/", 2)
                self._tensors.setdefault(names[row], {})[name] = tensor
            elif key.startswith("judged/"):
                _, row, name = key.split("/", 2)
                self._judged.setdefault(names[row], {})[name] = tensor
        self._metrics = MetricsFile(self.folder / METRICS, saved.metadata["position"])
        numbers = {member.number: name for name, member in self._members.items()}
        records = metrics_file.records(self.folder / METRICS, start)
        return [(numbers[record.pop("run")], record) for record in records]

    def evaluated(
        self, names: Sequence[str], evaluation: Evaluation, seconds: Sequence[float], now: float
    ) -> None:
        """Add a line for each run that was due."""
        assert self._metrics is not None
        numbers = [self._members[name].number for name in names]
        self._metrics.append(metrics_file.lines(evaluation, seconds, now, numbers))

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the runs that have ended: their fields and weights."""
        tensors = {
            f"{kind}/{self._members[name].row}/{key}": tensor
            for kind, kept in (("ended", self._tensors), ("judged", self._judged))
            for name, own in kept.items()
            for key, tensor in own.items()
        }
        stages = {
            name: [result.summary for result in results] for name, results in self._stages.items()
        }
        told = {"inexact": self._inexact} if self._inexact else {}
        return tensors, {"ended": finite(self.fields), "stages": finite(stages), **told}

    def ended(self, trainer: Trainer, runs: Mapping[str, Ended]) -> None:
        """Keep how runs ended, until all have."""
        told = {"inexact": self._inexact} if self._inexact else {}
        form: PlainForm | None = None  # of the run before, whose network is the same as a rule
        for name, ended in runs.items():
            job = self._members[name].job
            self.fields[name] = own_fields(job, ended, self._stages.get(name, ())) | told
            self.curves[name] = ended.curve
            if ended.outcome.status != "diverged":
                if form is None or form.design != job.design:
                    form = PlainForm(job.design)
                self._tensors[name] = form.state_dict(_on_cpu(ended.outcome.state))
                self._judged[name] = ended.outcome.judged

    def forget(self, names: Sequence[str], start: int) -> None:
        """Take back what was written of runs since `start`."""
        for name in names:
            self.fields.pop(name, None)
            self._tensors.pop(name, None)
            self._judged.pop(name, None)
        if self._metrics is not None:
            super().close()
            self._metrics = MetricsFile(self.folder / METRICS, start)

    def finish(self) -> None:
        """Write the files of all runs that have ended; cohort.json comes last."""
        if not self.fields:
            return
        end, digest = self._drop_unfinished()
        shared: list[dict[str, Any]] = []
        runs: list[dict[str, Any]] = []
        tensors: dict[str, Tensor] = {}
        fitted: dict[str, Tensor] = {}
        judged: dict[str, Tensor] = {}
        tables: dict[str, Any] = {}
        if self._saved:
            shared, runs = list(self._saved["shared"]), list(self._saved["runs"])
            tensors, fitted = (self._read_tensors(name) for name in (WEIGHTS, PREPROCESSING))
            if ROWS in self._saved["digests"]:
                judged = self._read_tensors(ROWS)
            if TABLES in self._saved["digests"]:
                tables = json.loads(read_cohort_file(self.folder, self._saved, TABLES))
        places = {json.dumps(common): place for place, common in enumerate(shared)}
        shared_places: dict[tuple[int, int], int] = {}
        baselines: dict[Any, Any] = {}
        for name, fields in self.fields.items():
            member = self._members[name]
            splits = member.job.splits
            key = id(splits), id(member.job.design)
            if key not in shared_places:
                common = json.loads(json.dumps(finite(shared_fields(member.job, baselines))))
                place = places.setdefault(json.dumps(common), len(shared))
                if place == len(shared):
                    shared.append(common)
                    own = splits.preprocessing.to("cpu").tensors()
                    fitted |= {f"{place}/{name}": tensor for name, tensor in own.items()}
                    if splits.encoder is not None:
                        tables[str(place)] = splits.encoder.document()
                shared_places[key] = place
            runs.append(
                {
                    "number": member.number,
                    "row": member.row,
                    "name": name,
                    "shared": shared_places[key],
                    "fields": fields,
                }
            )
            tensors |= {
                f"{member.row}/{key}": tensor for key, tensor in self._tensors.get(name, {}).items()
            }
            for metric, values in self._judged.get(name, {}).items():
                split = metric.partition(".")[0]
                judged[f"{member.row}/{metric}"] = values
                numbers = torch.from_numpy(splits.part(split).rows.astype("int32"))
                judged[f"rows/{shared_places[key]}/{split}"] = numbers
        files = {PREPROCESSING: weights.encode(fitted, {})}
        if judged:
            files[ROWS] = weights.encode(judged, {})
        if tables:
            files[TABLES] = json.dumps(tables, ensure_ascii=False).encode()
        for name, content in files.items():
            write_atomic(self.folder / name, content)
        weights_digest = weights.save(self.folder / WEIGHTS, tensors, {})
        if exists(self.folder / PRETRAINING):
            files[PRETRAINING] = read_plain(self.folder / PRETRAINING)
        document = {
            "number": self._number,
            "shared": shared,
            "runs": runs,
            "metrics_bytes": end,
            "metrics_digest": digest,
            "digests": {
                WEIGHTS: weights_digest,
                **{name: documents.sha256(content) for name, content in files.items()},
            },
            **self._circumstances,
        }
        documents.write(self.folder / COHORT, document)
        checkpoints.clear(self._checkpoints)

    def _read_tensors(self, name: str) -> dict[str, Tensor]:
        """Return the tensors that a file of the cohort holds."""
        assert self._saved is not None
        content = read_cohort_file(self.folder, self._saved, name)
        return weights.load(content, self.folder / name)[0]

    def _drop_unfinished(self) -> tuple[int, str]:
        """Take the lines of runs that have not ended out of metrics.jsonl.

        Returns:
            its length and SHA-256
        """
        path, numbers = self.folder / METRICS, {m.number for m in self._members.values()}
        unfinished = numbers - {self._members[name].number for name in self.fields}
        self.close()
        if not exists(path):
            raise gone(path)
        if unfinished:
            write_atomic(path, metrics_file.without_runs(read_plain(path), unfinished))
        return path.stat().st_size, digest_of(path)

    def close(self) -> None:
        """Close metrics.jsonl."""
        if self._metrics is not None:
            self._metrics.sync()
        super().close()

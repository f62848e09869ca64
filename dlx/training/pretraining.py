"""Greedy pre-training: stage after stage, runs side by side, each stage kept in a cache.

# K runs, N rows, I inputs, H units

The cache is a folder per stage, named by its key (see `PlannedStage.key`), with a checkpoint of
what the stage has learned: `.cache/pretrain/<key>/step=<steps>.<SHA-256>.safetensors`. What is in
training has its checkpoints in a folder named by the keys of its runs.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dlx.cohort import Cohort, Member, group
from dlx.config.schema import RunConfig
from dlx.data.parts import Part
from dlx.data.selection import Examples, Selection
from dlx.engine.coverage import engine_of
from dlx.engine.evaluation import NativeEvaluation
from dlx.errors import RunError, RunInUseError
from dlx.models import stages as networks
from dlx.nn.metrics import default_metrics
from dlx.nn.network import Network
from dlx.runs import checkpoints, make_directory
from dlx.runs.checkpoints import Checkpoint
from dlx.runs.files import finite, refuse_links
from dlx.runs.locks import hold
from dlx.tracking.evaluations import Evaluation
from dlx.training.evaluation import encode_by_torch
from dlx.training.exactness import changed
from dlx.training.job import Job, initialize
from dlx.training.records import Show, Stop
from dlx.training.session import Session, Stopped
from dlx.training.stages import PlannedStage
from dlx.training.store import Ended, StageResult, Store
from dlx.training.trainer import Trainable, Trainer

FOLDER = "pretrain"  # in the cache of a folder of runs
_PARTS = ("train", "dev")  # test rows have nothing to say before the end
_MOST_EVALUATIONS = 50
_CODE_BYTES = 2**30  # of the inputs that the runs of a cohort have of their own
_MOST_RUNS = 512


@dataclass(frozen=True)
class Trained:
    """What became of one stage of one run."""

    stage: PlannedStage  # which
    reused: bool  # it was in the cache
    status: str  # completed or diverged
    reason: str  # of a divergence
    records: list[dict[str, Any]]  # its evaluations: step, epoch, and metrics by split

    @property
    def result(self) -> StageResult:
        """What run.json and pretraining.jsonl say of it."""
        stage = self.stage
        last = self.records[-1] if self.records else {}
        costs = {name: tags["cost"] for name, tags in last.items() if isinstance(tags, dict)}
        which = {"stage": stage.number, "method": stage.method}
        layers = {"layers": [layer.name for layer in stage.layers]}
        reused = {"reused": self.reused}
        ended = {"steps": stage.num_steps, "status": self.status}
        summary = which | layers | ended | reused | {"cost": costs}
        head = which | reused | layers
        failure = f"pre-training, {stage.words}: {self.reason}" if self.reason else ""
        return StageResult(summary, [head | record for record in self.records], failure)


@dataclass
class Pretrained:
    """What pre-training came to."""

    jobs: list[Job]  # as given, with what they start from
    stages: list[list[Trained]]  # of each job
    warnings: list[str] = field(default_factory=list)  # sentences of what was damaged


def pretrain(
    jobs: Sequence[Job], cache: Path, show: Show = lambda progress: None, stop: Stop = lambda: False
) -> Pretrained:
    """Train the stages of runs that the cache does not hold yet; Stopped when all is saved.

    Runs without stages are given back as they are. The folder of the cache is made if needed.
    """
    refuse_links(cache)
    result = Pretrained(list(jobs), [[] for _ in jobs])
    learned: list[dict[str, Tensor]] = [{} for _ in jobs]
    keys = [""] * len(jobs)
    for number in range(max((len(job.stages) for job in jobs), default=0)):
        having = [place for place, job in enumerate(jobs) if number < len(job.stages)]
        first: dict[str, int] = {}
        for place in having:
            keys[place] = _key(jobs[place], number, keys[place])
            first.setdefault(keys[place], place)
        entries = {key: _load(cache / key, result.warnings) for key in first}
        new = [key for key, entry in entries.items() if entry is None]
        for cohort in _cohorts(jobs, [first[key] for key in new], number):
            runs = [StageRun(jobs[p], jobs[p].stages[number], keys[p], learned[p]) for p in cohort]
            result.warnings += _train(runs, cache, show, stop)
        entries |= {key: _load(cache / key, result.warnings) for key in new}
        for place in having:
            entry = entries[keys[place]]
            assert entry is not None, "it has just been written"
            learned[place] |= entry.tensors
            stage, was_there = jobs[place].stages[number], keys[place] not in new
            ended = (entry.metadata[key] for key in ("status", "reason", "records"))
            result.stages[place].append(Trained(stage, was_there, *ended))
    for place, job in enumerate(jobs):
        if job.stages:
            result.jobs[place] = job.begun_from(learned[place])
    return result


def _key(job: Job, number: int, before: str) -> str:
    """Return the key of a run's stage, given that of the one before."""
    stage, kind = job.stages[number], job.device.type
    return stage.key(job.config, job.splits.fingerprint, kind, before)


def keys_of(job: Job) -> list[str]:
    """Return the keys of all stages of a run: the names of their folders in the cache."""
    keys: list[str] = []
    for number in range(len(job.stages)):
        keys.append(_key(job, number, keys[-1] if keys else ""))
    return keys


def _load(folder: Path, warnings: list[str]) -> Checkpoint | None:
    """Return an entry of the cache; None where it is not there, damaged or of another stage."""
    try:
        entry = checkpoints.load_newest(folder)
        if entry is not None and entry.metadata.get("key") != folder.name:
            raise RunError(f"{entry.path} is that of another stage")
        return entry
    except RunError as error:
        warnings.append(f"pre-training is repeated: {error}")
        checkpoints.clear(folder)
        return None


@dataclass(frozen=True)
class StageRun(Trainable):
    """One stage of one run, as a session trains it."""

    job: Job  # the run
    planned: PlannedStage  # the stage
    key: str  # of the stage in the cache
    learned: dict[str, Tensor]  # by the stages before

    @property
    def log_level(self) -> str:
        """The same, whatever the run logs: the cache serves other runs too."""
        return "standard"

    @property
    def config(self) -> RunConfig:
        """Of the run."""
        return self.job.config

    @property
    def mark(self) -> str:
        """Its key."""
        return self.key

    @property
    def stage(self) -> str:
        """The stage in words."""
        return self.planned.words

    @staticmethod
    def trainer(jobs: "Sequence[StageRun]", *, is_new: bool) -> Trainer:
        """Return the trainer of stages that go together; new ones get their initial weights."""
        first = jobs[0]
        members = [run.member for run in jobs]
        cohort = Cohort(members, first.planned.batch_size, device=first.job.device)
        examples = _examples(jobs)
        if is_new:
            initialize(cohort, examples["train"])
        return Trainer(cohort, examples, gradient_norms=False)

    @property
    def member(self) -> Member:
        """The run as its cohort sees it."""
        stage, job = self.planned, self.job
        per_epoch = max(stage.num_steps // max(stage.epochs, 1), 1)
        member = Member(
            name=self.key,
            seed=job.config.seed,
            design=stage.design,
            optimizer=stage.optimizer,
            num_steps=stage.num_steps,
            evaluate_every=-(-max(stage.epochs, 1) // _MOST_EVALUATIONS) * per_epoch,
            metrics=default_metrics(stage.design.head),
            bagging=job.member.bagging,
            start=self.learned,
        )
        # Where the run's engine does not cover a stage, torch's trains that.
        wanted = "auto" if job.member.engine == "native" else "torch"
        precision = job.config.train.matmul_precision
        return replace(member, engine=engine_of(wanted, member, job.device, precision)[0])


def _cohorts(jobs: Sequence[Job], places: Sequence[int], number: int) -> list[list[int]]:
    runs = [StageRun(jobs[p], jobs[p].stages[number], str(p), {}) for p in places]
    shared = [
        (
            *((name, id(part.selection.base), len(part)) for name, part in _parts(run.job).items()),
            run.planned.batch_size,
            run.planned.below == (),
        )
        for run in runs
    ]
    cohorts = []
    for indices in group([run.member for run in runs], shared):
        run = runs[indices[0]]
        most = _MOST_RUNS
        if run.planned.below:
            rows = sum(len(part) for part in run.job.splits.unlabelled.parts.values())
            most = max(min(most, _CODE_BYTES // (4 * rows * run.planned.layers[0].inputs)), 1)
        for start in range(0, len(indices), most):
            cohorts.append([places[index] for index in indices[start : start + most]])
    return cohorts


def _train(runs: Sequence[StageRun], cache: Path, show: Show, stop: Stop) -> list[str]:
    """Train a stage of runs that go together, and write it to the cache; return remarks."""
    names = hashlib.sha256("".join(run.key for run in runs).encode()).hexdigest()
    folder = cache / f"training-{names}"
    make_directory(folder)
    try:
        with hold(folder / ".lock", wait=True, stop=stop):
            if all(checkpoints.load_newest(cache / run.key) for run in runs):
                return []  # another process was faster
            remarks = Session(runs, _StageStore(runs, folder, cache), show=show, stop=stop).train()
    except RunInUseError:  # told to stop while another process trains it
        raise Stopped from None
    checkpoints.clear(folder)
    return remarks


class _StageStore(Store):
    title = "pre-training"

    def __init__(self, runs: Sequence[StageRun], folder: Path, cache: Path) -> None:
        self.folder = folder
        self._runs = {run.key: run for run in runs}
        self._cache = cache
        self._records: dict[str, list[dict[str, Any]]] = {run.key: [] for run in runs}

    def load(self) -> Checkpoint | None:
        """Return the newest checkpoint; None if there is none that gives the same bits."""
        device = next(iter(self._runs.values())).job.device
        try:
            saved = checkpoints.load_newest(self.folder)
        except RunError:
            return None
        differs = saved is not None and changed(saved, device, ["torch", "processor", "arithmetic"])
        return None if differs else saved

    def resume(
        self, trainer: Trainer, saved: Checkpoint, start: int
    ) -> Iterable[tuple[str, Mapping[str, Any]]]:
        """Take over the evaluations so far."""
        self._records = saved.metadata["records"]
        return []

    def evaluated(
        self, names: Sequence[str], evaluation: Evaluation, seconds: Sequence[float], now: float
    ) -> None:
        """Keep an evaluation."""
        for row in evaluation.rows:
            record = evaluation.record(row)
            line = {"step": record.step, "epoch": record.epoch, **record.metrics}
            self._records[names[row]].append(finite(line))

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the evaluations so far; what has ended is in the cache."""
        return {}, {"records": self._records}

    def save(self, step: int, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
        """Save a checkpoint."""
        checkpoints.save(self.folder, step, tensors, metadata)

    def ended(self, trainer: Trainer, runs: Mapping[str, Ended]) -> None:
        """Write what stages have learned to the cache."""
        rows = {member.name: row for row, member in enumerate(trainer.members)}
        for key, ended in runs.items():
            outcome, design = ended.outcome, self._runs[key].planned.design
            metadata = {
                "key": key,
                "status": outcome.status,
                "reason": outcome.reason,
                "records": self._records[key],
            }
            state = outcome.state
            if outcome.status == "diverged":  # a run that starts from it diverges too, and says so
                last = trainer.cohort.network.run_state(rows[key])
                state = {name: torch.full_like(value, torch.nan) for name, value in last.items()}
            learned = networks.learned(design, state)
            checkpoints.save(self._cache / key, outcome.step, learned, metadata)

    def forget(self, names: Sequence[str], start: int) -> None:
        """Take back the evaluations of runs that begin again."""
        self._records |= {name: [] for name in names}


def _parts(job: Job) -> dict[str, Part]:
    """Return the parts that a stage looks at."""
    splits = job.splits.unlabelled
    return {name: part for name, part in splits.parts.items() if name in _PARTS}


def _examples(runs: Sequence[StageRun]) -> dict[str, Examples]:
    """Return what a stage reconstructs: the data, or each run's own codes of them."""
    first = runs[0]
    shared = first.job.splits.shared
    names = ["train"] if shared else list(_parts(first.job))
    parts = {
        name: Selection.together([_parts(run.job)[name].selection for run in runs])
        for name in names
    }
    if first.planned.below:
        encoders = Network(
            [run.planned.below for run in runs],
            [run.job.config.seed for run in runs],
            device=first.job.device,
        )
        for row, run in enumerate(runs):
            encoders.load_start(row, run.learned)
        last = first.planned.below[-1].name
        if first.member.engine == "native":
            encode = NativeEvaluation(encoders).encode
        else:
            encode = partial(encode_by_torch, encoders)
        parts = {name: Selection.own(encode(inputs, last)) for name, inputs in parts.items()}
    examples = {name: (inputs, inputs) for name, inputs in parts.items()}
    return dict.fromkeys(_parts(first.job), examples["train"]) if shared else examples

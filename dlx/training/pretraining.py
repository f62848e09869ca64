"""Greedy pre-training: stage after stage, runs side by side, each stage kept in a cache.

# K runs, N rows, I inputs, H units

The cache is a folder per stage, named by its key (see `PlannedStage.key`), with a checkpoint of
what the stage has learned: `.cache/pretrain/<key>/step=<steps>.<SHA-256>.safetensors`. What is in
training has its checkpoints in a folder named by the keys of its runs.
"""

import contextlib
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dlx.cohort import Cohort, Member, group
from dlx.data.targets import Examples
from dlx.errors import RunError, RunInUseError, is_out_of_memory
from dlx.models import stages as networks
from dlx.nn.metrics import default_metrics
from dlx.nn.network import Network
from dlx.runs import checkpoints, make_directory
from dlx.runs.files import finite
from dlx.runs.locks import hold
from dlx.training.evaluation import encode
from dlx.training.job import Job, initialize
from dlx.training.records import Evaluation, Outcome, Record
from dlx.training.stages import PlannedStage
from dlx.training.trainer import Trainer

FOLDER = "pretrain"  # in the cache of a folder of runs
_PARTS = ("train", "dev")  # test rows have nothing to say before the end
_MOST_EVALUATIONS = 50
_CODE_BYTES = 2**30  # of the inputs that the runs of a cohort have of their own
_MOST_RUNS = 512
_SECONDS_BETWEEN_SHOWS = 0.2


@dataclass(frozen=True)
class StageProgress:
    """How far a stage is.

    Attributes:
        words: which
        step: optimizer steps taken
        num_steps: of the stage
        steps_per_epoch: batches in a pass over the rows that it is trained on
        runs: that train side by side
        steps_per_second: of each
        record: the newest evaluation of one of them
        is_new: whether the evaluation has just been made
    """

    words: str
    step: int
    num_steps: int
    steps_per_epoch: int
    runs: int
    steps_per_second: float
    record: Record | None
    is_new: bool


Show = Callable[[StageProgress], None]


@dataclass(frozen=True)
class Trained:
    """What became of one stage of one run.

    Attributes:
        stage: which
        reused: it was in the cache
        status: completed or diverged
        reason: of a divergence
        records: its evaluations: step, epoch, and metrics by split
    """

    stage: PlannedStage
    reused: bool
    status: str
    reason: str
    records: list[dict[str, Any]]

    @property
    def summary(self) -> dict[str, Any]:
        """What run.json says of it."""
        stage = self.stage
        last = self.records[-1] if self.records else {}
        costs = {name: its["cost"] for name, its in last.items() if isinstance(its, dict)}
        return {
            "stage": stage.number,
            "method": stage.method,
            "layers": [layer.name for layer in stage.layers],
            "steps": stage.num_steps,
            "status": self.status,
            "reused": self.reused,
            "cost": costs,
        }


@dataclass
class Pretrained:
    """What pre-training came to.

    Attributes:
        jobs: as given, with what they start from
        stages: of each job
        warnings: sentences of what was damaged
    """

    jobs: list[Job]
    stages: list[list[Trained]]
    warnings: list[str] = field(default_factory=list)


def pretrain(
    jobs: Sequence[Job],
    cache: Path,
    show: Show = lambda progress: None,
    stop: Callable[[], bool] = lambda: False,
) -> Pretrained | None:
    """Train the stages of runs that the cache does not hold yet; None if stopped, and saved.

    Args:
        jobs: the runs; those without stages are given back as they are
        cache: a folder, made if it is needed
        show: is told of progress
        stop: says whether to stop between two steps

    Raises:
        StorageError: a file could not be written
    """
    found = Pretrained(list(jobs), [[] for _ in jobs])
    learned: list[dict[str, Tensor]] = [{} for _ in jobs]
    keys = [""] * len(jobs)
    for number in range(max((len(job.stages) for job in jobs), default=0)):
        having = [place for place, job in enumerate(jobs) if number < len(job.stages)]
        first: dict[str, int] = {}
        for place in having:
            job = jobs[place]
            kind, before = job.device.type, keys[place]
            keys[place] = job.stages[number].key(job.config, job.splits.fingerprint, kind, before)
            first.setdefault(keys[place], place)
        known = {key: _load(cache / key, found.warnings) for key in first}
        new = {key for key in first if known[key] is None}
        missing = [first[key] for key in first if key in new]
        for cohort in _cohorts(jobs, missing, number):
            runs = [_Run(jobs[p], jobs[p].stages[number], keys[p], learned[p]) for p in cohort]
            if not _train_fitting(runs, cache, show, stop, found.warnings):
                return None
        for place in having:
            key = keys[place]
            entry = known[key] = known[key] or _load(cache / key, found.warnings)
            assert entry is not None, "it has just been written"
            learned[place] |= entry.tensors
            its = entry.metadata
            stage = jobs[place].stages[number]
            trained = Trained(stage, key not in new, its["status"], its["reason"], its["records"])
            found.stages[place].append(trained)
    for place, job in enumerate(jobs):
        if job.stages:
            start = networks.start(job.design, learned[place])
            found.jobs[place] = replace(job, member=replace(job.member, start=start))
    return found


def _load(folder: Path, warnings: list[str]) -> checkpoints.Checkpoint | None:
    """Return an entry of the cache; None where it is not there, or damaged."""
    try:
        return checkpoints.load_newest(folder)
    except RunError as error:
        warnings.append(f"pre-training is repeated: {error}")
        checkpoints.clear(folder)
        return None


@dataclass(frozen=True)
class _Run:
    """A stage of one run, to be trained."""

    job: Job
    stage: PlannedStage
    key: str
    learned: dict[str, Tensor]

    @property
    def member(self) -> Member:
        """The run as its cohort sees it."""
        stage, job = self.stage, self.job
        per_epoch = max(stage.num_steps // max(stage.epochs, 1), 1)
        return Member(
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


def _cohorts(jobs: Sequence[Job], places: Sequence[int], number: int) -> list[list[int]]:
    """Return which of the runs train side by side, in a stage."""
    runs = [_Run(jobs[p], jobs[p].stages[number], str(p), {}) for p in places]
    shared = [
        (id(run.job.splits.unlabelled.train.inputs), run.stage.batch_size, run.stage.below == ())
        for run in runs
    ]
    cohorts = []
    for indices in group([run.member for run in runs], shared):
        run = runs[indices[0]]
        most = _MOST_RUNS
        if run.stage.below:
            rows = sum(len(part.inputs) for part in run.job.splits.unlabelled.parts.values())
            most = max(min(most, _CODE_BYTES // (4 * rows * run.stage.layers[0].inputs)), 1)
        for start in range(0, len(indices), most):
            cohorts.append([places[index] for index in indices[start : start + most]])
    return cohorts


def _train_fitting(
    runs: Sequence[_Run],
    cache: Path,
    show: Show,
    stop: Callable[[], bool],
    warnings: list[str],
) -> bool:
    """Train a stage of runs, in halves where the memory does not suffice; False if stopped."""
    try:
        return _train(runs, cache, show, stop)
    except Exception as error:
        if not is_out_of_memory(error) or len(runs) == 1:
            raise
    warnings.append(f"pre-training: {len(runs)} runs did not fit into memory; trained in halves")
    middle = len(runs) // 2
    halves = (runs[:middle], runs[middle:])
    return all(_train_fitting(half, cache, show, stop, warnings) for half in halves)


def _train(runs: Sequence[_Run], cache: Path, show: Show, stop: Callable[[], bool]) -> bool:
    """Train a stage of runs that go together, and write it to the cache; False if stopped."""
    names = hashlib.sha256("".join(run.key for run in runs).encode()).hexdigest()
    folder = cache / f"training-{names}"
    make_directory(folder)
    try:
        with hold(folder / ".lock", wait=True, stop=stop):
            if all(checkpoints.load_newest(cache / run.key) for run in runs):
                return True  # another process was faster
            session = _Session(runs, folder, cache, show)
            if not session.train(stop):
                return False
    except RunInUseError:  # told to stop while another process trains it
        return False
    checkpoints.clear(folder)
    return True


class _Session:
    """Trains a stage of some runs, and writes down what happens."""

    def __init__(self, runs: Sequence[_Run], folder: Path, cache: Path, show: Show) -> None:
        self._runs = {run.key: run for run in runs}
        self._folder = folder
        self._cache = cache
        self._show = show
        self._records: dict[str, list[dict[str, Any]]] = {run.key: [] for run in runs}
        self._newest: Record | None = None
        self._first_step = 0
        self._began = self._checkpointed = self._shown = time.monotonic()

    def train(self, stop: Callable[[], bool]) -> bool:
        """Train; say whether it went to the end."""
        runs = list(self._runs.values())
        first = runs[0]
        members = [run.member for run in runs]
        cohort = Cohort(members, first.stage.batch_size, device=first.job.device)
        examples = _examples(runs)
        trainer = Trainer(cohort, examples, gradient_norms=False)
        saved = None
        with contextlib.suppress(RunError):  # all damaged: from the start
            saved = checkpoints.load_newest(self._folder)
        if saved is None:
            initialize(cohort, examples["train"])
        else:
            trainer.restore(saved.tensors, saved.metadata["trainer"])
            self._records = saved.metadata["records"]
        self._first_step = trainer.step
        trainer.fit(self, stop)
        if trainer.members:
            self._checkpoint(trainer)
        return not trainer.members

    def evaluated(self, trainer: Trainer, evaluation: Evaluation) -> None:
        """Note an evaluation."""
        for row in evaluation.rows:
            record = evaluation.record(row)
            line = {"step": record.step, "epoch": record.epoch, **record.metrics}
            self._records[trainer.members[row].name].append(finite(line))
            self._newest = record
        self._tell(trainer, is_new=True)

    def advanced(self, trainer: Trainer) -> None:
        """Save a checkpoint at the end of an epoch, and show progress, when it is time."""
        now = time.monotonic()
        if now - self._shown > _SECONDS_BETWEEN_SHOWS:
            self._tell(trainer, is_new=False)
        at_end = trainer.step % trainer.steps_per_epoch == 0
        every = next(iter(self._runs.values())).job.config.train.checkpoint_seconds
        if at_end and now - self._checkpointed >= every:
            self._checkpoint(trainer)

    def ended(self, trainer: Trainer, outcomes: dict[int, Outcome]) -> None:
        """Write what the runs that leave have learned to the cache."""
        for row, outcome in outcomes.items():
            run = self._runs[trainer.members[row].name]
            metadata = {
                "status": outcome.status,
                "reason": outcome.reason,
                "records": self._records[run.key],
            }
            state = networks.learned(run.stage.design, outcome.state)
            if outcome.status == "diverged":  # whoever starts from it diverges too, and says so
                here = trainer.cohort.network.run_state(row)
                lost = {name: torch.full_like(value, torch.nan) for name, value in here.items()}
                state = networks.learned(run.stage.design, lost)
            checkpoints.save(self._cache / run.key, outcome.step, state, metadata)

    def _checkpoint(self, trainer: Trainer) -> None:
        tensors, state = trainer.snapshot()
        metadata = {"trainer": state, "records": self._records}
        checkpoints.save(self._folder, trainer.step, tensors, metadata)
        self._checkpointed = time.monotonic()

    def _tell(self, trainer: Trainer, *, is_new: bool) -> None:
        self._shown = time.monotonic()
        stage = next(iter(self._runs.values())).stage
        rate = (trainer.step - self._first_step) / max(self._shown - self._began, 1e-9)
        progress = StageProgress(
            stage.words,
            trainer.step,
            stage.num_steps,
            trainer.steps_per_epoch,
            len(trainer.members),
            rate,
            self._newest,
            is_new,
        )
        self._show(progress)


def _examples(runs: Sequence[_Run]) -> dict[str, Examples]:
    """Return what a stage reconstructs: the data, or each run's own codes of them."""
    first = runs[0]
    splits = first.job.splits.unlabelled
    parts = {name: part.inputs for name, part in splits.parts.items() if name in _PARTS}
    if splits.shared:
        parts = dict.fromkeys(parts, splits.train.inputs)
    if first.stage.below:
        encoders = Network(
            [run.stage.below for run in runs],
            [run.job.config.seed for run in runs],
            device=first.job.device,
        )
        for row, run in enumerate(runs):
            encoders.load_start(row, run.learned)
        last = first.stage.below[-1].name
        coded = {id(inputs): encode(encoders, inputs, last) for inputs in parts.values()}
        parts = {name: coded[id(inputs)] for name, inputs in parts.items()}
    same = {id(inputs): (inputs, inputs) for inputs in parts.values()}
    return {name: same[id(inputs)] for name, inputs in parts.items()}

"""From a config to everything that one run trains with, checked before anything is written."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from dlx.cohort import Cohort, Member
from dlx.config import load as config_files
from dlx.config.dump import to_plain
from dlx.config.schema import RunConfig, resolved
from dlx.config.types import Choice
from dlx.data.augmentation import Augmentation
from dlx.data.batches import Batches, steps_per_epoch
from dlx.data.parts import Splits
from dlx.data.pipeline import STOP_SHARE
from dlx.data.selection import Examples, Selection
from dlx.engine.coverage import engine_of
from dlx.errors import ConfigError
from dlx.models import plain
from dlx.models import stages as networks
from dlx.models.design import Design
from dlx.native import library
from dlx.nn.metrics import check_metrics, default_metrics
from dlx.optimizers.penalties import Penalty
from dlx.optimizers.rule import momentum_name
from dlx.training import batch_sizes, memory, probing, transfer
from dlx.training.probing import Probing, finisher
from dlx.training.stages import PlannedStage, pretrained_layers
from dlx.training.stages import plan as stages_of
from dlx.training.trainer import Trainable, Trainer
from dlx.training.watching import check_watched, not_portable


@dataclass(frozen=True)
class Job(Trainable):
    """One run, ready to train."""

    # Resolved, with the batch sizes that its data allow and the engine in place of `auto`.
    config: RunConfig
    splits: Splits  # the data, on the device
    labelled: Splits  # the data as they were read, with targets of their own
    design: Design  # layers and head
    member: Member  # the run as its cohort sees it
    batch_size: int  # rows of a full batch
    device: torch.device  # where it trains
    # Why its engine is torch's, where the config left the choice.
    by_torch: str | None = None
    stages: tuple[PlannedStage, ...] = ()  # of its pre-training, which comes first
    # How it is asked at its end what its codes are worth; None: it is not.
    probing: Probing | None = None
    # Sentences for the user: what the data were taken for, and defaults that they did not allow.
    remarks: tuple[str, ...] = ()
    judged: tuple[str, ...] = ()  # metrics, `<split>.<tag>`, kept for each row when it has ended

    @property
    def steps_per_epoch(self) -> int:
        """Batches in a pass over the training rows."""
        return steps_per_epoch(len(self.splits.train), self.batch_size)

    @property
    def spent_before(self) -> dict[str, int]:
        """What run.json says of the stages of its pre-training: steps, and training rows seen."""
        return {
            "pretraining_steps": sum(stage.num_steps for stage in self.stages),
            "pretraining_examples": sum(stage.epochs for stage in self.stages)
            * len(self.splits.unlabelled.train),
        }

    @property
    def mark(self) -> str:
        """A SHA-256, in hexadecimal, of its data, model, optimizer and seed."""
        model = to_plain(self.config.model)
        model.pop("from_run", None)  # a path, which may change
        plain = [model, to_plain(self.config.optimizer), self.config.seed, self.splits.fingerprint]
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()

    def divergence(self, reason: str) -> str:
        """Return the reason of a divergence with its cure."""
        if reason.startswith("pre-training"):
            return f"{reason}; try a lower pretrain.optimizer.lr or another model.init"
        limit = "a line search" if self.member.optimizer.traits.searches else "train.clip_norm"
        return f"{reason}; try a lower optimizer.lr, {limit} or another model.init"

    @staticmethod
    def trainer(jobs: "Sequence[Job]", *, is_new: bool) -> Trainer:
        """Return the trainer of runs that go together; new ones get their initial weights.

        Their splits are of one copy of the data, with as many rows in each part.
        """
        first = jobs[0]
        cohort = Cohort([job.member for job in jobs], first.batch_size, device=first.device)
        examples = examples_of(jobs)
        if is_new:
            initialize(cohort, examples["train"])
        # At level minimal test rows are evaluated once, when a run has ended.
        level = first.config.log.level
        quiet = level == "minimal"
        probings = {job.member.name: job.probing for job in jobs if job.probing is not None}
        return Trainer(
            cohort,
            examples,
            ["test"] if quiet else [],
            gradient_norms=not quiet,
            looks_always=level == "full",
            finish=finisher(probings),
            judged=first.judged,
        )

    def begun_from(self, learned: Mapping[str, Tensor]) -> "Job":
        """Return the job with what the stages of its pre-training have learned as its start."""
        start = networks.start(self.design, learned)
        return replace(self, member=replace(self.member, start=start))

    @property
    def final_metrics(self) -> dict[str, tuple[str, ...]]:
        """The names of all that is known of it at its end, by split."""
        worth = self.probing
        more = dict.fromkeys(worth.judged, worth.metrics) if worth is not None else {}
        return {part: (*self.member.measured, *more.get(part, ())) for part in self.splits.parts}

    def first_batch(self, examples: Examples) -> tuple[Tensor, Tensor]:
        """Return the inputs (1, B, I) and targets of the first step."""
        return first_batch([self.member], examples, self.batch_size)

    def examples(self) -> dict[str, Examples]:
        """Return the inputs and encoded targets of the parts that have rows, by name.

        Parts that are the same rows are the same object.
        """
        return examples_of([self])


def examples_of(jobs: "Sequence[Job]") -> dict[str, Examples]:
    """Return what runs that go together learn from, by part: each its own rows and targets."""
    first = jobs[0]
    if first.splits.shared:
        return dict.fromkeys(first.splits.parts, _examples(jobs, "train"))
    return {name: _examples(jobs, name) for name in first.splits.parts}


def _examples(jobs: "Sequence[Job]", name: str) -> Examples:
    parts = [job.splits.part(name) for job in jobs]
    inputs = Selection.together([part.selection for part in parts])
    if parts[0].own_targets is None:
        return inputs, inputs
    encode = jobs[0].design.head.encode
    distinct = {id(part.own_targets): part for part in parts}
    encoded = {key: encode(part.targets) for key, part in distinct.items()}
    return inputs, Selection.stacked([encoded[id(part.own_targets)] for part in parts])


def first_batch(
    members: Sequence[Member], examples: Examples, batch_size: int
) -> tuple[Tensor, Tensor]:
    """Return the inputs (K, B, I) and targets of the first step of runs that go together."""
    seeds, bagging = [m.seed for m in members], [m.bagging for m in members]
    return Batches(*examples, seeds, batch_size, bagging)(0)


def initialize(cohort: Cohort, examples: Examples) -> None:
    """Give every run of a new cohort its initial weights, some by the first batch of examples."""
    batch = None
    if cohort.starts_on_data:
        batch = first_batch(cohort.members, examples, cohort.batch_size)[0]
    cohort.initialize(batch)


def prepare(config: RunConfig, splits: Splits) -> Job:
    """Return the job of a config on its data; ConfigError where these or the machine forbid it."""
    device = resolve_device(config.train.device)
    labelled, on_device = splits, splits.to(device)
    splits = targeted(config, on_device)
    design: Design = config.model(splits.task)
    num_rows = len(splits.train)
    given = config.train.batch_size
    batch_size = batch_sizes.resolved(given, num_rows, "train.batch_size")
    _check_accumulation(config, design, batch_size)
    rows = -(-batch_size // config.train.accumulate)
    memory.check(design, config.optimizer, rows, device)
    splits = replace(splits, warnings=(*splits.warnings, *_outside_unit_interval(design, splits)))
    plain.check(design)
    watched = config.watched
    config, remarks = _watching_stop(config, splits)
    remarks = splits.notes + remarks
    remarks += batch_sizes.remarks(given, batch_size, "train.batch_size")
    if given == "auto":
        config = _changed(config, "train", batch_size=batch_size)
    num_steps = asked_steps(config, num_rows, batch_size)
    stages, section = stages_of(config, splits, design), resolved(config.pretrain)
    if section is not None and section.equal_steps:
        num_steps = _steps_left(num_steps, stages)
    _check_trainable(design, num_steps, num_rows, batch_size)
    if config.train.max_norm is not None and any(part.weight_norm for part in design.parts):
        raise ConfigError(
            "train.max_norm: model.weight_norm takes the direction alone of the weights that it "
            "bounds, so it would do nothing; keep one of them"
        )
    _check_search(config, design)
    _check_momentum(config)
    metrics = chosen_metrics(config, design)
    stopping = config.train.early_stopping
    penalty = config.train.penalty
    start, frozen = _start(config, design, stages)
    member = Member(
        name=config.name,
        seed=config.seed,
        design=design,
        optimizer=config.optimizer,
        num_steps=num_steps,
        evaluate_every=_evaluate_every(config, num_steps, steps_per_epoch(num_rows, batch_size)),
        clip_norm=config.train.clip_norm,
        clip_value=config.train.clip_value,
        penalty=penalty and Penalty(penalty.l1, penalty.l2),
        max_norm=config.train.max_norm,
        average=config.train.average,
        stop_metric=stopping and stopping.metric,
        patience=stopping.patience if stopping else 0,
        metrics=metrics,
        augmentation=_augmentation(config, splits),
        bagging=config.data.bagging,
        accumulate=config.train.accumulate,
        start=start,
        frozen=frozen,
    )
    train = config.train
    engine, by_torch = engine_of(train.engine, member, device, train.matmul_precision)
    member, config = replace(member, engine=engine), _changed(config, "train", engine=engine)
    if by_torch is not None and by_torch == library.absence():
        remarks += (f"train.engine: torch trains what the native engine could, since {by_torch}",)
    # Where there are stop rows, nothing watches dev rows; in runs of older versions there are none.
    not_watched = {"test"} if splits.stop is None else {"test", "dev"}
    parts = [part for part in splits.parts if part not in not_watched]
    for key, metric in config.watched.items():
        check_watched(key, metric, parts, member.measured, received=watched[key])
        remarks += not_portable(key, metric, member)
    worth = probing.plan(config, on_device, design)
    if worth is not None and worth.fine_tune is not None:
        remarks += worth.remarks
        config = _changed(config, "probe", fine_tune=worth.fine_tune)
    own = (config, splits, labelled, design, member, batch_size, device, by_torch)
    return Job(*own, stages, worth, remarks)


def asked_steps(config: RunConfig, num_rows: int, batch_size: int) -> int:
    """Return the steps that a config asks for, those of its pre-training included if it says so."""
    if config.train.steps is not None:
        return config.train.steps
    return (config.train.epochs or 0) * steps_per_epoch(num_rows, batch_size)


def _watching_stop(config: RunConfig, splits: Splits) -> tuple[RunConfig, tuple[str, ...]]:
    """Return a config in which nothing watches dev rows where there are stop rows, with notes."""
    if splits.stop is None or not config.watches_stop:
        return config, ()
    remarks = []
    split = config.data.split
    if split == "auto" or split.stop is None:  # they stay, whatever a resumed run watches
        config = config_files.assign(config, {"data.split.stop": STOP_SHARE})
    for key, metric in config.watched.items():
        if metric.startswith("dev."):
            instead = f"stop.{metric.removeprefix('dev.')}"
            remarks.append(f"{key}: {metric} is taken for {instead}, since dev rows only judge")
            config = config_files.assign(config, {key: instead})
    number = len(splits.stop)
    left = "" if splits.dev is None else f"; {len(splits.dev)} dev rows are left to judge"
    taken = "training" if config.data.fold else "dev"
    if not splits.shared:
        remarks.append(
            f"training watches {number} stop rows, taken from {taken} rows{left} (data.split.stop "
            "sets how many)"
        )
    return config, tuple(remarks)


def refuse_watched_dev(config: RunConfig) -> None:
    """Refuse what watches dev rows while it trains: they could not judge it."""
    split = config.data.split
    if config.watches_stop and split != "auto" and split.stop == 0:
        key, metric = next(iter(config.watched.items()))
        raise ConfigError(
            f"data.split.stop: received 0, but {key} is {metric}: dev rows that training watches "
            "cannot judge what comes of it; leave stop out, or watch train.cost"
        )


def _changed(config: RunConfig, section: str, **values: Any) -> RunConfig:
    changed = getattr(config, section).model_copy(update=values)
    return config.model_copy(update={section: changed})


def _start(
    config: RunConfig, design: Design, stages: Sequence[PlannedStage]
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Return what a run takes from another one, and which layers keep what they start from."""
    source, section = config.model.source, resolved(config.pretrain)
    if source is None:
        freezes = section is not None and section.freeze
        return {}, pretrained_layers(stages) if freezes else ()
    if stages:
        raise ConfigError(
            "model.from_run: pretrain is given too, and both say what layers start from; keep one"
        )
    start = transfer.take(source, design)
    return start, transfer.layers_of(start) if source.freeze else ()


def _steps_left(num_steps: int, stages: Sequence[PlannedStage]) -> int:
    before = sum(stage.num_steps for stage in stages)
    if before >= num_steps:
        raise ConfigError(
            f"pretrain.equal_steps: the stages take {before:,} steps, and train asks for "
            f"{num_steps:,} in all, which leaves none; lower pretrain.epochs or raise train.epochs"
        )
    return num_steps - before


def _augmentation(config: RunConfig, splits: Splits) -> Augmentation | None:
    if config.data.augment is None:
        return None
    strengths = {name: value for name, value in config.data.augment if value}
    shape = splits.task.input_shape
    is_image = len(shape) == 2 or (len(shape) == 3 and shape[0] == 3)
    for name in strengths:
        if name != "noise" and not is_image:
            raise ConfigError(
                f"data.augment.{name}: the inputs of {splits.name} have shape {shape}, which are "
                "not images; only noise can be added to them"
            )
    channels = shape[0] if len(shape) == 3 else 1
    image_shape = (channels, shape[-2], shape[-1]) if is_image else None
    augmentation = Augmentation(
        **strengths, image_shape=image_shape, preprocessing=splits.preprocessing
    )
    return augmentation if augmentation.moves or augmentation.noise else None


def targeted(config: RunConfig, splits: Splits) -> Splits:
    """Return the splits with the targets that a config's model learns: its inputs, or theirs."""
    if not config.model.traits.reconstructs:
        if splits.task.num_outputs == 0:
            raise ConfigError(
                f"data.target: name the column to predict; {config.model.name} needs one, and an "
                "autoencoder or an RBM none"
            )
        return splits
    if config.data.labels is not None:
        raise ConfigError(
            f"data.labels: received {config.data.labels}, but {config.model.name} learns from no "
            "labels; use data.limit for fewer rows, or probe.labels for what its codes are worth"
        )
    if config.data.augment is not None and config.data.augment.noise:
        raise ConfigError(
            f"data.augment.noise: received {config.data.augment.noise}, but {config.model.name} "
            "would have to reconstruct the noise; use model.noise.input, which changes what it "
            "sees alone"
        )
    splits = splits.reconstructing()
    if config.data.augment is not None and (config.data.standardize or config.data.scale is True):
        # A pixel may move to where that value was never seen, and is scaled beyond 1.
        splits = replace(splits, task=replace(splits.task, in_unit_interval=False))
    return splits


def _outside_unit_interval(design: Design, splits: Splits) -> list[str]:
    """Say of which parts inputs leave [0, 1] that are reconstructed under cross-entropy."""
    if design.head.kind != "reconstruction" or not design.head.loss.traits.of_probabilities:
        return []
    warnings = []
    for name, part in splits.parts.items():
        low, high = (bound.item() for bound in part.inputs.aminmax())
        if low < 0 or high > 1:
            warnings.append(
                f"inputs of {name} rows lie between {low:.4g} and {high:.4g}; outside [0, 1] "
                f"{design.head.loss.name} rewards outputs at the bounds and may be negative: look "
                "at mse, or use model.loss: mse"
            )
    return warnings


def chosen_metrics(config: RunConfig, design: Design) -> tuple[Choice, ...]:
    """Return what a config measures, beside the cost."""
    if config.log.metrics == "auto":
        return default_metrics(design.head)
    metrics = tuple(config.log.metrics)
    check_metrics(metrics, design.head)
    return metrics


def resolve_device(name: str) -> torch.device:
    """Return the device that a config names; 'auto' is CUDA where there is one."""
    count = torch.cuda.device_count()
    if name == "auto":
        return torch.device("cuda" if count else "cpu")
    kind, _, index = name.partition(":")
    if kind == "cuda" and int(index or 0) >= count:  # before torch, which knows no large numbers
        devices = ["cpu", *(f"cuda:{index}" for index in range(count))]
        raise ConfigError(
            f"train.device: received {name}, but this machine has {', '.join(devices)}; "
            "choose one of these or auto"
        )
    return torch.device(f"{kind}:{int(index)}" if index else kind)


def _evaluate_every(config: RunConfig, num_steps: int, epoch: int) -> int:
    """Return the steps between two evaluations.

    By default an epoch, or as many whole epochs as keep the evaluations, the one before the first
    step included, to `log.points`; with one step an epoch, or by steps, any number of steps.
    """
    every = config.log.every
    if isinstance(every, int):
        return every
    if every is not None:
        number, unit = every.split()
        return int(number) * (epoch if unit.startswith("epoch") else 1)
    fewest = -(-num_steps // max(config.log.points - 1, 1))
    if config.train.epochs is None:
        return max(fewest, 1)
    return max(-(-fewest // epoch), 1) * epoch


def _check_trainable(design: Design, num_steps: int, num_rows: int, batch_size: int) -> None:
    if num_steps == 0:
        return
    if design.untrainable is not None:
        raise ConfigError(
            f"model.activation: no gradient passes through {design.untrainable.name}; choose "
            "another activation, or train.epochs: 0 to evaluate the weights as they are"
        )
    batch_sizes.check_batch_norm(design, batch_size, num_rows, "train.batch_size")


def _check_accumulation(config: RunConfig, design: Design, batch_size: int) -> None:
    """Refuse to take a batch apart where its rows are not looked at one by one."""
    parts = config.train.accumulate
    if parts == 1:
        return
    if parts > batch_size:
        raise ConfigError(
            f"train.accumulate: received {parts:,}, but a batch has {batch_size:,} rows; lower it"
        )
    sparsity = config.model.arguments().get("sparsity")
    whole = {
        "batch norm": any(part.batch_norm is not None for part in design.parts),
        "an RBM": not all(part.follows_cost for part in design.parts),
        f"the sparsity {sparsity and sparsity.name}": (
            sparsity is not None and sparsity.traits.of_probabilities
        ),
    }
    for what, is_there in whole.items():
        if is_there:
            raise ConfigError(
                f"train.accumulate: received {parts}, but {what} looks at all rows of a batch at "
                "once; use accumulate: 1, with a smaller train.batch_size if memory is short"
            )


def _check_search(config: RunConfig, design: Design) -> None:
    """Refuse what a search along the cost's own slope cannot go together with."""
    optimizer, train = config.optimizer, config.train
    if not optimizer.traits.searches:
        return
    if not all(part.follows_cost for part in design.parts):
        raise ConfigError(
            f"optimizer: received {optimizer.name}, which searches along the slope of the cost, "
            "but an RBM follows an estimate of another gradient; use momentum, adam or another "
            "that takes steps"
        )
    why = {
        "clip_norm": "with a clipped gradient, which is no longer the slope of the cost",
        "clip_value": "with a clipped gradient, which is no longer the slope of the cost",
        "max_norm": "when weights are changed between its steps",
    }
    for key, reason in why.items():
        if getattr(train, key) is not None:
            raise ConfigError(
                f"train.{key}: received {getattr(train, key)}, but {optimizer.name} loses its way "
                f"{reason}; use null, or train.penalty to keep weights small"
            )
    if optimizer.decay != "all":
        raise ConfigError(
            f"optimizer.decay: received {optimizer.decay}, but {optimizer.name} has no "
            "weight_decay; leave it out and use train.penalty.l2, which is of weights alone"
        )


def _check_momentum(config: RunConfig) -> None:
    """Refuse a schedule of the momentum of an optimizer that has none."""
    schedule = config.optimizer.schedule
    momenta = schedule.momentum if schedule.traits.cycles_momentum else None
    if momenta is None:
        return
    low, high = momenta
    if low > high:
        raise ConfigError(
            f"optimizer.schedule.momentum: received {momenta}; the lowest comes first: "
            f"[{high}, {low}]"
        )
    if momentum_name(config.optimizer) is None:
        raise ConfigError(
            f"optimizer.schedule.momentum: received {momenta}, but {config.optimizer.name} has no "
            "momentum above 0 to change; leave it out, or use momentum, nesterov, adam or another "
            "with betas"
        )

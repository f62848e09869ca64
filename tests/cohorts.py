"""Members, data and training by hand, for the tests of the run axis.

# K runs, N rows, I inputs, C classes
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from dlx import registry
from dlx.cohort import Cohort, Member, group
from dlx.config.types import Choice, choice
from dlx.data.augmentation import Augmentation
from dlx.data.batches import Batches
from dlx.data.dataset import Task, TaskKind
from dlx.models.design import Design
from dlx.models.heads import build_head
from dlx.models.mlp import BatchNorm, LayerNorm, NoiseLevels, mlp
from dlx.nn.corruption import InputCorruption
from dlx.nn.head import Head
from dlx.nn.metrics import default_metrics
from dlx.optimizers.penalties import Penalty
from dlx.optimizers.rule import momentum_name
from dlx.testing.bits import bits
from dlx.tracking.evaluations import Evaluation, Record
from dlx.training.records import Outcome
from dlx.training.trainer import Listener, Trainer

ACTIVATIONS = [
    name
    for name in registry.names("activation")
    if registry.get("activation", name).traits.trainable
]
# All but the values that a config writes out for its own shapes.
INITIALIZERS = [name for name in registry.names("initializer") if name != "values"]
# All but those whose runs go one to a cohort.
ALONE = [name for name in registry.names("optimizer") if choice("optimizer", name).traits.searches]
OPTIMIZERS = [name for name in registry.names("optimizer") if name not in ALONE]
SCHEDULES = registry.names("schedule")

AVERAGES: list[dict[str, Any]] = [
    {"name": "ema", "decay": 0.5},
    {"name": "swa", "start": 0.4, "every": 2},
]
DROPOUTS: list[float | Choice] = [
    0.0,
    0.3,
    choice("dropout", "dropout", input=0.2),
    choice("dropout", "dropout", input=0.2, hidden=0.5),
    choice("dropout", "alpha_dropout", input=0.1, hidden=0.2),
    choice("dropout", "gaussian_dropout", input=0.1, hidden=0.4),
    choice("dropout", "drop_connect", hidden=0.3),
]
NORMS: list[dict[str, Any]] = [
    {},
    {"batch_norm": True},
    {"batch_norm": BatchNorm(position="after", momentum=0.3)},
    {"layer_norm": True},
    {"layer_norm": LayerNorm(position="after", epsilon=1e-3)},
]

CORRUPTIONS = [
    None,
    *(
        InputCorruption(registry.get("corruption", name).function())
        for name in registry.names("corruption")
    ),
]

SPLITS: dict[str, Any] = {"train": slice(None), "dev": slice(0, 7)}


def task(num_inputs: int, num_classes: int = 3, kind: TaskKind | None = None) -> Task:
    """Return a classification task; none of the classes: a regression on two numbers.

    Of a 'multilabel' task they are the labels.
    """
    names = tuple("abcdefghij"[:num_classes])
    if num_classes == 0:
        return Task("regression", num_inputs, 2, None, (num_inputs,))
    if num_classes == 2 and kind is None:
        return Task("binary", num_inputs, 1, names, (num_inputs,))
    return Task(kind or "multiclass", num_inputs, num_classes, names, (num_inputs,))


def reconstruction(num_inputs: int, in_unit_interval: bool = True) -> Task:
    """Return the task of saying one's inputs again."""
    shape = (num_inputs,)
    return Task(
        "reconstruction", num_inputs, num_inputs, None, shape, in_unit_interval=in_unit_interval
    )


def built(model: str, what: Task, **options: Any) -> Design:
    """Return the design of a model from YAML options."""
    chosen = choice("model", model, **options)
    return chosen(what)


def head(kind: TaskKind, number: int, output: str = "auto", loss: str | Choice = "auto") -> Head:
    """Return the head of a task of so many outputs."""
    names = tuple("abcdefghij"[: max(number, 2)])
    what = Task(kind, 5, number, None if kind == "regression" else names, (5,))
    named = output if output in ("auto", "softmax") else choice("activation", output)
    return build_head(what, named, loss)


def design(
    what: Task,
    hidden: Sequence[int] = (6, 4),
    activation: str = "relu",
    init: str = "xavier_normal",
    **options: Any,
) -> Design:
    """Return an MLP's design from plain names."""
    return mlp(
        what,
        hidden=list(hidden),
        activation=choice("activation", activation),
        init=choice("initializer", init),
        **options,
    )


def all_metrics(kind: TaskKind) -> tuple[Choice, ...]:
    """Return every metric that a task of three classes, or of another kind, can be measured by."""
    entries = [registry.get("metric", name) for name in registry.names("metric")]
    return tuple(
        choice("metric", entry.name, **({"k": 2} if "k" in entry.options else {}))
        for entry in entries
        if kind in entry.traits.kinds
    )


def dropout_rates(name: str = "dropout", **rates: float) -> Choice:
    """Return a choice of dropout: input and hidden rates."""
    return choice("dropout", name, **rates)


def member(
    name: str,
    network: Design,
    optimizer: str = "adam",
    *,
    seed: int = 0,
    num_steps: int = 12,
    evaluate_every: int = 5,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    penalty: Penalty | None = None,
    max_norm: float | None = None,
    average: dict[str, Any] | None = None,
    patience: int = 0,
    metrics: tuple[Choice, ...] | None = None,
    augmentation: Augmentation | None = None,
    bagging: bool = False,
    accumulate: int = 1,
    **settings: Any,
) -> Member:
    """Return a run; with patience, it stops early on dev.cost. Metrics: by default the task's."""
    return Member(
        name=name,
        seed=seed,
        design=network,
        optimizer=choice("optimizer", optimizer, **settings),
        num_steps=num_steps,
        evaluate_every=evaluate_every,
        clip_norm=clip_norm,
        clip_value=clip_value,
        penalty=penalty,
        max_norm=max_norm,
        average=choice("average", **average) if average else None,
        stop_metric="dev.cost" if patience else None,
        patience=patience,
        metrics=default_metrics(network.head) if metrics is None else metrics,
        augmentation=augmentation,
        bagging=bagging,
        accumulate=accumulate,
    )


COUNTS: Any = {"num_train": 53, "class_counts": (20, 18, 15)}
# Every loss with every kind of target it takes, and its options.
LOSSES: dict[str, tuple[Task, Choice]] = {
    "binary_cross_entropy of inputs": (reconstruction(5), choice("loss", "binary_cross_entropy")),
    "cross_entropy": (task(5), choice("loss", "cross_entropy")),
    "cross_entropy of two": (task(5, 2), choice("loss", "cross_entropy", label_smoothing=0.1)),
    "cross_entropy, smooth and balanced": (
        replace(task(5), **COUNTS),
        choice("loss", "cross_entropy", label_smoothing=0.1, class_weights="balanced"),
    ),
    "binary_cross_entropy": (task(5, 2), choice("loss", "binary_cross_entropy")),
    "binary_cross_entropy, weighted": (
        task(5, 2),
        choice("loss", "binary_cross_entropy", class_weights=[0.5, 3]),
    ),
    "binary_cross_entropy of classes": (task(5), choice("loss", "binary_cross_entropy")),
    "binary_cross_entropy of labels, balanced": (
        replace(task(5, 3, "multilabel"), **COUNTS),
        choice("loss", "binary_cross_entropy", class_weights="balanced"),
    ),
    "hinge of classes": (task(5), choice("loss", "hinge")),
    "hinge of two": (task(5, 2), choice("loss", "hinge")),
    "hinge of labels": (task(5, 3, "multilabel"), choice("loss", "hinge")),
    "mse": (task(5, 0), choice("loss", "mse")),
    "mse of labels": (task(5, 2, "multilabel"), choice("loss", "mse")),
    "mae": (task(5, 0), choice("loss", "mae")),
    "huber": (task(5, 0), choice("loss", "huber", delta=0.4)),
}


def mixed_members(
    what: Task,
    hidden: Sequence[int],
    number: int = 26,
    seed: int = 0,
    num_steps: int = 12,
    **options: Any,
) -> list[Member]:
    """Return runs of one shape and every mixture of choices; 26 runs have every name there is.

    Args:
        what: their task
        hidden: widths of their hidden layers
        number: of runs
        seed: of the mixture
        num_steps: that some of them train for, others fewer
        options: of the model, which all have: output and loss
    """
    # What reconstructions or images alone are told leaves the mixtures of other tasks as they are.
    told = str(what).replace(", in_unit_interval=False", "").replace(", white=65535", "")
    mix = random.Random(f"{seed} {told} {hidden}")
    schedules = [*SCHEDULES[:4], "warmed_up", *SCHEDULES[4:]]
    kinds = [ACTIVATIONS, INITIALIZERS, OPTIMIZERS, schedules]
    decks = [mix.sample(names, len(names)) for names in kinds]
    dropouts, norms = mix.sample(DROPOUTS, len(DROPOUTS)), mix.sample(NORMS, len(NORMS))
    moved = Augmentation(0.2, 20, 0.1, 10, 0.5, 0.1, image_shape=(1, 1, what.num_inputs))
    members = []
    for index in range(number):
        activation, init, optimizer, schedule = (deck[index % len(deck)] for deck in decks)
        network = design(
            what,
            hidden,
            activation,
            init,
            dropout=dropouts[index % len(dropouts)],
            noise=mix.choice([0.0, 0.1, NoiseLevels(input=0.1), NoiseLevels(hidden=0.2)]),
            weight_norm=mix.choice([False, False, True]),
            **norms[index % len(norms)],
            **options,
        )
        corruption = CORRUPTIONS[index % len(CORRUPTIONS)]
        if corruption and not corruption.rule.std and what.kind == "reconstruction":
            corruption = replace(corruption, emphasis=(1.0, 0.5))
        network = replace(network, inputs=replace(network.inputs, corruption=corruption))
        cycles = momentum_name(choice("optimizer", optimizer))
        short: dict[str, dict[str, Any]] = {
            "step": {"every": 4},
            "warmed_up": {"name": "constant", "warmup": 5},
            "cosine": {"warmup": 3},
            "inverse_sqrt": {"timescale": 3},
            "one_cycle": {"peak": 0.4, "momentum": [0.7, 0.9] if cycles else None},
            "reduce_on_plateau": {
                "metric": "dev.cost",
                "patience": 0,
                "factor": 0.5,
                "threshold": 0.3,
            },
        }
        members.append(
            member(
                f"{index}-{activation}-{init}-{optimizer}-{schedule}",
                network,
                optimizer,
                seed=mix.randrange(5),
                num_steps=mix.choice([num_steps, num_steps - 5]),
                evaluate_every=mix.choice([3, 5]),
                clip_norm=mix.choice([None, None, 0.5]),
                clip_value=mix.choice([None, None, 0.01]),
                bagging=mix.choice([False, False, True]),
                penalty=mix.choice([None, None, Penalty(l1=0.01), Penalty(l1=0.02, l2=0.1)]),
                max_norm=mix.choice([None, None, 0.5, 1.0]),
                average=mix.choice([None, None, *AVERAGES]),
                patience=mix.choice([0, 0, 1]),
                metrics=mix.choice([None, all_metrics(what.kind), all_metrics(what.kind)[::-2]]),
                augmentation=mix.choice([None, None, Augmentation(noise=0.2), moved]),
                weight_decay=mix.choice([0.0, 0.1]),
                decay=mix.choice(["all", "weights"]),
                schedule={"name": schedule, **short.get(schedule, {})},
            )
        )
    return members


def rows(
    what: Task, num_rows: int = 53, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    """Return inputs (N, I) that do say something about their targets."""
    generator = torch.Generator().manual_seed(11)
    inputs = torch.randn(num_rows, what.num_inputs, generator=generator, dtype=torch.float64)
    if what.kind == "reconstruction":
        inputs = (inputs.sigmoid() if what.in_unit_interval else inputs).to(dtype)
        return inputs, inputs
    if what.classes is None:
        noise = torch.randn(num_rows, what.num_outputs, generator=generator, dtype=torch.float64)
        return inputs.to(dtype), (0.3 * noise + inputs[:, :1].sin()).to(dtype)
    if what.kind == "multilabel":
        labels = torch.arange(num_rows).unsqueeze(1) % torch.arange(2, len(what.classes) + 2) == 0
        return (inputs + labels.sum(1, keepdim=True) / 2).to(dtype), labels.long()
    classes = torch.arange(num_rows) % len(what.classes)
    return (inputs + classes.unsqueeze(1) / 2).to(dtype), classes


@dataclass
class Ended:
    """How a run ended, and everything that it would go on from, in its own layout."""

    outcome: Outcome
    tensors: dict[str, Tensor]


@dataclass
class Recorder(Listener):
    """A listener that keeps everything it hears, by the run's name."""

    records: dict[str, list[Record]] = field(default_factory=dict)
    gradients: dict[str, list[dict[str, Tensor]]] = field(default_factory=dict)
    ended_runs: dict[str, Ended] = field(default_factory=dict)

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """How the runs ended."""
        return {name: each.outcome for name, each in self.ended_runs.items()}

    def evaluated(self, trainer: Trainer, evaluation: Evaluation) -> None:
        parameters = trainer.cohort.network.buffer.parameters
        for row in evaluation.rows:
            name = trainer.members[row].name
            self.records.setdefault(name, []).append(evaluation.record(row))
            self.gradients.setdefault(name, []).append(
                {p.name: p.gradient[row].clone() for p in parameters if p.owners[row]}
            )

    def ended(self, trainer: Trainer, outcomes: dict[int, Outcome]) -> None:
        for row, outcome in outcomes.items():
            alone = trainer.cohort.keep([row]).tensors()
            tensors = {name: value.clone() for name, value in alone.items()}
            self.ended_runs[trainer.members[row].name] = Ended(outcome, tensors)


def examples(cohort: Cohort, inputs: Tensor, targets: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """Return the splits that a trainer is given, made of the same rows, on the cohort's device."""
    encoded = cohort.head.encode(targets, cohort.dtype)
    return {
        split: (inputs[which].to(cohort.device), encoded[which].to(cohort.device))
        for split, which in SPLITS.items()
    }


def trainer_of(
    members: Sequence[Member],
    inputs: Tensor,
    targets: Tensor,
    batch_size: int = 16,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Trainer:
    """Return a trainer of the members in this order, at its start."""
    cohort = Cohort(members, batch_size, dtype, device)
    splits = examples(cohort, inputs, targets)
    seeds, bagging = [each.seed for each in members], [each.bagging for each in members]
    batches = Batches(*splits["train"], seeds, batch_size, bagging)
    cohort.initialize(batches(0)[0])
    return Trainer(cohort, splits)


def train(
    members: Sequence[Member],
    inputs: Tensor,
    targets: Tensor,
    batch_size: int = 16,
    dtype: torch.dtype = torch.float32,
) -> Recorder:
    """Train the members in one cohort, in this order."""
    recorder = Recorder()
    trainer_of(members, inputs, targets, batch_size, dtype).fit(recorder)
    return recorder


def grouped(members: Sequence[Member]) -> list[Member]:
    """Return the members as their cohort orders them; they must all go together."""
    (indices,) = group(members)
    return [members[index] for index in indices]


def assert_same_bits(actual: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Two sets of named tensors are equal, names, shapes and bits."""
    assert list(actual) == list(expected)
    different = [
        name for name, value in actual.items() if not torch.equal(bits(value), bits(expected[name]))
    ]
    assert different == []


def assert_same_run(name: str, actual: Recorder, expected: Recorder) -> None:
    """A run ended equally in both: weights, optimizer, statistics, records, outcome."""
    mine, other = actual.ended_runs[name], expected.ended_runs[name]
    # repr gives every float in full, and NaN equals NaN.
    assert repr(actual.records[name]) == repr(expected.records[name])
    assert_same_bits(mine.tensors, other.tensors)
    assert_same_bits(mine.outcome.state, other.outcome.state)
    assert repr(mine.outcome.metrics) == repr(other.outcome.metrics)
    for kind in ("status", "step", "weights", "reason"):
        assert getattr(mine.outcome, kind) == getattr(other.outcome, kind)
    assert len(actual.gradients[name]) == len(expected.gradients[name])
    for here, there in zip(actual.gradients[name], expected.gradients[name], strict=True):
        assert_same_bits(here, there)


class _Differentiable(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, forward: Any, backward: Any) -> Tensor:
        y = forward(x.detach())
        ctx.backward_formula = backward
        ctx.save_for_backward(x, y)
        return y.clone()

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:  # type: ignore[override]
        x, y = ctx.saved_tensors
        return ctx.backward_formula(upstream.clone(), x, y), None, None


def differentiable(
    forward: Callable[[Tensor], Tensor], backward: Callable[[Tensor, Tensor, Tensor], Tensor]
) -> Callable[[Tensor], Tensor]:
    """Return a function that autograd differentiates by a written-out backward formula.

    Args:
        forward: y from x
        backward: dx from dy, x and y; may write over dy
    """
    return lambda x: _Differentiable.apply(x, forward, backward)  # type: ignore[return-value]

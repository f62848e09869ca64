"""Law 1, alone or together; law 2, it is plain torch; law 3, stop anywhere."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlx import registry
from dlx.cohort import Member
from dlx.config.types import choice
from dlx.data.batches import order
from dlx.data.dataset import Task
from dlx.models.plain import from_torch, to_torch
from dlx.nn.head import Head
from dlx.optimizers.penalties import Penalty
from dlx.training import trainer as trainer_module
from dlx.training.trainer import Trainer
from tests.cohorts import (
    ACTIVATIONS,
    ALONE,
    INITIALIZERS,
    LOSSES,
    NORMS,
    OPTIMIZERS,
    Recorder,
    assert_same_run,
    design,
    dropout_rates,
    grouped,
    member,
    mixed_members,
    rows,
    task,
    train,
    trainer_of,
)
from tests.torch_optimizers import torch_optimizer

pytestmark = pytest.mark.usefixtures("one_thread")

# inputs, hidden widths, classes, rows, batch size
SHAPES = {
    "gates: nine layers of ten, full batch": (2, [10] * 9, 2, 4, 4),
    "widths of one": (1, [1], 2, 23, 4),
    "no hidden layer": (5, [], 3, 23, 4),
    "widths 5 and 3, a partial last batch": (5, [5, 3], 3, 53, 16),
    "widths 2 and 5, a last batch of three": (13, [2, 5], 4, 131, 128),
    "width 30, batch 50": (30, [30], 10, 200, 50),
    "regression with one unit in the middle": (4, [10, 1, 5], 0, 50, 50),
}


def diverging(members: list[Member]) -> Member:
    """Return a run that leaves the cohort of `members` after a step or two."""
    like = members[0].design
    what = task(like.layers[0].inputs, 0)
    assert like.head.kind == "regression"
    hidden = [layer.outputs for layer in like.layers[:-1]]
    network = design(what, hidden, "relu", "he_normal")
    return member("diverging", network, "sgd", lr=1e30)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_run_trains_to_the_same_bits_alone_and_in_a_mixed_cohort(shape: str) -> None:
    num_inputs, hidden, num_classes, num_rows, batch_size = SHAPES[shape]
    what = task(num_inputs, num_classes)
    inputs, targets = rows(what, num_rows)
    members = mixed_members(what, hidden)
    if num_classes == 0:
        members.append(diverging(members))
    members = grouped(members)

    together = train(members, inputs, targets, batch_size)

    for run in members:
        alone = train([run], inputs, targets, batch_size)
        assert_same_run(run.name, together, alone)


def test_the_mixed_cohorts_hold_every_name_of_the_registry() -> None:
    members = mixed_members(task(5, 3), [5, 3])
    layers = [run.design.layers[0] for run in members]
    untrainable = set(registry.names("activation")) - set(ACTIVATIONS)
    assert {layer.activation.name for layer in layers} == set(ACTIVATIONS)
    assert untrainable == {"step"}
    assert {layer.init.name for layer in layers} == set(INITIALIZERS)
    assert set(registry.names("initializer")) - set(INITIALIZERS) == {"values"}
    assert {run.optimizer.name for run in members} == set(registry.names("optimizer")) - set(ALONE)
    assert {run.optimizer.schedule.name for run in members} == set(registry.names("schedule"))
    assert {layer.batch_norm and layer.batch_norm.position for layer in layers} == {
        None,
        "before",
        "after",
    }
    assert {layer.layer_norm and layer.layer_norm.position for layer in layers} == {
        None,
        "before",
        "after",
    }
    assert {layer.weight_norm for layer in layers} == {True, False}
    assert {layer.noise > 0 for layer in layers} == {True, False}
    assert {run.design.inputs.noise > 0 for run in members} == {True, False}
    assert {layer.dropout_kind for layer in layers} == set(registry.names("dropout"))
    assert {bool(layer.dropout) for layer in layers} == {True, False}
    assert {bool(run.design.inputs.dropout) for run in members} == {True, False}
    assert {run.optimizer.decay for run in members} == {"all", "weights"}
    for limit in ("clip_norm", "clip_value", "max_norm", "penalty"):
        assert {getattr(run, limit) is None for run in members} == {True, False}
    averages = {run.average and run.average.name for run in members}
    assert averages == {None, *registry.names("average")}
    assert {run.patience > 0 for run in members} == {True, False}
    assert {run.bagging for run in members} == {True, False}
    kinds = {run.augmentation and run.augmentation.moves for run in members}
    assert kinds == {None, False, True}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("num_rows", [23, 53])
def test_every_loss_trains_to_the_same_bits_alone_and_together(loss: str, num_rows: int) -> None:
    what, chosen = LOSSES[loss]
    inputs, targets = rows(what, num_rows)
    members = grouped(mixed_members(what, [5], 9, loss=chosen))
    together = train(members, inputs, targets)
    for run in members:
        assert_same_run(run.name, together, train([run], inputs, targets))


def test_every_loss_is_among_them() -> None:
    assert {chosen.name for _, chosen in LOSSES.values()} == set(registry.names("loss"))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("width", [1, 5, 30])
def test_the_place_in_the_cohort_does_not_matter(activation: str, width: int) -> None:
    what = task(2, 2)
    inputs, targets = rows(what, 10)
    dropout = dropout_rates(input=0.2, hidden=0.5)
    network = design(what, [width], activation, dropout=dropout, batch_norm=width == 5)
    run = member("run", network, "adam", num_steps=6)
    others = mixed_members(what, [width], 4, num_steps=6)
    alone = train([run], inputs, targets, 4)
    for place in (0, 2, 4):
        cohort = [*others[:place], run, *others[place:]]
        assert_same_run("run", train(cohort, inputs, targets, 4), alone)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_equal_runs_of_other_seeds_train_as_one_slab_to_the_same_bits(optimizer: str) -> None:
    what = task(3, 3)
    inputs, targets = rows(what, 21)
    network = design(what, [5], "tanh", dropout=0.2)
    members = [member(str(seed), network, optimizer, seed=seed) for seed in range(5)]
    together = train(members, inputs, targets, 8)
    for run in members:
        assert_same_run(run.name, together, train([run], inputs, targets, 8))
    weights = [together.ended_runs[run.name].outcome.state["1.weight"] for run in members]
    assert len({tuple(weight.flatten().tolist()) for weight in weights}) == len(members)


@pytest.mark.parametrize("num_steps", [6, 12])
def test_a_schedule_follows_each_runs_own_number_of_steps(num_steps: int) -> None:
    what = task(3, 3)
    inputs, targets = rows(what)
    network = design(what)
    options: Any = {"schedule": "cosine"}
    short = member("short", network, "sgd", num_steps=num_steps, **options)
    long = member("long", network, "sgd", num_steps=24, **options)
    together = train([long, short], inputs, targets)
    for run in (long, short):
        assert_same_run(run.name, together, train([run], inputs, targets))
    first_rates = [
        next(r.metrics["train"]["optimizer/lr"] for r in together.records[name] if r.step)
        for name in ("short", "long")
    ]
    assert first_rates[0] < first_rates[1]


def test_a_gradient_whose_norm_overflows_is_left_alone_unless_its_run_clips() -> None:
    what = Task("regression", 1, 1, None, (1,))
    inputs, targets = torch.full((4, 1), 1e12), torch.zeros(4, 1)
    network = design(what, [], init="constant")
    steep = member("steep", network, "sgd", lr=1e-30, num_steps=2)
    clipped = member("clipped", network, "sgd", clip_norm=1.0, num_steps=2)
    alone = train([steep], inputs, targets, 4)
    together = train([steep, clipped], inputs, targets, 4)
    assert alone.ended_runs["steep"].outcome.status == "completed"
    assert_same_run("steep", together, alone)


def relative_distance(actual: Tensor, expected: Tensor) -> float:
    """Return the largest difference, relative to the largest number of the tensor.

    A number that is zero but for rounding (a shift that the next batch norm takes away, the mean
    of what was normalized before) has no digits to agree in; hence the floor.
    """
    return float((actual - expected).abs().max() / expected.abs().max().clamp_min(1e-4))


def test_with_two_threads_runs_agree_to_rounding(two_threads: None) -> None:
    what = task(40, 3)
    inputs, targets = rows(what, 300, torch.float64)
    members = grouped(mixed_members(what, [50, 30], 26, num_steps=50))
    together = train(members, inputs, targets, 128, torch.float64)
    for run in members:
        alone = train([run], inputs, targets, 128, torch.float64)
        mine, other = together.ended_runs[run.name], alone.ended_runs[run.name]
        assert mine.outcome.step == other.outcome.step
        for name, value in mine.outcome.state.items():
            assert relative_distance(value, other.outcome.state[name]) < 1e-10, (run.name, name)


# Law 2


def torch_loss(head: Head) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the loss of a head in torch's own words."""
    options, weights = head.loss.options(), torch.tensor(head.class_weights, dtype=torch.float64)
    if head.loss.name == "cross_entropy":
        smoothing, weight = options["label_smoothing"], weights if len(weights) else None
        return lambda z, t: (
            F.cross_entropy(z, t, weight, label_smoothing=smoothing, reduction="sum") / len(z)
        )
    if head.loss.name == "binary_cross_entropy":
        sides = weights.view(2, -1) if len(weights) else torch.ones(2, 1, dtype=torch.float64)
        return lambda z, t: F.binary_cross_entropy_with_logits(
            z, t, t * sides[1] + (1 - t) * sides[0]
        )
    if head.loss.name == "hinge":
        return lambda z, t: (
            (1 - t * z if t.is_floating_point() else crammer_singer(z, t)).relu().mean()
        )
    return {
        "mse": nn.MSELoss(),
        "mae": nn.L1Loss(),
        "huber": nn.HuberLoss(delta=options.get("delta", 1.0)),
    }[head.loss.name]


def crammer_singer(z: Tensor, targets: Tensor) -> Tensor:
    own = F.one_hot(targets, z.shape[1]).bool()
    return 1 + z.masked_fill(own, -torch.inf).max(1).values - z[own]


def plain_loop(
    run: Member, state: dict[str, Tensor], inputs: Tensor, targets: Tensor, batch_size: int
) -> nn.Sequential:
    """Train a run the way anybody would write it in torch, from a given start."""
    network = to_torch(run.design, state).train()
    head = run.design.head
    loss = torch_loss(head)
    # torch's losses of classes take what the output function is given.
    ends_in_it = head.loss.name in ("cross_entropy", "binary_cross_entropy")
    model = network[:-1] if ends_in_it else network
    optimizer = torch_optimizer(run.optimizer, network.parameters(), foreach=False)
    weights = [layer.weight for layer in network.modules() if isinstance(layer, nn.Linear)]
    for step in range(run.num_steps):
        epoch, batch = divmod(step, -(-len(inputs) // batch_size))
        index = order(run.seed, epoch, len(inputs))[batch * batch_size : (batch + 1) * batch_size]

        def closure(index: Tensor = index) -> Tensor:
            optimizer.zero_grad()
            cost = loss(model(inputs[index]), targets[index])
            if run.penalty is not None:
                for weight in weights:
                    cost = cost + run.penalty.l1 * weight.abs().sum()
                    cost = cost + run.penalty.l2 / 2 * weight.square().sum()
            cost.backward()
            return cost

        if run.optimizer.name in ALONE:
            optimizer.step(closure)  # type: ignore[arg-type]
            continue
        closure()
        if run.clip_value is not None:
            nn.utils.clip_grad_value_(network.parameters(), run.clip_value, foreach=False)
        if run.clip_norm is not None:
            nn.utils.clip_grad_norm_(network.parameters(), run.clip_norm, foreach=False)
        optimizer.step()
        if run.max_norm is not None:
            with torch.no_grad():
                for weight in weights[:-1]:  # (O, I)
                    weight /= (weight.norm(dim=1, keepdim=True) / run.max_norm).clamp_min(1)
    return network


def initial_state(run: Member, inputs: Tensor, targets: Tensor, size: int) -> dict[str, Tensor]:
    cohort = trainer_of([run], inputs, targets, size, inputs.dtype).cohort
    return {name: value.clone() for name, value in cohort.network.run_state(0).items()}


def assert_plain(members: list[Member], what: Task, batch_size: int = 16) -> None:
    """Each run of the cohort comes to the same weights as the loop in plain torch."""
    inputs, targets = rows(what, 45, torch.float64)
    encoded = members[0].design.head.encode(targets, torch.float64)
    together = train(members, inputs, targets, batch_size, torch.float64)
    for run in members:
        start = initial_state(run, inputs, targets, batch_size)
        network = plain_loop(run, start, inputs, encoded, batch_size)
        state = together.ended_runs[run.name].outcome.state
        expected = from_torch(run.design, network.state_dict())
        assert set(state) == set(expected)
        for name, value in state.items():
            assert relative_distance(value, expected[name]) < 1e-10, (run.name, name)
            moved = name.split(".")[1] in ("weight", "bias", "running_mean")
            assert not moved or not torch.equal(value, start[name]), (run.name, name)


@pytest.mark.parametrize("weight_norm", [False, True])
@pytest.mark.parametrize("norm", NORMS, ids=str)
def test_every_activation_trains_as_in_plain_torch(norm: dict[str, Any], weight_norm: bool) -> None:
    what = task(5, 3)
    networks = {
        name: design(what, [6, 4], name, weight_norm=weight_norm, **norm) for name in ACTIVATIONS
    }
    members = [
        member(name, network, "nesterov", num_steps=35, lr=0.05)
        for name, network in networks.items()
    ]
    assert_plain(members, what)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize(("clip_norm", "decay"), [(None, "all"), (0.1, "weights")])
def test_every_optimizer_trains_as_in_plain_torch(
    weight_decay: float, clip_norm: float | None, decay: str
) -> None:
    what = task(5, 3)
    network = design(what, activation="tanh", batch_norm=True)
    members = [
        member(
            name,
            network,
            name,
            num_steps=35,
            clip_norm=clip_norm,
            weight_decay=weight_decay,
            decay=decay,
        )
        for name in OPTIMIZERS
    ]
    assert_plain(members, what)


LIMITS: dict[str, dict[str, Any]] = {
    "clip_value": {"clip_value": 0.003},
    "clip_norm": {"clip_norm": 0.05},
    "both": {"clip_value": 0.01, "clip_norm": 0.05},
    "l1": {"penalty": Penalty(l1=0.003)},
    "l2": {"penalty": Penalty(l2=0.1)},
    "l1 and l2, clipped": {"penalty": Penalty(l1=0.003, l2=0.1), "clip_norm": 0.05},
    "max_norm": {"max_norm": 0.8},
    "max_norm and penalty": {"max_norm": 0.8, "penalty": Penalty(l2=0.1)},
    "none": {},
}


def test_limits_and_penalties_train_as_in_plain_torch() -> None:
    what = task(5, 3)
    network = design(what, activation="tanh", batch_norm=True)
    members = [
        member(name, network, "momentum", num_steps=35, lr=0.1, **limits)
        for name, limits in LIMITS.items()
    ]
    assert_plain(members, what)
    together = train(members, *rows(what, 45, torch.float64), 16, torch.float64)
    weights = {name: ended.outcome.state["1.weight"] for name, ended in together.ended_runs.items()}
    assert all(not torch.equal(weights[name], weights["none"]) for name in LIMITS if name != "none")


SEARCHES: dict[str, dict[str, Any]] = {
    "line search": {"max_iter": 4},
    "no line search": {"line_search": None, "lr": 0.1, "max_iter": 5},
    "a short history": {"history_size": 2, "max_iter": 6},
    "one iteration a step": {"max_iter": 1},
    "tolerances": {"max_iter": 6, "tolerance_grad": 0.05, "tolerance_change": 0.02},
    "penalty": {"max_iter": 5, "penalty": Penalty(l1=0.001, l2=0.01)},
}


@pytest.mark.parametrize("batch_size", [16, 45])
@pytest.mark.parametrize("search", SEARCHES)
def test_lbfgs_trains_as_in_plain_torch(search: str, batch_size: int) -> None:
    what = task(5, 3)
    network = design(what, activation="tanh")
    # Few iterations: a difference by rounding grows tenfold with every two of them.
    run = member(search, network, "lbfgs", num_steps=3, **SEARCHES[search])
    assert_plain([run], what, batch_size)


@pytest.mark.parametrize("init", INITIALIZERS)
def test_every_initializer_is_a_start_in_plain_torch(init: str) -> None:
    what = task(5, 3)
    network = design(what, activation="sigmoid", init=init)
    inputs, targets = rows(what, 45, torch.float64)
    run = member(init, network, "momentum", num_steps=30, lr=0.1)
    state = train([run], inputs, targets, 16, torch.float64).ended_runs[init].outcome.state
    plain = plain_loop(run, initial_state(run, inputs, targets, 16), inputs, targets, 16)
    expected = from_torch(network, plain.state_dict())
    for name, value in state.items():
        assert relative_distance(value, expected[name]) < 1e-10, name


OUTPUTS: dict[str, tuple[int, dict[str, Any]]] = {
    "a sigmoid for each class": (3, {"output": "sigmoid"}),
    "softmax of two classes": (2, {"output": "softmax"}),
    "softmax and mse": (3, {"output": "softmax", "loss": "mse"}),
    **{
        f"{name} and mse": (2, {"output": name, "loss": "mse"})
        for name in ACTIVATIONS
        if not registry.get("activation", name).function.learned
    },
}


@pytest.mark.parametrize("output", OUTPUTS)
def test_every_output_trains_as_in_plain_torch(output: str) -> None:
    num_classes, options = OUTPUTS[output]
    what = task(5, num_classes)
    named = options["output"]
    if named != "softmax":
        options = {**options, "output": choice("activation", named)}
    network = design(what, activation="tanh", **options)
    members = [member(name, network, name, num_steps=35) for name in ("sgd", "adam")]
    assert_plain(members, what)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_trains_as_in_plain_torch(loss: str) -> None:
    what, chosen = LOSSES[loss]
    network = design(what, activation="tanh", loss=chosen)
    members = [member(name, network, name, num_steps=35) for name in ("sgd", "adam")]
    assert_plain(members, what)


# Law 3


class Stopper(Recorder):
    """Takes a copy of everything at some steps, the way a checkpoint file would."""

    def __init__(self, steps: set[int]) -> None:
        super().__init__()
        self.steps = steps
        self.snapshots: list[tuple[dict[str, Tensor], str, dict[str, int]]] = []

    def advanced(self, trainer: Trainer) -> None:
        if trainer.step in self.steps:
            tensors, metadata = trainer.snapshot()
            copies = {name: value.clone() for name, value in tensors.items()}
            heard = {name: len(records) for name, records in self.records.items()}
            self.snapshots.append((copies, json.dumps(metadata, allow_nan=False), heard))


def assert_resumes(members: list[Member], what: Task, steps: set[int], left: bool) -> None:
    """Training that goes on from snapshots at `steps` ends as if it had never stopped."""
    inputs, targets = rows(what, 40)
    whole = Stopper(steps)
    trainer_of(members, inputs, targets).fit(whole)
    assert len(whole.snapshots) == len(steps)
    gone = 0
    for tensors, metadata, heard in whole.snapshots:
        trainer = trainer_of(members, inputs, targets)
        trainer.restore(tensors, json.loads(metadata))
        resumed = Recorder()
        staying = [run.name for run in trainer.members]
        gone += len(members) - len(staying)
        trainer.fit(resumed)
        assert set(resumed.ended_runs) == set(staying)
        for name in staying:
            # The records before the snapshot are on disk already.
            resumed.records[name] = whole.records[name][: heard[name]] + resumed.records[name]
            resumed.gradients[name] = whole.gradients[name][: heard[name]] + resumed.gradients[name]
            assert_same_run(name, resumed, whole)
    assert (gone > 0) == left


@pytest.mark.parametrize("hidden", [[6, 4], []])
def test_mixed_runs_resume_from_any_step_to_the_same_bits(hidden: list[int]) -> None:
    what = task(4, 3)
    members = grouped(mixed_members(what, hidden, num_steps=14))
    assert_resumes(members, what, {1, 3, 5, 6, 8, 9, 10, 13}, left=True)


@pytest.mark.parametrize("optimizer", [*OPTIMIZERS, *ALONE])
def test_each_run_alone_resumes_to_the_same_bits(optimizer: str) -> None:
    what = task(4, 3)
    network = design(what, activation="prelu", dropout=0.3, batch_norm=True)
    run = member("run", network, optimizer, num_steps=9, patience=9, schedule="cosine")
    assert_resumes([run], what, {2, 5, 8}, left=False)


def test_a_run_resumes_at_the_step_it_is_evaluated_at_with_the_same_record() -> None:
    what = task(4, 3)
    run = member("run", design(what), num_steps=9, evaluate_every=3, schedule="exponential")
    inputs, targets = rows(what, 40)
    whole = Stopper({3})
    trainer_of([run], inputs, targets).fit(whole)
    trainer = trainer_of([run], inputs, targets)
    tensors, metadata, _ = whole.snapshots[0]
    trainer.restore(tensors, json.loads(metadata))
    resumed = Recorder()
    trainer.fit(resumed)
    assert resumed.records["run"] == whole.records["run"][1:]
    assert "gradient_norm/1" in resumed.records["run"][0].metrics["train"]


def test_costs_not_looked_at_yet_survive_a_resume(monkeypatch: pytest.MonkeyPatch) -> None:
    # As on CUDA, where looking at every cost would wait for the device at every step.
    monkeypatch.setitem(trainer_module._STEPS_BETWEEN_LOOKS, "cpu", 64)
    what = task(4, 0)
    runs = [
        member("good", design(what), "sgd", num_steps=12, evaluate_every=6),
        member("bad", design(what), "sgd", num_steps=12, evaluate_every=6, lr=1e12),
    ]
    inputs, targets = rows(what, 40)
    whole = Stopper({4})
    trainer_of(runs, inputs, targets).fit(whole)
    trainer = trainer_of(runs, inputs, targets)
    tensors, metadata, _ = whole.snapshots[0]
    trainer.restore(tensors, json.loads(metadata))
    resumed = Recorder()
    trainer.fit(resumed)
    for name, ended in whole.ended_runs.items():
        assert resumed.ended_runs[name].outcome.step == ended.outcome.step
        assert resumed.ended_runs[name].outcome.status == ended.outcome.status
    assert whole.ended_runs["bad"].outcome.status == "diverged"
    assert whole.ended_runs["bad"].outcome.step < 4

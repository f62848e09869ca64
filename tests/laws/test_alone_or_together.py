"""Law 1: a run trains to the same bits alone and in any cohort."""

from typing import Any

import pytest
import torch

from dlx import registry
from dlx.cohort import Member
from dlx.data.dataset import Task
from tests.cohorts import (
    ACTIVATIONS,
    ALONE,
    CORRUPTIONS,
    INITIALIZERS,
    LOSSES,
    OPTIMIZERS,
    assert_same_run,
    design,
    dropout_rates,
    grouped,
    member,
    mixed_members,
    rows,
    task,
    train,
)
from tests.guarded import TOGETHER
from tests.plain_loop import relative_distance

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


@pytest.mark.parametrize("accumulate", [2, 5])
def test_runs_that_take_batches_in_parts_do_too(accumulate: int) -> None:
    what = task(5, 3)
    inputs, targets = rows(what, 53)
    networks = {
        name: design(what, [5, 3], name, dropout=0.3, noise=0.1) for name in ("relu", "tanh")
    }
    members = grouped(
        [
            member(f"{name} {seed}", network, "adam", seed=seed, accumulate=accumulate)
            for name, network in networks.items()
            for seed in (0, 1)
        ]
    )
    together = train(members, inputs, targets, 16)
    for run in members:
        assert_same_run(run.name, together, train([run], inputs, targets, 16))


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
    assert {run.design.inputs.corruption for run in members} == set(CORRUPTIONS)
    assert len(CORRUPTIONS) == 1 + len(registry.names("corruption"))
    assert {run.optimizer.decay for run in members} == {"all", "weights"}
    for limit in ("clip_norm", "clip_value", "max_norm", "penalty"):
        assert {getattr(run, limit) is None for run in members} == {True, False}
    averages = {run.average and run.average.name for run in members}
    assert averages == {None, *registry.names("average")}
    assert {run.patience > 0 for run in members} == {True, False}
    assert {run.bagging for run in members} == {True, False}
    kinds = {run.augmentation and run.augmentation.moves for run in members}
    assert kinds == {None, False, True}


@pytest.mark.slow(*TOGETHER)
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


@pytest.mark.slow(*TOGETHER)
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


@pytest.mark.slow(*TOGETHER)
def test_with_two_threads_runs_agree_to_rounding(two_threads: None) -> None:
    what = task(40, 3)
    inputs, targets = rows(what, 300, torch.float64)
    members = grouped(mixed_members(what, [50, 30], 26, num_steps=50))
    together = train(members, inputs, targets, 128, torch.float64)
    for run in members:
        alone = train([run], inputs, targets, 128, torch.float64)
        one, other = together.ended_runs[run.name], alone.ended_runs[run.name]
        assert one.outcome.step == other.outcome.step
        for name, value in one.outcome.state.items():
            assert relative_distance(value, other.outcome.state[name]) < 1e-10, (run.name, name)

"""Law 2: a run is plain torch; a hand-written loop from the same start gives the same weights."""

from typing import Any

import pytest
import torch

from dlx import registry
from dlx.config.types import choice
from dlx.models.plain import from_torch
from dlx.optimizers.penalties import Penalty
from tests.cohorts import (
    ACTIVATIONS,
    INITIALIZERS,
    LOSSES,
    NORMS,
    OPTIMIZERS,
    design,
    member,
    rows,
    task,
    train,
)
from tests.plain_loop import assert_plain, initial_state, plain_loop, relative_distance

pytestmark = pytest.mark.usefixtures("one_thread")


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
        if not registry.get("activation", name).traits.learned
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


@pytest.mark.parametrize("accumulate", [2, 3, 16, 40])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "lbfgs"])
def test_gradients_of_parts_add_up_as_in_plain_torch(accumulate: int, optimizer: str) -> None:
    """The last batch of an epoch has 45 - 2 x 16 = 13 rows, fewer than some numbers of parts."""
    what = task(5, 3)
    network = design(what, activation="tanh", layer_norm=True)
    # L-BFGS makes up to 20 steps of its own a step, in which rounding grows; it is not clipped.
    steps, limits = (1, (None,)) if optimizer == "lbfgs" else (9, (None, 0.05))
    for limit in limits:
        run = member(
            "run", network, optimizer, num_steps=steps, accumulate=accumulate, clip_norm=limit
        )
        assert_plain([run], what)


def test_parts_of_a_batch_are_the_batch_but_for_rounding() -> None:
    what = task(5, 3)
    inputs, targets = rows(what, 45, torch.float64)
    network = design(what, activation="tanh")
    runs = [member(str(n), network, num_steps=20, accumulate=n) for n in (1, 4)]
    whole, parts = (
        train([run], inputs, targets, 16, torch.float64).ended_runs[run.name].outcome.state
        for run in runs
    )
    assert all(relative_distance(parts[name], value) < 1e-9 for name, value in whole.items())
    assert not all(torch.equal(parts[name], value) for name, value in whole.items())

"""Runs as plain torch networks, and back."""

import pytest
import torch
from torch import nn

from dlx.cohort import Cohort
from dlx.models.mlp import BatchNorm
from dlx.models.plain import from_torch, to_torch
from dlx.training.evaluation import predict
from tests.cohorts import (
    assert_same_bits,
    design,
    dropout_rates,
    grouped,
    mixed_members,
    rows,
    task,
    train,
)

pytestmark = pytest.mark.usefixtures("one_thread", "without_pictures")

TASKS = {"multiclass": (5, 3), "binary": (5, 2), "regression": (5, 0)}


@pytest.mark.parametrize("kind", TASKS)
def test_a_trained_runs_plain_network_gives_its_outputs(kind: str) -> None:
    what = task(*TASKS[kind])
    inputs, targets = rows(what, 40)
    members = grouped(mixed_members(what, [6, 4]))
    together = train(members, inputs, targets)
    # In double precision the two agree as formulas; in single they differ by rounding.
    for dtype, error in ((torch.float64, 1e-10), (torch.float32, 1e-5)):
        cohort = Cohort(members, 16, dtype)
        states = [
            {name: value.to(dtype) for name, value in ended.outcome.state.items()}
            for ended in (together.ended_runs[run.name] for run in members)
        ]
        for row, state in enumerate(states):
            cohort.network.load_run(row, state)
        x = inputs.to(dtype)
        outputs = predict(cohort, x)
        for row, (run, state) in enumerate(zip(members, states, strict=True)):
            network = to_torch(run.design, state)
            assert not network.training
            plain = network(x).detach()
            torch.testing.assert_close(plain, outputs[row].to(dtype), rtol=error, atol=error)


@pytest.mark.parametrize("kind", TASKS)
def test_from_torch_is_the_inverse_of_to_torch(kind: str) -> None:
    what = task(*TASKS[kind])
    inputs, targets = rows(what, 40)
    members = grouped(mixed_members(what, [6, 4]))
    together = train(members, inputs, targets)
    for run in members:
        state = together.ended_runs[run.name].outcome.state
        back = from_torch(run.design, to_torch(run.design, state).state_dict())
        assert_same_bits({name: back[name] for name in state}, state)
        assert set(back) == set(state)


def test_the_plain_network_is_made_of_torchs_own_modules_in_order() -> None:
    what = task(5, 3)
    network = design(
        what,
        [6],
        "tanh",
        dropout=dropout_rates(input=0.1, hidden=0.2),
        batch_norm=BatchNorm(momentum=0.3, epsilon=0.01),
    )
    cohort_state = {
        "1.weight": torch.zeros(5, 6),
        "1.gain": torch.ones(6),
        "1.shift": torch.zeros(6),
        "1.running_mean": torch.zeros(6),
        "1.running_variance": torch.ones(6),
        "2.weight": torch.zeros(6, 3),
        "2.bias": torch.zeros(1, 3),
    }
    plain = to_torch(network, cohort_state)
    assert [type(module) for module in plain] == [
        nn.Dropout,
        nn.Linear,
        nn.BatchNorm1d,
        nn.Tanh,
        nn.Dropout,
        nn.Linear,
        nn.Softmax,
    ]
    first, linear, normalization = plain[0], plain[1], plain[2]
    assert isinstance(first, nn.Dropout) and first.p == 0.1
    assert isinstance(linear, nn.Linear) and linear.bias is None
    assert isinstance(normalization, nn.BatchNorm1d)
    assert (normalization.momentum, normalization.eps) == (0.3, 0.01)
    after = to_torch(
        design(what, [6], "tanh", batch_norm=BatchNorm(position="after")),
        {**cohort_state, "1.bias": torch.zeros(1, 6)},
    )
    assert [type(module) for module in after] == [
        nn.Linear,
        nn.Tanh,
        nn.BatchNorm1d,
        nn.Linear,
        nn.Softmax,
    ]


def test_a_step_has_a_module_of_ours() -> None:
    network = design(task(2, 2), [2], "step")
    state = {
        "1.weight": torch.eye(2),
        "1.bias": torch.tensor([[-0.5, -1.5]]),
        "2.weight": torch.tensor([[20.0], [-20.0]]),
        "2.bias": torch.tensor([[-10.0]]),
    }
    plain = to_torch(network, state)
    corners = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 2.0]])
    assert plain(corners).round().flatten().tolist() == [0.0, 1.0, 0.0]

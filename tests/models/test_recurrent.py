"""Recurrent networks: the laws over their choices, and what cannot be read."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from dlx.cohort import Member
from dlx.data.dataset import Task
from dlx.errors import ConfigError
from dlx.models.plain import from_torch, to_torch
from tests.cohorts import assert_same_run, bits, grouped, member, rows, train
from tests.nn.layers.test_recurrent import build, classes
from tests.plain_loop import assert_plain

pytestmark = pytest.mark.usefixtures("one_thread")

CELLS = ["rnn", "gru", "lstm"]


def variants(what: Task, **options: Any) -> list[Member]:
    """Return runs of one shape and many choices."""
    choices: dict[str, dict[str, Any]] = {
        "plain": {},
        "relu, identity": {"activation": "relu", "recurrent_init": "identity"},
        "prelu": {"activation": "prelu", "init": "lsuv"},
        "sigmoid, batch norm": {"activation": "sigmoid", "batch_norm": True},
        "batch norm after": {"batch_norm": {"position": "after"}},
        "layer norm": {"layer_norm": True, "weight_norm": True},
        "layer norm after": {"layer_norm": {"position": "after"}, "noise": 0.1},
        "dropout": {"dropout": {"input": 0.1, "hidden": 0.3}},
        "drop-connect": {"dropout": {"name": "drop_connect", "hidden": 0.3}},
    }
    return [
        member(name, build(what, **options, **chosen), "adam", seed=seed, num_steps=5)
        for seed, (name, chosen) in enumerate(choices.items())
    ]


@pytest.mark.parametrize(
    ("shape", "hidden", "size", "state"),
    [
        ((4, 3), [5, 3], 8, "last"),
        ((5,), [1], 4, "mean"),
        ((3, 8), [16], 1, "last"),
        ((2, 3, 4), [6], 16, "mean"),
    ],
)
@pytest.mark.parametrize("cell", CELLS)
def test_a_run_trains_to_the_same_bits_alone_and_together(
    cell: str, shape: tuple[int, ...], hidden: list[int], size: int, state: str
) -> None:
    what = classes(*shape)
    members = variants(what, cell=cell, hidden=hidden, state=state)
    if size == 1:
        members = [m for m in members if not any(part.batch_norm for part in m.design.parts)]
    members = grouped(members)
    inputs, targets = rows(what, 21)
    together = train(members, inputs, targets, size)
    for run in members:
        assert_same_run(run.name, together, train([run], inputs, targets, size))


@pytest.mark.parametrize("cell", CELLS)
def test_recurrent_networks_train_as_in_plain_torch(cell: str) -> None:
    what = Task("multiclass", 4, 3, tuple("abc"), (4,))
    random = ("layer norm after", "dropout", "drop-connect")
    members = [
        replace(run, num_steps=20)
        for run in variants(what, cell=cell, hidden=[4, 3], steps=2)
        if run.name not in random
    ]
    assert_plain(grouped(members), what)


@pytest.mark.parametrize("cell", CELLS)
def test_a_trained_network_goes_to_torch_and_back(cell: str) -> None:
    what = classes(4, 3)
    inputs, targets = rows(what, 21)
    for run in variants(what, cell=cell, hidden=[5, 3]):
        state = train([run], inputs, targets, 8).ended_runs[run.name].outcome.state
        back = from_torch(run.design, to_torch(run.design, state).state_dict())
        assert state.keys() == back.keys()
        assert all(torch.equal(bits(back[name]), bits(value)) for name, value in state.items())


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((6,), {"steps": 4}, r"model\.steps: received 4, which does not divide the 6 inputs; ch"),
        ((6,), {"read": "rows"}, r"model\.read: received rows, but the inputs are no images; le"),
        ((2, 3), {"steps": 2}, r"model\.steps: received 2, but an image's steps are its rows or"),
        ((6,), {"recurrent_init": "lsuv"}, r"model\.recurrent_init: received lsuv, which needs a"),
        ((6,), {"hidden": []}, r"model recurrent: hidden: received \[\]"),
        ((6,), {"cell": "gruu"}, r"cell: received 'gruu'; did you mean 'gru'"),
        (
            (6,),
            {"dropout": {"name": "drop_connect", "input": 0.1}},
            r"model\.dropout\.input: drop_connect drops weights, not inputs; give its rate as hid",
        ),
    ],
)
def test_what_cannot_be_built_is_told(
    shape: tuple[int, ...], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        build(classes(*shape), **options)

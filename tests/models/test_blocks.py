"""Blocks in a list of hidden layers: what they build, and that the laws hold over any list."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings

from dlx.cohort import Cohort
from dlx.config.types import choice
from dlx.errors import ConfigError
from dlx.models.design import Design
from dlx.models.plain import from_torch, to_torch
from dlx.nn.passes import Pass
from tests.block_lists import block_lists
from tests.cohorts import assert_same_run, grouped, member, rows, task, train
from tests.guarded import TOGETHER
from tests.plain_loop import assert_plain, relative_distance

pytestmark = pytest.mark.usefixtures("one_thread")


def build(hidden: list[Any], **options: Any) -> Design:
    """Return the design of an MLP as a config describes it: 4 inputs, 3 classes."""
    return choice("model", "mlp", hidden=hidden, **options)(task(4, 3))


def layers(design: Design) -> list[tuple[str, int, int]]:
    return [(part.name, part.inputs, part.outputs) for part in design.parts]


def test_a_number_is_short_for_a_dense_block() -> None:
    assert build([5, 2]) == build([{"name": "dense", "units": 5}, {"name": "dense", "units": 2}])


def test_a_dense_block_chooses_for_itself() -> None:
    block = {
        "name": "dense",
        "units": 5,
        "activation": "elu",
        "init": "zeros",
        "dropout": 0.25,
        "batch_norm": {"position": "after"},
    }
    first, second, last = build([block, 6], dropout=0.5).parts
    assert (first.activation.name, first.init.name, first.dropout) == ("elu", "zeros", 0.25)
    assert first.batch_norm.position == "after"
    assert (second.activation.name, second.init.name, second.dropout) == ("relu", "he_normal", 0.5)
    assert (second.batch_norm, last.dropout) == (None, 0.0)


def test_a_layer_that_chooses_a_normalization_has_not_the_models_other() -> None:
    blocks = [{"name": "dense", "units": 5, "layer_norm": True}, 4]
    first, second, _ = build(blocks, batch_norm=True).parts
    assert (first.batch_norm, second.layer_norm) == (None, None)
    assert first.layer_norm is not None and second.batch_norm is not None
    with pytest.raises(
        ConfigError, match=r"model\.layer_norm: layer 1 has batch_norm and layer_norm; keep one"
    ):
        build([4], batch_norm=True, layer_norm=True)


def test_a_maxout_unit_is_the_largest_of_its_pieces() -> None:
    design = build([{"name": "maxout", "units": 2, "pieces": 3}], init="normal")
    cohort = Cohort([member("run", design)], 2)
    cohort.initialize()
    pass_ = Pass(activations={})
    x = torch.randn(1, 5, 4, generator=torch.Generator().manual_seed(0))
    cohort.network.forward(x, pass_)
    maps = (x @ cohort.network.state()["1.weight"]).view(5, 2, 3)
    assert pass_.activations is not None
    torch.testing.assert_close(pass_.activations["1"][0], maps.amax(2))


def test_a_residual_projects_where_the_widths_differ_and_only_there() -> None:
    design = build([{"name": "residual", "layers": [6, 5], "repeat": 2}])
    assert layers(design) == [
        ("1.1", 4, 6),
        ("1.2", 6, 5),
        ("1.projection", 4, 5),
        ("2.1", 5, 6),
        ("2.2", 6, 5),
        ("3", 5, 3),
    ]


def test_branches_are_joined_side_by_side_with_the_input_itself() -> None:
    design = build([{"name": "branch", "branches": [[6, 2], [], [3]]}])
    assert layers(design) == [("1.1.1", 4, 6), ("1.1.2", 6, 2), ("1.3.1", 4, 3), ("2", 9, 3)]


@pytest.mark.parametrize(("join", "expected"), [("sum", 8.0), ("mean", 4.0)])
def test_branches_are_added_up_or_averaged(join: str, expected: float) -> None:
    design = build([{"name": "branch", "branches": [[], []], "join": join}])
    network = Cohort([member("run", design)], 2).network
    pass_ = Pass(activations={})
    network.forward(torch.full((1, 2, 4), 4.0), pass_)
    assert pass_.activations is not None
    assert pass_.activations["1"].unique().tolist() == [expected]


def test_a_residual_adds_its_input() -> None:
    design = build([{"name": "residual", "layers": [4], "activation": "identity"}])
    network = Cohort([member("run", design)], 2).network
    pass_ = Pass(activations={})
    x = torch.arange(8.0).view(1, 2, 4)
    network.forward(x, pass_)  # all weights are zero
    assert pass_.activations is not None
    assert torch.equal(pass_.activations["1"], x)


@pytest.mark.parametrize(
    ("hidden", "message"),
    [
        ([{"name": "residual", "layers": []}], r"block 1 \(residual\) has no layers; give it"),
        ([4, {"name": "branch", "branches": []}], r"block 2 \(branch\) has no branches; give it"),
        (
            [{"name": "residual", "layers": [{"name": "branch", "branches": []}]}],
            r"block 1\.1 \(branch\) has no branches",
        ),
        (
            [{"name": "branch", "branches": [[3], [2]], "join": "sum"}],
            r"block 1 \(branch\) joins widths 3, 2 by sum, which needs equal ones; change a width",
        ),
        ([{"name": "branch", "branches": [[3], []], "join": "mean"}], r"joins widths 3, 4 by mean"),
        ([{"name": "residual"}], r"hidden\[0\]\.layers: required, but not given"),
        ([{"name": "residuall", "layers": [3]}], r"received 'residuall'; did you mean 'residual'"),
        ([{"name": "dense", "units": 0}], r"hidden\[0\]\.units: received 0"),
        ([{"name": "dense", "units": 3, "repeat": 0}], r"hidden\[0\]\.repeat: received 0"),
        (
            [{"name": "dense", "units": 3, "repeat": 100_000}],
            r"hidden\[0\]\.repeat: received 100000 \(allowed: an integer > 0 and <= 1000\)",
        ),
    ],
)
def test_blocks_that_do_not_join_are_named(hidden: list[Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(hidden)


@pytest.mark.slow(*TOGETHER)
@settings(max_examples=15, deadline=None)
@given(block_lists)
def test_any_list_of_blocks_obeys_the_laws(hidden: list[Any]) -> None:
    what = task(4, 3)
    members = grouped(
        [
            member("tanh", build(hidden, activation="tanh"), "sgd", num_steps=5),
            member("prelu", build(hidden, activation="prelu", batch_norm=True), num_steps=5),
            member("dropout", build(hidden, dropout=0.4, init="orthogonal"), num_steps=4, seed=3),
        ]
    )
    inputs, targets = rows(what, 21)
    together = train(members, inputs, targets, 8)
    for run in members:
        alone = train([run], inputs, targets, 8)
        assert_same_run(run.name, together, alone)
        # Law 2: the trained network as plain torch gives the same outputs, and goes back.
        trained = alone.ended_runs[run.name].outcome.state
        if not trained:  # it has diverged
            continue
        state = {name: value.double() for name, value in trained.items()}
        network = to_torch(run.design, state)
        cohort = Cohort([run], 8, torch.float64)
        cohort.network.load_run(0, state)
        x = inputs.double()
        expected = cohort.network.forward(x.unsqueeze(0), Pass())[0].softmax(-1)
        torch.testing.assert_close(network(x), expected, atol=1e-10, rtol=0)
        back = from_torch(run.design, network.state_dict())
        assert back.keys() == state.keys()
        assert all(torch.equal(back[name], value) for name, value in state.items())


@pytest.mark.slow(*TOGETHER)
@settings(max_examples=15, deadline=None)
@given(block_lists)
def test_the_native_engine_trains_any_list_of_blocks_alike(hidden: list[Any]) -> None:
    what = task(4, 3)
    # Where inputs are all zero, biases of zero would tie, and rounding would pick maxout's piece.
    networks = {
        "tanh": build(hidden, activation="tanh", bias="uniform"),
        "prelu": build(hidden, activation="prelu", batch_norm=True, bias="uniform"),
        "dropout": build(hidden, dropout=0.4, init="orthogonal", bias="uniform"),
    }
    runs = [member(name, network, "sgd", num_steps=5) for name, network in networks.items()]
    native = grouped([replace(run, engine="native") for run in runs])
    inputs, targets = rows(what, 21)
    together = train(native, inputs, targets, 8)
    for run in native:
        assert_same_run(run.name, together, train([run], inputs, targets, 8))
    inputs = inputs.double()
    by_native = train(native, inputs, targets, 8, torch.float64)
    by_torch = train(runs, inputs, targets, 8, torch.float64)
    for run in runs:
        state = by_native.ended_runs[run.name].outcome.state
        for name, value in by_torch.ended_runs[run.name].outcome.state.items():
            assert relative_distance(state[name], value) < 1e-8, (run.name, name)


NETWORKS: dict[str, list[Any]] = {
    "maxout": [{"name": "maxout", "units": 5, "pieces": 3}, {"name": "maxout", "units": 4}],
    "layer and weight norm": [
        {"name": "dense", "units": 5, "layer_norm": True, "weight_norm": True},
        {"name": "residual", "layers": [{"name": "dense", "units": 5, "weight_norm": True}]},
    ],
    "residual": [6, {"name": "residual", "layers": [5, 6], "activation": "prelu", "repeat": 2}],
    "projected": [{"name": "residual", "layers": [6], "activation": "relu"}],
    "concat": [{"name": "branch", "branches": [[5], [6, 2], []]}, 4],
    "sum": [{"name": "branch", "branches": [[5], [6, 5]], "join": "sum"}],
    "mean": [{"name": "branch", "branches": [[4], []], "join": "mean"}],
    "nested": [
        {
            "name": "residual",
            "layers": [
                3,
                {"name": "branch", "branches": [[2], [{"name": "residual", "layers": [3]}]]},
            ],
        }
    ],
}


@pytest.mark.parametrize("name", NETWORKS)
def test_blocks_train_as_in_plain_torch(name: str) -> None:
    members = [
        member("tanh", build(NETWORKS[name], activation="tanh"), "momentum", num_steps=20),
        member("norm", build(NETWORKS[name], activation="elu", batch_norm=True), num_steps=20),
    ]
    assert_plain(members, task(4, 3))


def test_repeats_inside_repeats_are_counted_before_anything_is_built() -> None:
    inner = {"name": "dense", "units": 3, "repeat": 1000}
    with pytest.raises(ConfigError, match=r"are 1,001,000 layers by their repeats; at most 10,000"):
        build([{"name": "residual", "layers": [inner], "repeat": 1000}])
    nested = {"name": "branch", "branches": [[3, 3], [{"name": "residual", "layers": [3, 3]}]]}
    with pytest.raises(ConfigError, match=r"are 48,000 layers by their repeats"):
        build([{**nested, "repeat": 1000}] * 8)
    assert len(build([inner]).parts) == 1001

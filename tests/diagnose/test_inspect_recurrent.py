"""What `inspect` shows of recurrent layers and of maxout: shapes, costs, signals step by step."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from dlx.diagnose.inspection import inspect
from dlx.models.plain import from_torch, to_torch
from dlx.report.inspection_figure import draw
from dlx.training.job import Job
from tests.diagnose.conftest import MakeJob
from tests.nn.layers.test_recurrent import UNITS, torchs

GATES = {"rnn": 1, "gru": 3, "lstm": 4}


@pytest.mark.parametrize("cell", GATES)
def test_shapes_and_costs_by_hand(job: MakeJob, cell: str) -> None:
    made = job(name="recurrent", cell=cell, hidden=[5])
    inspected = inspect(made)
    layer, projection, output = inspected["layers"]
    gates, biased = 5 * GATES[cell], 5 * (cell == "gru")
    assert [facts["name"] for facts in inspected["layers"]] == ["1", "1.projection", "2"]
    assert [layer["kind"] for layer in inspected["layers"]] == ["recurrent", "projection", "dense"]
    bias = {"b[1]": [5, 1], "db[1]": [5, 1]} if biased else {}
    assert layer["shapes"] == {
        "U[1]": [gates, 5],
        "dU[1]": [gates, 5],
        **bias,
        "Z[1]": [gates, 64],
        "dZ[1]": [gates, 64],
        "A[1]": [5, 64],
        "dA[1]": [5, 64],
    }
    assert projection["shapes"]["W[1.projection]"] == [gates, 8]
    assert projection["shapes"]["b[1.projection]"] == [gates, 1]
    assert projection["shapes"]["A[1.projection]"] == [gates, 64]
    assert (layer["fan_in"], layer["fan_out"]) == (5, 5)
    assert (projection["fan_in"], projection["fan_out"]) == (8, 5)
    assert layer["parameters"] == gates * 5 + biased
    assert sum(facts["parameters"] for facts in inspected["layers"]) == inspected["parameters"]
    # Digits are read in eight rows of eight pixels.
    assert layer["flops"] == 8 * (2 * 5 * gates + gates + biased)
    assert projection["flops"] == 8 * (2 * 8 * gates + gates)
    forward = layer["flops"] + projection["flops"] + output["flops"]
    first = 8 * 2 * 8 * gates
    assert inspected["flops"] == {"forward": forward, "step": 64 * (3 * forward - first)}
    # At least every step's state, and every gate where there are several, is kept.
    assert inspected["memory"]["activations"] >= 4 * 64 * 8 * (5 + gates)


@pytest.mark.parametrize("cell", GATES)
def test_states_and_gradients_are_those_of_plain_torch(job: MakeJob, cell: str) -> None:
    made = job(name="recurrent", cell=cell, hidden=[UNITS], init="lecun_normal")
    layer_facts = inspect(made)["layers"][0]
    trainer = Job.trainer([made], is_new=True)
    start = trainer.cohort.network.run_state(0)
    state = {name: value.double() for name, value in start.items()}
    layer = torchs(cell, state, [8])
    x, targets = made.first_batch(trainer.splits["train"])
    states = layer(x[0].double().view(64, 8, 8))[0]
    nn.CrossEntropyLoss()(states[:, -1] @ state["2.weight"], targets[0]).backward()
    expected = [float(h.detach().var(correction=0)) for h in states.unbind(1)]
    assert layer_facts["steps"]["variance"]["measured"] == pytest.approx(expected, rel=1e-4)
    gradient = layer.get_parameter("weight_hh_l0").grad
    assert gradient is not None
    root = float(gradient.square().mean()) ** 0.5
    assert layer_facts["weight_gradient"] == pytest.approx(root, rel=1e-4)
    assert layer_facts["variance"]["measured"] == pytest.approx(expected[-1], rel=1e-4)
    gradients = layer_facts["steps"]["gradient"]["measured"]
    assert layer_facts["gradient"]["measured"] == pytest.approx(np.mean(gradients), rel=1e-5)


def test_the_gradient_of_every_step_is_the_one_of_its_inputs_bias(job: MakeJob) -> None:
    made = job(name="recurrent", cell="rnn", hidden=[6], activation="tanh")
    measured = inspect(made)["layers"][0]["steps"]["gradient"]["measured"]
    trainer = Job.trainer([made], is_new=True)
    state = {name: value.double() for name, value in trainer.cohort.network.run_state(0).items()}
    x, targets = made.first_batch(trainer.splits["train"])
    h: Any = torch.zeros(64, 6, dtype=torch.float64)
    zs = []
    for row in x[0].double().view(64, 8, 8).unbind(1):
        z = row @ state["1.projection.weight"] + state["1.projection.bias"]
        z = (z + h @ state["1.weight"]).requires_grad_()
        z.retain_grad()
        zs.append(z)
        h = torch.tanh(z)
    nn.CrossEntropyLoss()(h @ state["2.weight"] + state["2.bias"], targets[0]).backward()
    expected = [float(z.grad.square().mean()) for z in zs]
    assert measured == pytest.approx(expected, rel=1e-4)


RNNS: dict[str, dict[str, Any]] = {
    "tanh": {},
    "rectifiers of independent weights": {"activation": "relu", "recurrent_init": "lecun_normal"},
    "sigmoid, columns": {"activation": "sigmoid", "read": "columns"},
    "the mean state": {"state": "mean"},
    "dropout and noise": {"dropout": 0.3, "noise": 0.1},
}


@pytest.mark.parametrize("name", RNNS)
def test_theory_predicts_every_step_of_wide_rnns(job: MakeJob, name: str) -> None:
    options = {"name": "recurrent", "cell": "rnn", "hidden": [300, 300], **RNNS[name]}
    inspected = inspect(job(data={"name": "digits", "scale": True}, **options))
    layers = [layer for layer in inspected["layers"] if layer["kind"] == "recurrent"]
    for layer in layers:
        for quantity in ("variance", "gradient"):
            steps = layer["steps"][quantity]
            assert len(steps["measured"]) == 8
            assert steps["predicted"] == pytest.approx(steps["measured"], rel=0.35), quantity
    first, last = layers
    assert first["variance"]["predicted"] == pytest.approx(first["variance"]["measured"], rel=0.2)
    # The states of a row hang together: their mean has no closed form.
    assert (last["variance"]["predicted"] is None) == (name == "the mean state")


@pytest.mark.parametrize(
    "options",
    [
        {"cell": "gru"},
        {"cell": "lstm"},
        {"recurrent_init": "identity"},
        {"batch_norm": True},
        {"layer_norm": {"position": "after"}},
        {"dropout": {"name": "drop_connect", "hidden": 0.1}},
    ],
)
def test_no_prediction_for_what_theory_does_not_know(job: MakeJob, options: dict[str, Any]) -> None:
    model: dict[str, Any] = {"name": "recurrent", "cell": "rnn", "hidden": [9, 9], **options}
    for layer in inspect(job(**model))["layers"]:
        if layer["kind"] == "recurrent":
            assert layer["variance"]["predicted"] is None
            assert layer["gradient"]["predicted"] is None
            assert layer["steps"]["variance"]["predicted"] is None
            assert layer["variance"]["measured"] > 0


def test_states_that_overflow_have_no_prediction(job: MakeJob) -> None:
    init = {"name": "normal", "std": 3e38}
    model = {"name": "recurrent", "cell": "rnn", "activation": "relu", "recurrent_init": init}
    inspected = inspect(job(**model))
    assert inspected["layers"][0]["steps"]["variance"]["predicted"] is None
    assert (
        "the states of layer 1 are not finite: they explode step by step" in inspected["findings"]
    )


def test_trained_weights_are_measured(job: MakeJob) -> None:
    made = job(name="recurrent", cell="lstm", hidden=[4])
    network = to_torch(made.design, Job.trainer([made], is_new=True).cohort.network.run_state(0))
    inspected = inspect(made, from_torch(made.design, network.state_dict()))
    start = inspect(made)
    for one, other in zip(inspected["layers"], start["layers"], strict=True):
        assert one["variance"]["measured"] == pytest.approx(other["variance"]["measured"])
    assert inspected["layers"][1]["variance"]["predicted"] is None


def test_a_sigmoid_rnn_forgets_its_first_step(job: MakeJob) -> None:
    inspected = inspect(job(name="recurrent", cell="rnn", activation="sigmoid"))
    (sentence,) = [finding for finding in inspected["findings"] if "back in time" in finding]
    assert sentence.startswith("the gradient of layer 1 at step 1 is 10⁻")


def test_the_picture_has_a_row_for_every_recurrent_layer(job: MakeJob) -> None:
    inspected = inspect(job(name="recurrent", cell="rnn", hidden=[9, 5]))
    figure = draw(inspected)
    assert [axes.get_xlabel() for axes in figure.axes] == [
        *["layer"] * 2,
        *["step of layer 1"] * 2,
        *["step of layer 2"] * 2,
    ]
    lines = {line.get_label(): line for line in figure.axes[3].lines}
    steps = inspected["layers"][0]["steps"]["gradient"]
    for which in ("measured", "predicted"):
        assert np.asarray(lines[which].get_ydata()).tolist() == steps[which]
    names = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert names == ["1", "2", "3"]


def test_maxout_shows_its_pieces(job: MakeJob) -> None:
    inspected = inspect(job(hidden=[{"name": "maxout", "units": 20, "pieces": 3}]))
    layer, output = inspected["layers"]
    assert (layer["pieces"], output["pieces"]) == (3, 1)
    assert layer["shapes"]["W[1]"] == [60, 64]
    assert layer["shapes"]["Z[1]"] == layer["shapes"]["dZ[1]"] == [60, 64]
    assert layer["shapes"]["A[1]"] == layer["shapes"]["dA[1]"] == [20, 64]
    assert (layer["parameters"], layer["flops"]) == (65 * 60, 129 * 60)


def test_the_first_layer_of_a_block_hands_no_gradient_to_the_inputs(job: MakeJob) -> None:
    dense = inspect(job(hidden=[20, 20]))
    block = inspect(job(hidden=[{"name": "branch", "branches": [[20, 20]]}]))
    assert block["flops"] == dense["flops"]

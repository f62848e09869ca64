"""Shapes as courses write them, costs by hand, and measurements against plain torch."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import nn

from dlx.diagnose.findings import findings, power
from dlx.diagnose.inspection import inspect
from dlx.models.plain import from_torch, to_torch
from dlx.training.job import Job
from tests.block_lists import block_lists
from tests.diagnose.conftest import MakeJob


@pytest.mark.parametrize(
    ("data", "widths"),
    [
        ("xor", [2, 3, 5, 4, 2, 1]),
        ({"name": "parity", "bits": 3, "split": {"dev": 0, "test": 0}}, [3, 5, 5, 3, 1]),
    ],
)
def test_the_courses_nets_in_the_courses_notation(
    job: MakeJob, data: Any, widths: list[int]
) -> None:
    inspected = inspect(job(data=data, hidden=widths[1:-1], activation="sigmoid"))
    rows = inspected["batch_size"]
    assert len(inspected["layers"]) == len(widths) - 1
    for number, layer in enumerate(inspected["layers"], 1):
        n, before = widths[number], widths[number - 1]
        assert layer["shapes"] == {
            f"W[{number}]": [n, before],
            f"dW[{number}]": [n, before],
            f"b[{number}]": [n, 1],
            f"db[{number}]": [n, 1],
            **{f"{name}[{number}]": [n, rows] for name in ("Z", "dZ", "A", "dA")},
        }
        assert layer["parameters"] == n * before + n
        assert (layer["fan_in"], layer["fan_out"]) == (before, n)


def test_costs_by_hand(job: MakeJob) -> None:
    inspected = inspect(job(data="xor", hidden=[3]))
    first, second = 2 * 2 * 3 + 3, 2 * 3 * 1 + 1
    assert [layer["flops"] for layer in inspected["layers"]] == [first, second]
    assert inspected["flops"] == {
        "forward": first + second,
        "step": 4 * (3 * (first + second) - 12),
    }
    assert inspected["parameters"] == 13
    # Adam keeps two numbers for each. The tape keeps x, z and a of both layers; the output layer
    # has the identity, so that its a is its z, and its x is the first one's a.
    kept = 4 * (2 + 3 + 3 + 1)
    assert inspected["memory"] == {
        "parameters": 52,
        "gradients": 52,
        "optimizer": 104,
        "activations": 4 * kept,
    }


def test_measurements_are_those_of_plain_torch(job: MakeJob) -> None:
    made = job(hidden=[20, 15], activation="tanh", init="lecun_normal")
    inspected = inspect(made)
    trainer = Job.trainer([made], is_new=True)
    network = to_torch(made.design, trainer.cohort.network.run_state(0)).double().train()
    outputs: dict[int, torch.Tensor] = {}
    x, targets = made.first_batch(trainer.splits["train"])
    signal: Any = x[0].double()
    for place, module in enumerate(network):
        outputs[place] = signal = module(signal)
        signal.retain_grad()
    nn.CrossEntropyLoss()(outputs[4], targets[0]).backward()
    for number, layer in enumerate(inspected["layers"]):
        z, a = outputs[2 * number], outputs[min(2 * number + 1, 4)]
        assert z.grad is not None
        weight = network[2 * number].weight
        assert isinstance(weight, nn.Parameter) and weight.grad is not None
        variance = float(a.detach().var(correction=0))
        assert layer["variance"]["measured"] == pytest.approx(variance, rel=1e-4)
        assert layer["gradient"]["measured"] == pytest.approx(float((z.grad**2).mean()), rel=1e-4)
        expected = float((weight.grad**2).mean()) ** 0.5
        assert layer["weight_gradient"] == pytest.approx(expected, rel=1e-4)
        assert layer["weight_variance"] == pytest.approx(
            float(weight.detach().var(correction=0)), rel=1e-5
        )


def test_trained_weights_are_measured_and_not_predicted(job: MakeJob) -> None:
    made = job(hidden=[20], activation="tanh")
    network = to_torch(made.design, Job.trainer([made], is_new=True).cohort.network.run_state(0))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3)
    inspected = inspect(made, from_torch(made.design, network.state_dict()))
    start = inspect(made)
    ratio = inspected["layers"][0]["weight_variance"] / start["layers"][0]["weight_variance"]
    assert ratio == pytest.approx(9)
    assert inspected["layers"][0]["variance"]["predicted"] is None


def test_nothing_is_measured_backward_through_a_step(job: MakeJob) -> None:
    from dlx import api

    made = api.prepare(
        {
            "data": "xor",
            "model": {"hidden": [3], "activation": "step"},
            "train": {"epochs": 0, "batch_size": 4},
        }
    )
    layers = inspect(made)["layers"]
    assert [layer["gradient"]["measured"] for layer in layers] == [None, None]
    assert layers[0]["variance"]["predicted"] == pytest.approx(0.25)


@given(hidden=block_lists)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
def test_every_list_of_blocks_has_the_shapes_that_are_shown(job: MakeJob, hidden: list) -> None:
    made = job(data="xor", hidden=hidden)
    inspected = inspect(made)
    cohort = Job.trainer([made], is_new=True).cohort
    state = cohort.network.run_state(0)
    names = [layer["name"] for layer in inspected["layers"]]
    assert len(set(names)) == len(names)
    assert sum(layer["parameters"] for layer in inspected["layers"]) == inspected["parameters"]
    for layer in inspected["layers"]:
        name, shapes = layer["name"], layer["shapes"]
        if layer["kind"] == "dense":
            weight = state[f"{name}.weight"]
            assert shapes[f"W[{name}]"] == list(weight.shape[::-1])
            assert (f"b[{name}]" in shapes) == (f"{name}.bias" in state)
        assert shapes[f"A[{name}]"][1] == 4
        assert (layer["depth"] > 0) == ("." in name)


def layer(name: str, variance: float = 1.0, gradient: float | None = 1.0) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "dense",
        "weight_variance": 1.0,
        "variance": {"measured": variance},
        "weight_gradient": gradient,
        "steps": None,
    }


def recurrent(states: list[float], gradients: list[float] | None) -> dict[str, Any]:
    steps = {"variance": {"measured": states}, "gradient": {"measured": gradients}}
    return layer("1") | {"kind": "recurrent", "steps": steps}


SENTENCES = {
    "the gradient of layer 1 is 10⁻⁵ of layer 3's: it vanishes on its way back": [
        layer("1", gradient=2e-5),
        layer("2"),
        layer("3"),
    ],
    "the gradient of layer 1 is 10⁴ of layer 2's: it explodes on its way back": [
        layer("1", gradient=1e4),
        layer("2"),
    ],
    "the activations of layer 2 have 10⁻⁸ of the variance of layer 1's: the signal vanishes on its "
    "way forward": [layer("1"), layer("2", 1e-8), layer("3")],
    "the activations of layer 2 have 10⁶ of the variance of layer 1's: the signal explodes on "
    "its way forward": [layer("1"), layer("2", 1e6), layer("3")],
    "the activations of layer 2 are the same for every row and unit: nothing of the inputs "
    "passes": [layer("1"), layer("2", 0.0), layer("3")],
    "no gradient reaches layers 1, 2, … and 4: such weights do not learn": [
        *(layer(str(n), gradient=0.0) for n in (1, 2, 3, 4)),
        layer("5"),
    ],
    "the gradients are not finite: they explode on their way back": [
        layer("1", gradient=float("inf")),
        layer("2"),
    ],
    "the activations are not finite: they explode on their way forward": [
        layer("1"),
        layer("2", float("nan")),
        layer("3"),
    ],
    "the gradient of layer 1 at step 1 is 10⁻⁵ of step 3's: it vanishes back in time": [
        recurrent([1, 1, 1], [1e-5, 1e-3, 1]),
        layer("2"),
    ],
    "the gradient of layer 1 at step 1 is 10⁴ of step 2's: it explodes back in time": [
        recurrent([1, 1], [1e4, 1]),
        layer("2"),
    ],
    "the gradients of layer 1 are not finite: they explode back in time": [
        recurrent([1, 1], [float("inf"), 1]),
        layer("2"),
    ],
    "no gradient reaches step 1 of layer 1: its inputs are not learned": [
        recurrent([0, 1], [0, 1]),
        layer("2"),
    ],
    "the state of layer 1 at step 3 has 10⁶ of the variance of step 2's: it explodes step by "
    "step": [recurrent([0, 1, 1e6], [1, 1, 1]), layer("2")],
    "the states of layer 1 are not finite: they explode step by step": [
        recurrent([1, float("nan")], None),
        layer("2"),
    ],
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_where_they_vanish_or_explode(sentence: str) -> None:
    assert findings(SENTENCES[sentence]) == [sentence]


def test_no_sentence_where_all_is_well() -> None:
    assert findings([layer("1", 0.5, 0.1), layer("2", 2.0), layer("3")]) == []
    assert findings([layer("1", gradient=None), layer("2", gradient=None)]) == []
    assert findings([layer("1", 0.0)]) == []
    assert findings([recurrent([0, 0], [1, 0]), layer("2")]) == []
    projection = layer("1.projection", 1e-8) | {"kind": "projection"}
    assert findings([projection, layer("1"), layer("2"), layer("3")]) == []
    assert power(3.1e-32) == "10⁻³²"


def test_rows_that_become_alike_are_told_though_units_differ(job: MakeJob) -> None:
    inspected = inspect(job(data="xor", hidden=[10] * 9, activation="sigmoid"))
    layers = inspected["layers"]
    pooled = [layer["variance"]["measured"] for layer in layers[:-1]]
    between = [layer["variance"]["between_rows"] for layer in layers]
    assert max(pooled) < 10 * min(pooled)
    assert all(after < before for before, after in pairwise(between)) and between[-1] < 1e-10
    told = next(text for text in inspected["findings"] if "between rows" in text)
    ratio = power(between[-2] / between[0])
    assert f"activations of layer 9 vary {ratio} as much as those of layer 1" in told

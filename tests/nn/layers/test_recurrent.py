"""Recurrent layers against torch's nn.RNN, nn.GRU and nn.LSTM: states and gradients."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dlx.cohort import Cohort
from dlx.config.types import choice
from dlx.data.dataset import Task
from dlx.models.design import Design
from dlx.nn.passes import Pass
from tests.cohorts import member

pytestmark = pytest.mark.usefixtures("one_thread")

TORCH = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
STEPS, INPUTS, UNITS, ROWS, CLASSES = 6, 3, 5, 7, 3


def build(task: Task, **options: Any) -> Design:
    return choice("model", "recurrent", **options)(task)


def classes(*shape: int) -> Task:
    size = int(torch.tensor(shape).prod())
    return Task("multiclass", size, CLASSES, tuple("abc"), shape)


def filled(design: Design, seed: int = 0) -> Cohort:
    """Return a cohort of one with normal weights everywhere."""
    cohort = Cohort([member("run", design)], ROWS, torch.float64)
    generator = torch.Generator().manual_seed(seed)
    for value in cohort.network.state().values():
        value.copy_(0.5 * torch.randn(value.shape, generator=generator, dtype=torch.float64))
    return cohort


def torchs(cell: str, state: dict[str, Tensor], inputs: list[int]) -> nn.Module:
    """Return torch's own network with the weights of ours; its second biases stay zero."""
    network = TORCH[cell](inputs[0], UNITS, len(inputs), batch_first=True, dtype=torch.float64)
    for number in range(1, len(inputs) + 1):
        own = {
            "weight_ih": state[f"{number}.projection.weight"].T,
            "bias_ih": state[f"{number}.projection.bias"][0],
            "weight_hh": state[f"{number}.weight"].T,
        }
        with torch.no_grad():
            network.get_parameter(f"bias_hh_l{number - 1}").zero_()
            if cell == "gru":
                bias = network.get_parameter(f"bias_hh_l{number - 1}")
                bias[2 * UNITS :] = state[f"{number}.bias"][0]
            for name, value in own.items():
                network.get_parameter(f"{name}_l{number - 1}").copy_(value)
    return network


@pytest.mark.parametrize("state", ["last", "mean"])
@pytest.mark.parametrize("cell", TORCH)
def test_two_layers_are_torchs(cell: str, state: str) -> None:
    design = build(classes(STEPS, INPUTS), cell=cell, hidden=[UNITS, UNITS], state=state)
    cohort = filled(design)
    tensors = cohort.network.run_state(0)
    network = torchs(cell, tensors, [INPUTS, UNITS])
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(ROWS, STEPS * INPUTS, generator=generator, dtype=torch.float64)
    upstream = torch.randn(1, ROWS, CLASSES, generator=generator, dtype=torch.float64)
    pass_ = Pass(tape=[], batch_size=ROWS)
    z = cohort.network.forward(x.unsqueeze(0), pass_)
    cohort.network.backward(upstream.clone(), pass_)
    assert pass_.tape == []

    states = network(x.view(ROWS, STEPS, INPUTS))[0]
    handed = states[:, -1] if state == "last" else states.mean(1)
    expected = handed @ tensors["3.weight"] + tensors["3.bias"]
    torch.testing.assert_close(z[0], expected.detach(), rtol=1e-12, atol=1e-12)
    expected.backward(upstream[0])
    gradients = {p.name: p.gradient[0] for p in cohort.network.buffer.parameters}
    for number in (1, 2):
        pairs = {
            f"{number}.projection.weight": f"weight_ih_l{number - 1}",
            f"{number}.projection.bias": f"bias_ih_l{number - 1}",
            f"{number}.weight": f"weight_hh_l{number - 1}",
        }
        for name, torch_name in pairs.items():
            gradient = network.get_parameter(torch_name).grad
            assert gradient is not None
            own = gradients[name].T if name.endswith("weight") else gradients[name][0]
            torch.testing.assert_close(own, gradient, rtol=1e-10, atol=1e-12)
        if cell == "gru":
            gradient = network.get_parameter(f"bias_hh_l{number - 1}").grad
            assert gradient is not None
            torch.testing.assert_close(gradients[f"{number}.bias"][0], gradient[2 * UNITS :])


@pytest.mark.parametrize(
    ("shape", "options", "expected"),
    [
        ((2, 3), {}, [[0, 1, 2], [3, 4, 5]]),
        ((2, 3), {"read": "columns"}, [[0, 3], [1, 4], [2, 5]]),
        ((2, 2, 3), {"read": "rows"}, [[0, 1, 2, 6, 7, 8], [3, 4, 5, 9, 10, 11]]),
        ((6,), {}, [[0], [1], [2], [3], [4], [5]]),
        ((6,), {"steps": 2}, [[0, 1, 2], [3, 4, 5]]),
    ],
)
def test_what_a_step_reads(
    shape: tuple[int, ...], options: dict[str, Any], expected: list[list[int]]
) -> None:
    design = build(classes(*shape), cell="rnn", hidden=[4], **options)
    layer = design.layers[0]
    assert (layer.num_steps, layer.projection.inputs) == (len(expected), len(expected[0]))
    cohort = filled(design)
    read: list[Tensor] = []
    projection = cohort.network.layers[0].projection  # type: ignore[attr-defined]
    forward = projection.forward
    projection.forward = lambda x, pass_: (read.append(x), forward(x, pass_))[1]
    numbers = torch.arange(design.layers[0].num_steps * len(expected[0]), dtype=torch.float64)
    cohort.network.forward(numbers.view(1, 1, -1), Pass())
    assert read[0].view(len(expected), -1).tolist() == expected


def test_each_gate_is_drawn_as_a_layer_of_its_own() -> None:
    design = build(classes(STEPS, INPUTS), cell="lstm", hidden=[UNITS], init="xavier_uniform")
    cohort = Cohort([member("run", design)], ROWS)
    cohort.initialize()
    state = cohort.network.run_state(0)
    for gate in state["1.weight"].split(UNITS, 1):
        torch.testing.assert_close(gate.T @ gate, torch.eye(UNITS), atol=1e-5, rtol=0)
    bound = (6 / (INPUTS + UNITS)) ** 0.5
    gates = state["1.projection.weight"].split(UNITS, 1)
    assert all(0.6 * bound < float(gate.abs().max()) <= bound for gate in gates)
    assert len({float(gate[0, 0]) for gate in gates}) == 4

"""The backward pass against the course's formulas, written out in numpy."""

import numpy as np
import pytest
import torch
from torch import Tensor

from dlx.nn.head import Head
from dlx.nn.network import Network
from dlx.nn.passes import Pass
from tests.cohorts import design, task

pytestmark = pytest.mark.usefixtures("one_thread")

# g and g' of the course, as functions of z.
COURSE = {
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(float)),
    "leaky_relu": (lambda z: np.where(z > 0, z, 0.01 * z), lambda z: np.where(z > 0, 1, 0.01)),
}


@pytest.mark.parametrize("activation", COURSE)
def test_backward_is_the_courses(activation: str) -> None:
    g, slope = COURSE[activation]
    generator = np.random.default_rng(5)
    inputs = generator.normal(size=(9, 2))
    targets = (np.arange(9) % 2).reshape(9, 1).astype(float)
    what = task(2, 2)
    network = Network([design(what, [3, 5, 4, 2], activation).layers], [0], torch.float64)
    network.buffer.initialize()
    parameters = {p.name: p for p in network.buffer.parameters}
    with torch.no_grad():
        for layer in range(1, 6):
            bias = parameters[f"{layer}.bias"]
            bias.value.copy_(torch.from_numpy(generator.normal(size=bias.shape)))
    weights = [parameters[f"{layer}.weight"].value[0].detach().numpy() for layer in range(1, 6)]
    biases = [parameters[f"{layer}.bias"].value[0].detach().numpy() for layer in range(1, 6)]
    assert [w.shape for w in weights] == [(2, 3), (3, 5), (5, 4), (4, 2), (2, 1)]

    # Forward: Z = A_prev W + b, A = g(Z); the last layer is a sigmoid unit.
    a, z = [inputs], []
    for w, b in zip(weights, biases, strict=True):
        z.append(a[-1] @ w + b)
        a.append(g(z[-1]))
    probability = 1 / (1 + np.exp(-z[-1]))
    cost = -np.mean(targets * np.log(probability) + (1 - targets) * np.log(1 - probability))

    # Backward, with dA of the cost summed over the rows: the mean is in dW and db.
    m = len(inputs)
    d_w, d_b = {}, {}
    d_z = probability - targets
    for layer in range(5, 0, -1):
        d_w[layer] = a[layer - 1].T @ d_z / m
        d_b[layer] = d_z.sum(0, keepdims=True) / m
        d_a = d_z @ weights[layer - 1].T
        if layer > 1:
            d_z = d_a * slope(z[layer - 2])

    head = design(what, [3, 5, 4, 2], activation).head
    x, t = torch.from_numpy(inputs).unsqueeze(0), torch.from_numpy(targets).unsqueeze(0)
    pass_ = Pass(tape=[])
    output = network.forward(x, pass_)
    costs, gradient = head.cost_and_gradient(output, t)
    for layer in reversed(network.layers):
        gradient = layer.backward(gradient, pass_)
        assert gradient is not None
    assert pass_.tape == []
    np.testing.assert_allclose(costs.item(), cost, rtol=1e-13)
    for layer in range(1, 6):
        weight, bias = parameters[f"{layer}.weight"], parameters[f"{layer}.bias"]
        np.testing.assert_allclose(weight.gradient[0], d_w[layer], rtol=1e-11, atol=1e-15)
        np.testing.assert_allclose(bias.gradient[0], d_b[layer], rtol=1e-11, atol=1e-15)
    np.testing.assert_allclose(gradient[0], d_a / m, rtol=1e-11, atol=1e-15)


def backward(network: Network, head: Head, x: Tensor, targets: Tensor) -> None:
    pass_ = Pass(tape=[])
    network.backward(head.cost_and_gradient(network.forward(x, pass_), targets)[1], pass_)


def test_a_layer_before_batch_norm_has_no_bias_and_others_keep_theirs() -> None:
    what = task(3, 2)
    designs = [design(what, [4], batch_norm=normalized) for normalized in (True, False)]
    network = Network([d.layers for d in designs], [0, 0])
    network.buffer.initialize()
    parameters = {p.name: p for p in network.buffer.parameters}
    assert list(parameters["1.bias"].owners) == [False, True]
    assert list(parameters["1.gain"].owners) == [True, False]
    x = torch.randn(2, 8, 3, generator=torch.Generator().manual_seed(0))
    backward(network, designs[0].head, x, torch.ones(2, 8, 1))
    for name, without in (("1.bias", 0), ("1.gain", 1), ("1.shift", 1)):
        assert not parameters[name].gradient[without].any()
        assert not parameters[name].value[without].any()
        assert bool(parameters[name].gradient[1 - without].any())
    assert network.num_parameters(0) == 3 * 4 + 4 + 4 + 4 + 1
    assert network.num_parameters(1) == 3 * 4 + 4 + 4 + 1
    assert list(network.run_state(1)) == ["1.weight", "1.bias", "2.weight", "2.bias"]


def test_one_runs_gradient_does_not_depend_on_another_runs_parameters() -> None:
    what = task(3, 3)
    network = Network([design(what, [4], "tanh").layers] * 2, [0, 1])
    network.buffer.initialize()
    x = torch.randn(2, 8, 3, generator=torch.Generator().manual_seed(0))
    head, targets = design(what).head, (torch.arange(8) % 3).expand(2, 8)
    backward(network, head, x, targets)
    before = network.buffer.gradients.clone()
    with torch.no_grad():
        network.buffer.values[1] *= 2
    backward(network, head, x, targets)
    assert torch.equal(network.buffer.gradients[0], before[0])
    assert not torch.equal(network.buffer.gradients[1], before[1])

"""Batch norm against nn.BatchNorm1d, layer norm against nn.LayerNorm: values, gradients, bits."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from dlx.nn.normalization import BatchNorm, LayerNorm, Normalization, Position
from dlx.nn.parameters import ParameterBuffer
from dlx.nn.passes import Pass
from tests.cohorts import bits, differentiable

pytestmark = pytest.mark.usefixtures("one_thread")

UNITS = 5
LAYER = LayerNorm()
BEFORE = BatchNorm()
AFTER = BatchNorm(position="after", momentum=0.4, epsilon=1e-2)
LAYOUTS = {
    "all": [BEFORE] * 3,
    "mixed options": [BEFORE, BatchNorm(momentum=0.3, epsilon=0.1), BEFORE],
    "first and last have none": [None, BEFORE, AFTER, BEFORE, None],
    "ends have it": [BEFORE, None, AFTER, BEFORE],
    "one run": [AFTER],
}


def batch_norm(
    options: Sequence[BatchNorm | LayerNorm | None], dtype: torch.dtype = torch.float64
) -> Normalization:
    """Return a batch norm with gains and shifts that are not 1 and 0."""
    layer = Normalization("1", options, UNITS, dtype, torch.device("cpu"))
    ParameterBuffer([layer.gain, layer.shift], len(options), dtype).initialize()
    for run, option in enumerate(options):
        if option is not None:
            with torch.no_grad():
                layer.gain.value[run] = torch.linspace(0.5, 2, UNITS)
                layer.shift.value[run] = torch.linspace(-1, 1, UNITS)
    return layer


def reference(option: BatchNorm, dtype: torch.dtype = torch.float64) -> nn.BatchNorm1d:
    module = nn.BatchNorm1d(UNITS, eps=option.epsilon, momentum=option.momentum, dtype=dtype)
    with torch.no_grad():
        module.weight.copy_(torch.linspace(0.5, 2, UNITS))
        module.bias.copy_(torch.linspace(-1, 1, UNITS))
    return module


def batch(seed: int, num_runs: int, rows: int, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(num_runs, rows, UNITS, generator=generator, dtype=dtype) + 1


def apply(layer: Normalization, x: Tensor, position: Position, training: bool) -> Tensor:
    if not training:
        return layer.forward(x, position, Pass())
    pass_ = Pass(tape=[])

    def backward(dy: Tensor, x: Tensor, y: Tensor) -> Tensor:
        recorded = Pass(tape=list(pass_.tape or []))  # gradcheck comes more than once
        return layer.backward(dy, position, recorded)

    return differentiable(lambda x: layer.forward(x, position, pass_), backward)(x)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("position", ["before", "after"])
def test_batch_norm_is_torchs(layout: str, position: Position) -> None:
    options = LAYOUTS[layout]
    layer = batch_norm(options)
    modules = [reference(option) if option else None for option in options]
    for step, rows in enumerate([8, 8, 2, 50]):
        x = batch(step, len(options), rows).requires_grad_()
        upstream = batch(100 + step, len(options), rows)
        y = apply(layer, x, position, training=True)
        y.backward(upstream)
        assert x.grad is not None
        for run, (option, module) in enumerate(zip(options, modules, strict=True)):
            if option is None or module is None or option.position != position:
                assert torch.equal(y[run], x[run])
                assert torch.equal(x.grad[run], upstream[run])
                continue
            own = x[run].detach().requires_grad_()
            module.zero_grad()
            expected = module(own)
            expected.backward(upstream[run])
            assert own.grad is not None
            torch.testing.assert_close(y[run], expected, rtol=1e-12, atol=1e-12)
            torch.testing.assert_close(x.grad[run], own.grad, rtol=1e-10, atol=1e-12)
            torch.testing.assert_close(layer.gain.gradient[run], module.weight.grad)
            torch.testing.assert_close(layer.shift.gradient[run], module.bias.grad)
            torch.testing.assert_close(layer.running_mean[run], module.running_mean)
            torch.testing.assert_close(layer.running_variance[run], module.running_var)

    x = batch(9, len(options), 7)
    mean, variance = layer.running_mean.clone(), layer.running_variance.clone()
    y = apply(layer, x, position, training=False)
    assert torch.equal(layer.running_mean, mean)
    assert torch.equal(layer.running_variance, variance)
    for run, (option, module) in enumerate(zip(options, modules, strict=True)):
        if option is None or module is None or option.position != position:
            assert torch.equal(y[run], x[run])
        else:
            torch.testing.assert_close(y[run], module.eval()(x[run]), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("position", ["before", "after"])
def test_layer_norm_is_torchs(position: Position) -> None:
    options = [None, LayerNorm(), LayerNorm(position="after", epsilon=0.1), BEFORE, LayerNorm()]
    layer = batch_norm(options)
    for training in (True, False):
        x = batch(1, len(options), 7).requires_grad_()
        upstream = batch(2, len(options), 7)
        y = apply(layer, x, position, training)
        for run, option in enumerate(options):
            if not isinstance(option, LayerNorm) or option.position != position:
                continue
            module = nn.LayerNorm(UNITS, eps=option.epsilon, dtype=torch.float64)
            with torch.no_grad():
                module.weight.copy_(torch.linspace(0.5, 2, UNITS))
                module.bias.copy_(torch.linspace(-1, 1, UNITS))
            own = x[run].detach().requires_grad_()
            expected = module(own)
            torch.testing.assert_close(y[run], expected, rtol=1e-12, atol=1e-12)
            if training:
                y.backward(upstream, retain_graph=True)
                expected.backward(upstream[run])
                assert x.grad is not None and own.grad is not None
                torch.testing.assert_close(x.grad[run], own.grad, rtol=1e-10, atol=1e-12)
                torch.testing.assert_close(layer.gain.gradient[run], module.weight.grad)
                torch.testing.assert_close(layer.shift.gradient[run], module.bias.grad)
                x.grad = None


@pytest.mark.parametrize("option", [BEFORE, LayerNorm()])
def test_the_gradient_is_the_derivative(option: BatchNorm | LayerNorm) -> None:
    layer = batch_norm([option, option])
    x = batch(0, 2, 6).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: apply(layer, x, "before", training=True), (x,))


def test_single_precision_stays_near_torch() -> None:
    layer = batch_norm([BEFORE], torch.float32)
    x = batch(0, 1, 128, torch.float32) + 100  # a mean much larger than the deviation
    expected = reference(BEFORE, torch.float32)(x[0])
    torch.testing.assert_close(apply(layer, x, "before", True)[0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rows", [2, 4, 50, 128])
def test_bits_do_not_depend_on_the_other_runs(rows: int) -> None:
    options = [BEFORE, None, LAYER, LAYER, BEFORE, BEFORE, AFTER, LAYER]
    x = batch(0, len(options), rows, torch.float32).requires_grad_()
    upstream = batch(1, len(options), rows, torch.float32)
    together = batch_norm(options, torch.float32)
    y = apply(together, x, "before", training=True)
    y.backward(upstream)
    assert x.grad is not None
    for run, option in enumerate(options):
        alone = batch_norm([option], torch.float32)
        own = x[run : run + 1].detach().requires_grad_()
        single = apply(alone, own, "before", training=True)
        single.backward(upstream[run : run + 1])
        assert own.grad is not None
        assert torch.equal(bits(single[0].detach()), bits(y[run].detach()))
        assert torch.equal(bits(own.grad[0]), bits(x.grad[run]))
        assert torch.equal(bits(alone.running_variance[0]), bits(together.running_variance[run]))
        assert torch.equal(bits(alone.gain.gradient[0]), bits(together.gain.gradient[run]))

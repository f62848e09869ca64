"""Optimizers on slabs against torch.optim on separate networks."""

import inspect
from typing import Any

import pytest
import torch
from torch import Tensor

from dlx import registry
from dlx.config.types import Choice, choice
from dlx.errors import ConfigError
from dlx.optimizers import SlabOptimizer
from tests.cohorts import OPTIMIZERS, bits
from tests.torch_optimizers import CLASSES, STATE, torch_optimizer

pytestmark = pytest.mark.usefixtures("one_thread")

WIDTH = 48  # numbers of a run, a whole number of vectors as in the buffer
STEPS = 20
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in OPTIMIZERS),
    *((name, {"weight_decay": 0.1, "lr": 0.02}) for name in OPTIMIZERS),
    ("momentum", {"momentum": 0.5, "dampening": 0.5}),
    ("nesterov", {"momentum": 0.3}),
    ("adagrad", {"lr_decay": 0.1, "initial_accumulator_value": 0.2, "eps": 1e-3}),
    ("rmsprop", {"alpha": 0.99, "momentum": 0.9, "eps": 1e-3}),
    ("rmsprop", {"centered": True}),
    ("adadelta", {"rho": 0.5, "eps": 1e-3}),
    *(
        (name, {"betas": [0.5, 0.9], "eps": 1e-3})
        for name in ("adam", "adamw", "nadam", "radam", "adamax")
    ),
    ("nadam", {"momentum_decay": 0.1}),
]
NAMED = [pytest.param(name, options, id=f"{name} {options}") for name, options in VARIANTS]


def test_every_option_of_every_optimizer_is_varied() -> None:
    for name in OPTIMIZERS:
        varied = {option for other, options in VARIANTS if other == name for option in options}
        assert varied == set(registry.get("optimizer", name).options), name


def start(num_runs: int) -> tuple[Tensor, list[Tensor]]:
    """Return initial values (K, P) and the gradients of every step."""
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(num_runs, WIDTH, generator=generator)
    gradients = [torch.randn(num_runs, WIDTH, generator=generator) for _ in range(STEPS)]
    for gradient in gradients:
        gradient[:, -3:] = 0  # as in the padding
    values[:, -3:] = 0
    return values, gradients


class Separate:
    """The same optimizer of torch on one network alone."""

    def __init__(self, chosen: Choice, value: Tensor, **options: Any) -> None:
        self.value = value.clone().requires_grad_()
        if "fused" in inspect.signature(CLASSES[chosen.name][0]).parameters and not options:
            options = {"fused": True}
        self.optimizer = torch_optimizer(chosen, [self.value], **options)

    def step(self, gradient: Tensor) -> None:
        self.value.grad = gradient.clone()
        self.optimizer.step()


def run_slabs(
    chosen: list[Choice], values: Tensor, gradients: list[Tensor]
) -> tuple[Tensor, SlabOptimizer]:
    values, buffer = values.clone(), torch.zeros_like(values)
    slabs = SlabOptimizer(chosen, [STEPS] * len(chosen), values, buffer)
    for gradient in gradients:
        buffer.copy_(gradient)
        slabs.step()
    return values, slabs


@pytest.mark.parametrize(("name", "options"), NAMED)
def test_a_slab_is_as_good_as_separate_networks(name: str, options: dict[str, Any]) -> None:
    chosen = [choice("optimizer", name, **options)] * 3
    values, gradients = start(3)
    together, _ = run_slabs(chosen, values, gradients)
    for run in range(3):
        separate = Separate(chosen[run], values[run])
        looped = Separate(chosen[run], values[run], foreach=False)
        for gradient in gradients:
            separate.step(gradient[run])
            looped.step(gradient[run])
        assert torch.equal(bits(together[run]), bits(separate.value.detach()))
        torch.testing.assert_close(together[run], looped.value.detach(), rtol=1e-4, atol=1e-6)
        assert not torch.equal(together[run, :-3], values[run, :-3])
        assert not together[run, -3:].any()


def test_a_mixed_buffer_is_as_good_as_separate_networks() -> None:
    chosen = [choice("optimizer", name, **options) for name, options in VARIANTS]
    values, gradients = start(len(chosen))
    together, _ = run_slabs(chosen, values, gradients)
    for run, own in enumerate(chosen):
        separate = Separate(own, values[run])
        for gradient in gradients:
            separate.step(gradient[run])
        assert torch.equal(bits(together[run]), bits(separate.value.detach()))


@pytest.mark.parametrize("kept", [[0, 1], [1], [1, 2, 4], [2, 3], [0, 2, 4]])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_taken_over_is_that_of_separate_networks(name: str, kept: list[int]) -> None:
    other = choice("optimizer", "rmsprop" if name != "rmsprop" else "adam")
    chosen = [choice("optimizer", name)] * 2 + [other] + [choice("optimizer", name)] * 2
    values, gradients = start(5)
    half = STEPS // 2
    after, slabs = run_slabs(chosen, values, gradients[:half])
    # Two parameters of 16 and 32 numbers change places.
    columns = [(slice(0, 16), slice(32, 48)), (slice(16, 48), slice(0, 32))]
    turned = torch.cat([torch.arange(16, 48), torch.arange(16)])
    moved = after[kept][:, turned].clone()
    buffer = torch.zeros_like(moved)
    fewer = SlabOptimizer([chosen[row] for row in kept], [STEPS] * len(kept), moved, buffer)
    fewer.take_state(slabs, kept, columns)
    for gradient in gradients[half:]:
        buffer.copy_(gradient[kept][:, turned])
        fewer.step()

    separates = [Separate(chosen[row], values[row]) for row in kept]
    for row, separate in zip(kept, separates, strict=True):
        for gradient in gradients:
            separate.step(gradient[row])
    for place, separate in enumerate(separates):
        expected = separate.value.detach()[turned]
        assert torch.equal(bits(moved[place]), bits(expected))
    states = {
        (slab.rows.start + index): {
            STATE[key]: value[index] if value.dim() == 2 else value
            for key, value in slab.state.items()
            if value is not None
        }
        for slab in fewer._slabs
        for index in range(slab.rows.stop - slab.rows.start)
    }
    for place, separate in enumerate(separates):
        own = separate.optimizer.state[separate.value]
        assert set(states[place]) == {k for k, v in own.items() if isinstance(v, Tensor)}
        for key, value in states[place].items():
            expected = own[key][turned] if own[key].dim() else own[key]
            assert torch.equal(bits(value), bits(expected)), key


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_saved_and_loaded_goes_on_to_the_same_bits(name: str) -> None:
    chosen = [choice("optimizer", name)] * 2 + [choice("optimizer", "adam", lr=0.5)]
    values, gradients = start(3)
    whole, _ = run_slabs(chosen, values, gradients)
    half, slabs = run_slabs(chosen, values, gradients[: STEPS // 2])
    buffer = torch.zeros_like(half)
    resumed = SlabOptimizer(chosen, [STEPS] * 3, half, buffer)
    resumed.load_state({key: value.clone() for key, value in slabs.state().items()})
    for gradient in gradients[STEPS // 2 :]:
        buffer.copy_(gradient)
        resumed.step()
    assert torch.equal(bits(half), bits(whole))


def test_rates_are_each_slabs_own_times_its_factor() -> None:
    chosen = [choice("optimizer", "sgd", lr=0.1)] * 2 + [choice("optimizer", "adam", lr=0.01)]
    values = torch.zeros(3, WIDTH)
    slabs = SlabOptimizer(chosen, [STEPS] * 3, values, torch.ones_like(values))
    assert slabs.rates(3) == [0.1, 0.1, 0.01]
    slabs.set_rates([0.5, 2.0])
    assert slabs.rates(3) == [0.05, 0.05, 0.02]
    slabs.step()
    torch.testing.assert_close(values[:2], torch.full((2, WIDTH), -0.05))
    torch.testing.assert_close(values[2], torch.full((WIDTH,), -0.02))
    slabs.set_rates([1.0, 1.0])
    assert slabs.rates(3) == [0.1, 0.1, 0.01]


def test_runs_of_other_lengths_are_slabs_of_their_own() -> None:
    chosen = [choice("optimizer", "sgd", schedule="cosine")] * 3
    values = torch.zeros(3, WIDTH)
    slabs = SlabOptimizer(chosen, [10, 10, 20], values, torch.zeros_like(values))
    assert slabs.slabs == [(chosen[0], 10), (chosen[0], 20)]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_formula_of_the_docstring_holds_for_one_step(name: str) -> None:
    value, gradient = torch.full((1, 16), 0.5), torch.full((1, 16), -0.25)
    after, _ = run_slabs([choice("optimizer", name, weight_decay=0.0)], value, [gradient])
    lr = choice("optimizer", name).lr
    # From rest, all the adaptive ones step by about lr against the sign of the gradient.
    steps = {
        "sgd": -lr * -0.25,
        "momentum": -lr * -0.25,
        "nesterov": -lr * -0.25 * 1.9,
        "adagrad": lr,
        "rmsprop": lr * 0.25 / (0.1**0.5 * 0.25),
        "adadelta": 0.25 * (1e-6 / (0.1 * 0.25**2 + 1e-6)) ** 0.5,
        "adam": lr,
        "adamw": lr,
        "nadam": None,
        "radam": lr * 0.25,
        "adamax": lr,
    }
    if name == "nadam":
        mu = [0.9 * (1 - 0.5 * 0.96 ** (t * 0.004)) for t in (1, 2)]
        mean = (1 - mu[0]) / (1 - mu[0]) * -0.25 + mu[1] * 0.1 * -0.25 / (1 - mu[0] * mu[1])
        steps["nadam"] = -lr * mean / 0.25
    expected = torch.full((1, 16), 0.5 + float(steps[name] or 0))
    torch.testing.assert_close(after, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    "options", [{"lr": 0.0}, {"lr": -1.0}, {"betas": [0.9]}, {"betas": [1, 0]}]
)
def test_impossible_settings_are_config_errors(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="optimizer adam: "):
        choice("optimizer", "adam", **options)

"""Optimizers on slabs against torch.optim on separate networks."""

from typing import Any

import pytest
import torch
from torch import Tensor

from dlx import registry
from dlx.config.types import Choice, choice
from dlx.errors import ConfigError
from dlx.nn.parameters import Parameter, ParameterBuffer
from dlx.optimizers import SlabOptimizer
from dlx.optimizers.rule import momentum_name
from tests.cohorts import OPTIMIZERS, bits
from tests.torch_optimizers import STATE, can_be_fused, torch_optimizer

pytestmark = pytest.mark.usefixtures("one_thread")

INPUTS, OUTPUTS = 4, 8
WEIGHTS = slice(0, 32)
WIDTH = 48  # numbers of a run, a whole number of vectors as in the buffer
ELEMENTWISE = [name for name in OPTIMIZERS if not choice("optimizer", name)().shaped]
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
    ("lion", {"betas": [0.5, 0.9]}),
    ("muon", {"momentum": 0.5, "nesterov": False, "betas": [0.5, 0.9], "eps": 1e-3}),
    ("muon", {"scale": "original"}),
]
NAMED = [pytest.param(name, options, id=f"{name} {options}") for name, options in VARIANTS]


def test_every_option_of_every_optimizer_is_varied() -> None:
    for name in OPTIMIZERS:
        varied = {option for other, options in VARIANTS if other == name for option in options}
        assert varied == set(registry.get("optimizer", name).options), name


def buffer_of(values: Tensor) -> ParameterBuffer:
    """Return a buffer of a weight and a bias with these values (K, P)."""
    owners = [True] * len(values)
    weight = Parameter("1.weight", (INPUTS, OUTPUTS), owners, lambda run: values[run])
    bias = Parameter("1.bias", (13,), owners, lambda run: values[run])
    buffer = ParameterBuffer([bias, weight], len(values))
    buffer.values.copy_(values)
    return buffer


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
        self.exact = not chosen().shaped and chosen.decay == "all"
        self.parameters = [part.clone().requires_grad_() for part in self._parts(value)]
        if can_be_fused(chosen) and not options:
            options = {"fused": True}
        self.optimizer = torch_optimizer(chosen, self.parameters, **options)

    def _parts(self, row: Tensor) -> list[Tensor]:
        """Return a row as torch has it: a matrix (O, I) and a vector, where that matters."""
        if self.exact:
            return [row]
        return [row[WEIGHTS].view(INPUTS, OUTPUTS).T, row[WEIGHTS.stop :]]

    @property
    def value(self) -> Tensor:
        parts = [parameter.detach() for parameter in self.parameters]
        return parts[0] if self.exact else torch.cat([parts[0].T.flatten(), parts[1]])

    def step(self, gradient: Tensor) -> None:
        for parameter, part in zip(self.parameters, self._parts(gradient), strict=True):
            parameter.grad = part.clone()
        self.optimizer.step()

    def assert_like(self, row: Tensor) -> None:
        """A row of the buffer is this network: to the bit, where torch does it in the same way."""
        if self.exact:
            assert torch.equal(bits(row), bits(self.value))
        torch.testing.assert_close(row, self.value, rtol=1e-4, atol=1e-5)


def run_slabs(
    chosen: list[Choice], values: Tensor, gradients: list[Tensor]
) -> tuple[Tensor, SlabOptimizer]:
    buffer = buffer_of(values)
    slabs = SlabOptimizer(chosen, [STEPS] * len(chosen), buffer)
    for gradient in gradients:
        buffer.gradients.copy_(gradient)
        slabs.step()
    return buffer.values, slabs


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
        separate.assert_like(together[run])
        torch.testing.assert_close(together[run], looped.value, rtol=1e-4, atol=1e-5)
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
        separate.assert_like(together[run])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weight_decay_of_weights_alone_is_that_of_two_parameter_groups(name: str) -> None:
    chosen = choice("optimizer", name, weight_decay=0.3, decay="weights")
    values, gradients = start(2)
    together, _ = run_slabs([chosen] * 2, values, gradients)
    for run in range(2):
        separate = Separate(chosen, values[run])
        for gradient in gradients:
            separate.step(gradient[run])
        separate.assert_like(together[run])
    everything = choice("optimizer", name, weight_decay=0.3, decay="all")
    nothing = choice("optimizer", name, weight_decay=0.0)
    all_decayed, _ = run_slabs([everything] * 2, values, gradients)
    undecayed, _ = run_slabs([nothing] * 2, values, gradients)
    vectors = slice(WEIGHTS.stop, WIDTH)
    torch.testing.assert_close(together[:, WEIGHTS], all_decayed[:, WEIGHTS])
    torch.testing.assert_close(together[:, vectors], undecayed[:, vectors])
    assert not torch.allclose(together[:, vectors], all_decayed[:, vectors])


def test_weight_decay_leaves_the_gradient_for_the_log() -> None:
    values, gradients = start(1)
    buffer = buffer_of(values)
    buffer.gradients.copy_(gradients[0])
    chosen = choice("optimizer", "sgd", weight_decay=0.3, decay="weights")
    SlabOptimizer([chosen], [STEPS], buffer).step()
    assert torch.equal(buffer.gradients, gradients[0])


@pytest.mark.parametrize("kept", [[0, 1], [1], [1, 2, 4], [2, 3], [0, 2, 4]])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_taken_over_is_that_of_separate_networks(name: str, kept: list[int]) -> None:
    other = choice("optimizer", "rmsprop" if name != "rmsprop" else "adam")
    chosen = [choice("optimizer", name)] * 2 + [other] + [choice("optimizer", name)] * 2
    values, gradients = start(5)
    half = STEPS // 2
    after, slabs = run_slabs(chosen, values, gradients[:half])
    # The buffer after has no place for a run's parameter that the one before had.
    wide = torch.cat([after[:, WEIGHTS], after.new_zeros(5, 16), after[:, WEIGHTS.stop :]], 1)
    for slab in slabs._slabs:
        for key, value in slab.state.items():
            if value is not None and value.dim() == 2:
                between = value.new_zeros(len(value), 16)
                parts = [value[:, WEIGHTS], between, value[:, WEIGHTS.stop :]]
                slab.state[key] = torch.cat(parts, 1)
    columns = [(WEIGHTS, WEIGHTS), (slice(48, 64), slice(32, 48))]
    kept_columns = [*range(32), *range(48, 64)]
    buffer = buffer_of(wide[kept][:, kept_columns])
    fewer = SlabOptimizer([chosen[row] for row in kept], [STEPS] * len(kept), buffer)
    fewer.take_state(slabs, kept, columns)
    for gradient in gradients[half:]:
        buffer.gradients.copy_(gradient[kept])
        fewer.step()

    separates = [Separate(chosen[row], values[row]) for row in kept]
    for row, separate in zip(kept, separates, strict=True):
        for gradient in gradients:
            separate.step(gradient[row])
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
        separate.assert_like(buffer.values[place])
        if not separate.exact:
            continue
        own = separate.optimizer.state[separate.parameters[0]]
        assert set(states[place]) == {k for k, v in own.items() if isinstance(v, Tensor)}
        for key, value in states[place].items():
            assert torch.equal(bits(value), bits(own[key])), key


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_saved_and_loaded_goes_on_to_the_same_bits(name: str) -> None:
    chosen = [choice("optimizer", name)] * 2 + [choice("optimizer", "adam", lr=0.5)]
    values, gradients = start(3)
    whole, _ = run_slabs(chosen, values, gradients)
    half, slabs = run_slabs(chosen, values, gradients[: STEPS // 2])
    buffer = buffer_of(half)
    resumed = SlabOptimizer(chosen, [STEPS] * 3, buffer)
    resumed.load_state({key: value.clone() for key, value in slabs.state().items()})
    for gradient in gradients[STEPS // 2 :]:
        buffer.gradients.copy_(gradient)
        resumed.step()
    assert torch.equal(bits(buffer.values), bits(whole))


def test_rates_are_each_slabs_own_times_its_factor() -> None:
    chosen = [choice("optimizer", "sgd", lr=0.1)] * 2 + [choice("optimizer", "adam", lr=0.01)]
    buffer = buffer_of(torch.zeros(3, WIDTH))
    buffer.gradients.fill_(1)
    slabs = SlabOptimizer(chosen, [STEPS] * 3, buffer)
    assert slabs.rates == [0.1, 0.1, 0.01]
    slabs.set_rates([0.5, 2.0])
    assert slabs.rates == [0.05, 0.05, 0.02]
    slabs.step()
    torch.testing.assert_close(buffer.values[:2], torch.full((2, WIDTH), -0.05))
    torch.testing.assert_close(buffer.values[2], torch.full((WIDTH,), -0.02))
    slabs.set_rates([1.0, 1.0])
    assert slabs.rates == [0.1, 0.1, 0.01]


MOMENTA = [name for name in OPTIMIZERS if momentum_name(choice("optimizer", name))]


@pytest.mark.parametrize("name", MOMENTA)
def test_a_momentum_that_changes_is_that_of_torchs_group(name: str) -> None:
    chosen = choice("optimizer", name)
    values, gradients = start(2)
    buffer = buffer_of(values)
    slabs = SlabOptimizer([chosen] * 2, [STEPS] * 2, buffer)
    separate = Separate(chosen, values[1])
    key = "momentum" if momentum_name(chosen) == "momentum" else "betas"
    for step, gradient in enumerate(gradients):
        momentum = 0.5 + step / 50
        for group in separate.optimizer.param_groups:
            group[key] = momentum if key == "momentum" else (momentum, *group[key][1:])
        if name == "muon":
            separate.optimizer.momentum = momentum  # type: ignore[attr-defined]
        separate.step(gradient[1])
        buffer.gradients.copy_(gradient)
        slabs.set_momenta([momentum])
        slabs.step()
    separate.assert_like(buffer.values[1])
    constant, _ = run_slabs([chosen] * 2, values, gradients)
    assert not torch.equal(buffer.values, constant)


def test_optimizers_without_momentum_have_none_to_change() -> None:
    assert set(OPTIMIZERS) - set(MOMENTA) == {"sgd", "adagrad", "rmsprop", "adadelta"}
    assert momentum_name(choice("optimizer", "rmsprop", momentum=0.9)) == "momentum"


def test_runs_of_other_lengths_are_slabs_of_their_own() -> None:
    chosen = [choice("optimizer", "sgd", schedule="cosine")] * 3
    slabs = SlabOptimizer(chosen, [10, 10, 20], buffer_of(torch.zeros(3, WIDTH)))
    assert slabs.slabs == [(chosen[0], 10), (chosen[0], 20)]


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_the_formula_of_the_docstring_holds_for_one_step(name: str) -> None:
    value, gradient = torch.full((1, WIDTH), 0.5), torch.full((1, WIDTH), -0.25)
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
        "lion": lr,
    }
    if name == "nadam":
        mu = [0.9 * (1 - 0.5 * 0.96 ** (t * 0.004)) for t in (1, 2)]
        mean = (1 - mu[0]) / (1 - mu[0]) * -0.25 + mu[1] * 0.1 * -0.25 / (1 - mu[0] * mu[1])
        steps["nadam"] = -lr * mean / 0.25
    expected = torch.full((1, WIDTH), 0.5 + float(steps[name] or 0))
    torch.testing.assert_close(after, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    "options", [{"lr": 0.0}, {"lr": -1.0}, {"betas": [0.9]}, {"betas": [1, 0]}]
)
def test_impossible_settings_are_config_errors(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="optimizer adam: "):
        choice("optimizer", "adam", **options)

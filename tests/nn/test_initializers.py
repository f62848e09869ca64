"""Initial weights: their moments against the formulas, their ranges, their streams."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from dlx import registry
from dlx.config.types import choice
from dlx.nn.initializers import draw
from tests.cohorts import INITIALIZERS

# Var(W) of I inputs and O outputs, with the defaults of the options.
VARIANCES: dict[str, Callable[[int, int], float]] = {
    "zeros": lambda i, o: 0.0,
    "constant": lambda i, o: 0.0,
    "uniform": lambda i, o: 0.1**2 / 12,
    "normal": lambda i, o: 0.01**2,
    # A standard normal cut at +-2 has the variance 1 - 4 phi(2) / (2 Phi(2) - 1).
    "truncated_normal": lambda i, o: (
        0.01**2 * (1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(2)))
    ),
    "xavier_uniform": lambda i, o: 2 / (i + o),
    "xavier_normal": lambda i, o: 2 / (i + o),
    "he_uniform": lambda i, o: 2 / i,
    "he_normal": lambda i, o: 2 / i,
    "lecun_uniform": lambda i, o: 1 / i,
    "lecun_normal": lambda i, o: 1 / i,
    "orthogonal": lambda i, o: 1 / max(i, o),
    "torch_default": lambda i, o: 1 / (3 * i),
}
# Bounds of |W| as multiples of the standard deviation.
BOUNDS = {"uniform": math.sqrt(3), "truncated_normal": 2 / math.sqrt(0.7737413)}
SHAPES = [(300, 200), (200, 300)]


def weight(name: str, num_inputs: int, num_outputs: int, **options: float) -> Tensor:
    return draw(choice("initializer", name, **options), 0, "1", num_inputs, num_outputs)[0]


def test_every_initializer_has_a_formula_here() -> None:
    assert set(VARIANCES) == set(INITIALIZERS)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", INITIALIZERS)
def test_mean_and_variance_follow_the_formula(name: str, shape: tuple[int, int]) -> None:
    w = weight(name, *shape).double()
    assert w.shape == shape
    variance = VARIANCES[name](*shape)
    expected_mean = 0.5 if name == "constant" else 0.0
    # Five standard errors of the mean of w.numel() draws; of the variance with kurtosis 3.
    assert abs(float(w.mean()) - expected_mean) <= 5 * math.sqrt(variance / w.numel())
    error = 5 * variance * math.sqrt(2 / w.numel())
    assert abs(float(w.var(correction=0)) - variance) <= error


@pytest.mark.parametrize("name", INITIALIZERS)
def test_the_docstring_states_the_variance(name: str) -> None:
    documentation = registry.get("initializer", name).function.__doc__ or ""
    assert "Var(W) = " in documentation or name == "constant"


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "name",
    [n for n in INITIALIZERS if "uniform" in n or n in ("truncated_normal", "torch_default")],
)
def test_bounded_initializers_fill_their_range_and_no_more(
    name: str, shape: tuple[int, int]
) -> None:
    family = "truncated_normal" if name == "truncated_normal" else "uniform"
    bound = BOUNDS[family] * math.sqrt(VARIANCES[name](*shape))
    largest = float(weight(name, *shape).abs().max())
    assert 0.999 * bound < largest <= bound * (1 + 1e-6)


@pytest.mark.parametrize("name", ["normal", "xavier_normal", "he_normal", "lecun_normal"])
def test_normal_initializers_have_normal_tails(name: str) -> None:
    w = weight(name, 300, 200).double()
    normalized = w / math.sqrt(VARIANCES[name](300, 200))
    kurtosis = float(normalized.pow(4).mean())
    assert abs(kurtosis - 3) <= 5 * math.sqrt(96 / w.numel())


@pytest.mark.parametrize("shape", [(7, 4), (4, 7), (5, 5), (1, 6), (6, 1)])
def test_orthogonal_weights_keep_lengths(shape: tuple[int, int]) -> None:
    w = weight("orthogonal", *shape, gain=2.0)
    product = w.T @ w if shape[0] >= shape[1] else w @ w.T
    torch.testing.assert_close(product, 4 * torch.eye(min(shape)))


@pytest.mark.parametrize(
    ("name", "options", "factor"),
    [
        ("xavier_uniform", {"gain": 3.0}, 3),
        ("xavier_normal", {"gain": 3.0}, 3),
        ("orthogonal", {"gain": 3.0}, 3),
        ("he_uniform", {"negative_slope": 2.0}, 1 / math.sqrt(5)),
        ("he_normal", {"negative_slope": 2.0}, 1 / math.sqrt(5)),
        ("normal", {"std": 0.03}, 3),
        ("uniform", {"low": -0.15, "high": 0.15}, 3),
        ("truncated_normal", {"std": 0.03}, 3),
        ("constant", {"value": -1.5}, -3),
    ],
)
def test_options_scale_the_same_draw(name: str, options: dict[str, float], factor: float) -> None:
    torch.testing.assert_close(weight(name, 20, 30, **options), factor * weight(name, 20, 30))


def test_every_scaling_option_is_tested() -> None:
    optional = {n for n in INITIALIZERS if registry.get("initializer", n).options}
    assert optional == {
        *("xavier_uniform", "xavier_normal", "orthogonal", "he_uniform", "he_normal"),
        *("normal", "uniform", "truncated_normal", "constant"),
    }


def test_normal_moves_by_its_mean() -> None:
    moved = weight("normal", 20, 30, mean=2.0)
    torch.testing.assert_close(moved, weight("normal", 20, 30) + 2)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_a_draw_depends_on_seed_and_layer_alone(name: str) -> None:
    init = choice("initializer", name)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = draw(init, 3, "2", 20, 30)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    again = draw(init, 3, "2", 20, 30)
    assert all(torch.equal(mine, other) for mine, other in zip(first, again, strict=True))
    random = VARIANCES[name](20, 30) > 0
    for seed, layer in ((4, "2"), (3, "1")):
        other = draw(init, seed, layer, 20, 30)[0]
        assert torch.equal(first[0], other) != random


@pytest.mark.parametrize("name", INITIALIZERS)
def test_biases_start_at_zero_but_for_torchs_own(name: str) -> None:
    bias = draw(choice("initializer", name), 0, "1", 25, 2000)[1]
    assert bias.shape == (1, 2000)
    if name == "torch_default":
        assert 0.99 / 5 < float(bias.abs().max()) <= 1 / 5
        assert abs(float(bias.mean())) < 5 * math.sqrt(1 / 75 / 2000)
        # Not the numbers of the weights over again.
        first = weight(name, 25, 2000).T.flatten()[:2000]
        assert not torch.equal(bias[0], first)
    else:
        assert not bias.any()


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("xavier_uniform", torch.nn.init.xavier_uniform_),
        ("he_normal", torch.nn.init.kaiming_normal_),
    ],
)
def test_fan_in_and_fan_out_are_not_confused(name: str, function: Callable[..., Tensor]) -> None:
    w = weight(name, 50, 400).double()
    linear = torch.nn.Linear(50, 400)
    function(linear.weight, generator=torch.Generator().manual_seed(0))
    expected = float(linear.weight.detach().double().std())
    assert abs(float(w.std()) / expected - 1) < 0.03

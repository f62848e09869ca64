"""Initial weights: their moments against the formulas, their ranges, their streams."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from dlx import registry
from dlx.config.types import choice
from dlx.data.batches import Batches
from dlx.errors import ConfigError
from dlx.nn.initializers import bias_initializer, draw_bias, draw_weight
from dlx.nn.layers.dense import Dense, DenseSpec
from tests.cohorts import INITIALIZERS, design, member, rows, task, trainer_of

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
    "lsuv": lambda i, o: 1 / max(i, o),
    "sparse": lambda i, o: 0.1,
    "identity": lambda i, o: 1 / max(i, o) * (1 - 1 / max(i, o)),
    "torch_default": lambda i, o: 1 / (3 * i),
}
# Bounds of |W| as multiples of the standard deviation.
BOUNDS = {"uniform": math.sqrt(3), "truncated_normal": 2 / math.sqrt(0.7737413)}
SHAPES = [(300, 200), (200, 300)]


MEANS: dict[str, Callable[[int, int], float]] = {
    "constant": lambda i, o: 0.5,
    "identity": lambda i, o: 1 / max(i, o),
}
KURTOSIS = {"sparse": 30}  # else at most the normal's 3


def weight(name: str, num_inputs: int, num_outputs: int, **options: float) -> Tensor:
    init = choice("initializer", name, **options)
    return draw_weight(init, 0, "1", num_inputs, num_outputs)


def bias(name: str, num_outputs: int, weight_init: str = "normal", **options: float) -> Tensor:
    init = choice("initializer", name, **options)
    chosen = bias_initializer(init, choice("initializer", weight_init))
    return draw_bias(chosen, choice("initializer", weight_init), 0, "1", 25, num_outputs)


def test_every_initializer_has_a_formula_here() -> None:
    assert set(VARIANCES) == set(INITIALIZERS)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", INITIALIZERS)
def test_mean_and_variance_follow_the_formula(name: str, shape: tuple[int, int]) -> None:
    w = weight(name, *shape).double()
    assert w.shape == shape
    variance = VARIANCES[name](*shape)
    expected_mean = MEANS.get(name, lambda i, o: 0.0)(*shape)
    # Five standard errors of the mean of w.numel() draws, and of their variance; and rounding.
    assert abs(float(w.mean()) - expected_mean) <= 5 * math.sqrt(variance / w.numel()) + 1e-9
    error = 5 * variance * math.sqrt((KURTOSIS.get(name, 3) - 1) / w.numel()) + 1e-9
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
        ("uniform", {"low": 0.15, "high": -0.15}, 3),
        ("truncated_normal", {"std": 0.03}, 3),
        ("constant", {"value": -1.5}, -3),
        ("sparse", {"std": 3.0}, 3),
        ("identity", {"gain": 3.0}, 3),
    ],
)
def test_options_scale_the_same_draw(name: str, options: dict[str, float], factor: float) -> None:
    torch.testing.assert_close(weight(name, 20, 30, **options), factor * weight(name, 20, 30))


def test_every_scaling_option_is_tested() -> None:
    optional = {n for n in INITIALIZERS if registry.get("initializer", n).options}
    assert optional - {"lsuv"} == {
        *("xavier_uniform", "xavier_normal", "orthogonal", "he_uniform", "he_normal"),
        *("normal", "uniform", "truncated_normal", "constant"),
        *("sparse", "identity"),
    }


def test_normal_moves_by_its_mean() -> None:
    moved = weight("normal", 20, 30, mean=2.0)
    torch.testing.assert_close(moved, weight("normal", 20, 30) + 2)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_a_draw_depends_on_seed_and_layer_alone(name: str) -> None:
    init = choice("initializer", name)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = draw_weight(init, 3, "2", 20, 30)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(draw_weight(init, 3, "2", 20, 30), first)
    random = VARIANCES[name](20, 30) > 0 and name != "identity"
    for seed, layer in ((4, "2"), (3, "1")):
        assert torch.equal(first, draw_weight(init, seed, layer, 20, 30)) != random


@pytest.mark.parametrize("name", INITIALIZERS)
def test_biases_start_at_zero_but_for_torchs_own(name: str) -> None:
    init = choice("initializer", name)
    drawn = draw_bias(bias_initializer(None, init), init, 0, "1", 25, 2000)
    assert drawn.shape == (1, 2000)
    if name == "torch_default":
        assert 0.99 / 5 < float(drawn.abs().max()) <= 1 / 5
        assert abs(float(drawn.mean())) < 5 * math.sqrt(1 / 75 / 2000)
        # Not the numbers of the weights over again.
        first = weight(name, 25, 2000).T.flatten()[:2000]
        assert not torch.equal(drawn[0], first)
    else:
        assert not drawn.any()


def test_a_bias_has_an_initializer_of_its_own() -> None:
    assert bias("constant", 4, value=0.1).tolist() == [pytest.approx([0.1] * 4)]
    assert not bias("zeros", 4, "torch_default").any()
    drawn = bias("normal", 2000, std=2.0)
    assert abs(float(drawn.std()) - 2) < 5 * 2 / math.sqrt(2 * 2000)
    assert 0.99 / 5 < float(bias("torch_default", 2000).abs().max()) <= 1 / 5
    with pytest.raises(
        ConfigError, match=r"model\.bias: received he_normal, which needs a matrix; allowed: zeros,"
    ):
        bias("he_normal", 4)


def test_sparse_leaves_each_unit_the_same_number_of_inputs() -> None:
    assert (weight("sparse", 40, 30, sparsity=0.8) != 0).sum(0).tolist() == [8] * 30


def test_identity_hands_the_inputs_on() -> None:
    assert torch.equal(weight("identity", 3, 5), torch.eye(3, 5))


def test_values_are_as_written() -> None:
    init = choice("initializer", "values", weights=[[1, 2, 3], [4, 5, 6]], biases=[-1.5, 0.5])
    assert draw_weight(init, 0, "1", 3, 2).tolist() == [[1, 4], [2, 5], [3, 6]]
    assert draw_bias(bias_initializer(None, init), init, 0, "1", 3, 2).tolist() == [[-1.5, 0.5]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": [[1, 2, 3]]}, r"layer 1 has 2 units of 3 inputs; .* \(received 1 rows of 3\)"),
        ({"weights": [[1, 2], [1, 2, 3]]}, r"\(received 2 rows of 2 or 3\)"),
        ({"weights": []}, r"\(received 0 rows of none\)|received none"),
        (
            {"weights": [[1, 2, 3], [4, 5, 6]], "biases": [1]},
            r"layer 1 has 2 units; give as many biases \(received 1\)",
        ),
    ],
)
def test_values_of_another_shape_are_an_error(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DenseSpec(
            name="1",
            inputs=3,
            outputs=2,
            activation=choice("activation", "step"),
            init=choice("initializer", "values", **options),
        )


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_lsuv_gives_every_layer_unit_variance_on_the_first_batch(activation: str) -> None:
    what = task(20, 3)
    inputs, targets = rows(what, 500)
    network = design(what, [30] * 10, activation, "lsuv")
    cohort = trainer_of([member("run", network, seed=3)], 5 * inputs, targets, 100).cohort
    batch = Batches(5 * inputs, targets, [3], 100)(0)[0]
    x = batch
    for layer in cohort.network.layers:
        assert isinstance(layer, Dense)
        z = x @ layer.parameters[0].value
        assert abs(float(z.var(correction=0)) - 1) < 0.01
        x = layer.activation.forward(z)
        weights = layer.parameters[0].value[0]
        gram = weights.T @ weights if weights.shape[0] >= weights.shape[1] else weights @ weights.T
        scale = gram.diagonal().mean()
        torch.testing.assert_close(gram / scale, torch.eye(len(gram)), atol=1e-5, rtol=0)


def test_lsuv_leaves_inputs_that_are_all_the_same_alone() -> None:
    what = task(4, 3)
    network = design(what, [5], "relu", "lsuv")
    trainer = trainer_of([member("run", network)], torch.zeros(8, 4), torch.arange(8) % 3, 8)
    assert all(value.isfinite().all() for value in trainer.cohort.network.state().values())


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

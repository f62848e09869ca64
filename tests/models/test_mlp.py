"""The multilayer perceptron's layers from its options."""

from typing import Any

import pytest

from dlx.config.types import choice
from dlx.errors import ConfigError
from dlx.models.mlp import BatchNorm, mlp
from tests.cohorts import design, dropout_rates, task


def test_widths_go_from_the_inputs_to_the_classes() -> None:
    layers = design(task(7, 3), [5, 4]).layers
    assert [(layer.name, layer.inputs, layer.outputs) for layer in layers] == [
        ("1", 7, 5),
        ("2", 5, 4),
        ("3", 4, 3),
    ]


@pytest.mark.parametrize(("num_classes", "outputs"), [(2, 1), (3, 3), (0, 2)])
def test_no_hidden_layer_is_one_affine_map(num_classes: int, outputs: int) -> None:
    (layer,) = design(task(7, num_classes), []).layers
    assert (layer.inputs, layer.outputs) == (7, outputs)
    assert layer.activation.name == "identity"


def test_one_activation_per_layer() -> None:
    activations = [choice("activation", "tanh"), choice("activation", "elu", alpha=2.0)]
    built = mlp(
        task(2, 2), hidden=[3, 4], activation=activations, init=choice("initializer", "zeros")
    )
    assert [layer.activation.name for layer in built.layers] == ["tanh", "elu", "identity"]
    assert built.layers[1].activation.alpha == 2.0


def test_another_number_of_activations_than_layers_is_an_error() -> None:
    with pytest.raises(
        ConfigError, match=r"model\.activation: received 1 activations for 2 hidden layers; give"
    ):
        mlp(
            task(2, 2),
            hidden=[3, 4],
            activation=[choice("activation", "tanh")],
            init=choice("initializer", "zeros"),
        )


def test_one_initializer_per_layer() -> None:
    inits = [choice("initializer", name) for name in ("orthogonal", "sparse", "zeros")]
    options = {"activation": choice("activation", "tanh"), "bias": choice("initializer", "normal")}
    built = mlp(task(2, 2), hidden=[3, 4], init=inits, **options)
    assert [layer.init.name for layer in built.layers] == ["orthogonal", "sparse", "zeros"]
    assert [layer.bias.name for layer in built.layers] == ["normal"] * 3
    with pytest.raises(
        ConfigError,
        match=r"model\.init: received 3 initializers for 1 hidden layers and the output",
    ):
        mlp(task(2, 2), hidden=[3], init=inits, **options)


@pytest.mark.parametrize(
    ("given", "inputs", "outputs"),
    [
        (0.0, 0.0, [0.0, 0.0, 0.0]),
        (0.5, 0.0, [0.5, 0.5, 0.0]),
        (dropout_rates(input=0.2), 0.2, [0.0, 0.0, 0.0]),
        (dropout_rates(input=0.2, hidden=0.3), 0.2, [0.3, 0.3, 0.0]),
    ],
)
def test_dropout_is_on_inputs_and_hidden_layers_only(
    given: Any, inputs: float, outputs: list[float]
) -> None:
    built = design(task(7, 3), [5, 4], dropout=given)
    assert built.inputs.dropout == inputs
    assert [layer.dropout for layer in built.layers] == outputs


@pytest.mark.parametrize(
    ("given", "options"),
    [
        (False, None),
        (True, BatchNorm(position="before", momentum=0.1, epsilon=1e-5)),
        (
            BatchNorm(position="after", momentum=0.5),
            BatchNorm(position="after", momentum=0.5, epsilon=1e-5),
        ),
    ],
)
def test_batch_norm_is_on_hidden_layers_only(given: Any, options: BatchNorm | None) -> None:
    layers = design(task(7, 3), [5, 4], batch_norm=given).layers
    assert [layer.batch_norm for layer in layers] == [options, options, None]
    assert [layer.has_bias for layer in layers] == [given is not True, given is not True, True]


def test_the_structure_leaves_out_what_may_differ_in_a_cohort() -> None:
    plain = design(task(7, 3), [5])
    other = design(task(7, 3), [5], "tanh", "zeros", dropout=0.5, batch_norm=True)
    assert plain.structure == other.structure
    assert plain.choices != other.choices
    assert plain.structure != design(task(7, 3), [6]).structure
    assert plain.structure != design(task(7, 3), [5], loss="mse").structure

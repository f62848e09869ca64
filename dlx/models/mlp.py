"""The multilayer perceptron: dense layers one after another."""

from typing import Literal

from dlx.config.types import Activation, Choice, Dropout, Initializer, Loss, choice
from dlx.data.dataset import Task
from dlx.errors import ConfigError
from dlx.models.blocks import Block, Place, stack
from dlx.models.design import Design
from dlx.models.heads import build_head, output_layer
from dlx.models.options import (
    BatchNorm,
    LayerNorm,
    NoiseLevels,
    Rate,
    Std,
    Units,
    input_changes,
    layer_choices,
)
from dlx.registry import register


@register("model")
def mlp(
    task: Task,
    *,
    hidden: list[Units | Block] = [100],
    activation: Activation | list[Activation] = "relu",  # type: ignore[assignment]
    init: Initializer | list[Initializer] = "he_normal",  # type: ignore[assignment]
    bias: Literal["auto"] | Initializer = "auto",
    dropout: Rate | Dropout = 0.0,
    noise: Std | NoiseLevels = 0.0,
    batch_norm: bool | BatchNorm = False,
    layer_norm: bool | LayerNorm = False,
    weight_norm: bool = False,
    output: Literal["auto", "softmax"] | Activation = "auto",
    loss: Literal["auto"] | Loss = "auto",
) -> Design:
    """The multilayer perceptron: dense layers of any depth and width.

    a[l] = g(a[l-1] W[l] + b[l]) for every hidden layer, an affine map and the output function last.

    Args:
        hidden: units of each hidden layer, or blocks of layers; [] is logistic or linear regression
        activation: of the hidden layers, together or one per entry of `hidden`
        init: initial weights of every layer, together or one per entry of `hidden` and one for the
            output layer
        bias: initial biases of every layer; auto: zeros, or what goes with the initial weights
        dropout: share that is dropped in training, one number for the hidden layers or {name,
            input, hidden}
        noise: standard deviation of Gaussian noise in training, one number for the hidden layers or
            {input, hidden}
        batch_norm: normalize the hidden layers over the batch, true or {position, momentum,
            epsilon}
        layer_norm: normalize them over the units of each row, true or {position, epsilon}
        weight_norm: learn magnitude and direction of the hidden layers' weights apart
        output: output function, softmax or an activation; auto fits the target
        loss: what is minimized; auto fits the output

    Raises:
        ConfigError: there are more or fewer activations than hidden layers, or output and loss do
            not fit
    """
    activations = [activation] * len(hidden) if isinstance(activation, Choice) else activation
    if len(activations) != len(hidden):
        raise ConfigError(
            f"model.activation: received {len(activations)} activations for {len(hidden)} hidden "
            "layers; give one for all or one per layer"
        )
    inits = [init] * (len(hidden) + 1) if isinstance(init, Choice) else init
    if len(inits) != len(hidden) + 1:
        raise ConfigError(
            f"model.init: received {len(inits)} initializers for {len(hidden)} hidden layers and "
            "the output layer; give one for all or one per layer"
        )
    head = build_head(task, output, loss)
    choices = [
        layer_choices(g, first, bias, dropout, noise, batch_norm, layer_norm, weight_norm)
        for g, first in zip([*activations, choice("activation", "identity")], inits, strict=True)
    ]
    layers = stack(Place("", task.num_inputs, choices[-1]), hidden, choices=choices)
    last = output_layer(layers, task, head, choices[-1].init, choices[-1].bias)
    measures = tuple(name for layer in layers for name in layer.measures)
    return Design((*layers, last), head, input_changes(dropout, noise), measures=measures)

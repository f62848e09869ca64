"""Recurrent networks: layers that read their inputs step by step, and an affine map at the end."""

import math
from dataclasses import replace
from typing import Annotated, Any, Literal

from annotated_types import Gt, MinLen

from dlx.config.types import Activation, Dropout, Initializer, Loss, choice
from dlx.data.dataset import Task
from dlx.errors import ConfigError
from dlx.models.design import Design
from dlx.models.heads import build_head, output_layer
from dlx.models.options import (
    BatchNorm,
    LayerChoices,
    LayerNorm,
    NoiseLevels,
    Rate,
    Std,
    Units,
    input_changes,
    layer_choices,
)
from dlx.nn.dropout import is_on_weights
from dlx.nn.layers.recurrent import CELLS, ProjectionSpec, RecurrentSpec
from dlx.registry import register


@register("model")
def recurrent(
    task: Task,
    *,
    cell: Literal["rnn", "gru", "lstm"] = "lstm",
    hidden: Annotated[list[Units], MinLen(1)] = [64],
    read: Literal["auto", "rows", "columns"] = "auto",
    steps: Annotated[int, Gt(0)] | None = None,
    state: Literal["last", "mean"] = "last",
    activation: Activation = "tanh",  # type: ignore[assignment]
    init: Initializer = "xavier_uniform",  # type: ignore[assignment]
    recurrent_init: Initializer = "orthogonal",  # type: ignore[assignment]
    bias: Literal["auto"] | Initializer = "auto",
    dropout: Rate | Dropout = 0.0,
    noise: Std | NoiseLevels = 0.0,
    batch_norm: bool | BatchNorm = False,
    layer_norm: bool | LayerNorm = False,
    weight_norm: bool = False,
    output: Literal["auto", "softmax"] | Activation = "auto",
    loss: Literal["auto"] | Loss = "auto",
) -> Design:
    """A recurrent network: RNN, GRU or LSTM layers read an image row by row, or a sequence.

    h_t = cell(x_t W + b, h_(t-1) U) with h_0 = 0. An affine map leads from the last state of the
    last layer, or from the mean of its states, to the output.

    Args:
        cell: rnn, gru or lstm
        hidden: units of each layer; every layer but the last passes all its states on
        read: rows or columns of an image are the steps; auto: rows
        steps: number of steps that a table's columns are cut into; default: one for each column
        state: of the last layer, goes to the output: the last state, or the mean of all
        activation: g, of the state of an rnn; of the candidate and the memory of gru and lstm
        init: initial weights from inputs to gates, and of the output layer
        recurrent_init: initial weights from state to gates
        bias: initial biases; auto: zeros, or what goes with the initial weights
        dropout: share that is dropped in training, one number for the layers' outputs or {name,
            input, hidden}
        noise: standard deviation of Gaussian noise in training, one number for the layers' outputs
            or {input, hidden}
        batch_norm: normalize over the batch and the steps: before, what the inputs give to the
            gates; after, the states; true or {position, momentum, epsilon}
        layer_norm: likewise, over the units of each row; true or {position, epsilon}
        weight_norm: learn magnitude and direction of the weights from inputs to gates apart
        output: output function, softmax or an activation; auto fits the target
        loss: what is minimized; auto fits the output

    Raises:
        ConfigError: the inputs cannot be cut into such steps, or output and loss do not fit

    Reference:
        Elman (1990), Finding structure in time; Hochreiter and Schmidhuber (1997), Long short-term
        memory; Cho et al. (2014), Learning phrase representations using RNN encoder-decoder
    """
    if recurrent_init.traits.starts_on_data:
        raise ConfigError(
            f"model.recurrent_init: received {recurrent_init.name}, which needs a batch of states; "
            "choose another, such as orthogonal"
        )
    common = layer_choices(
        activation, init, bias, dropout, noise, batch_norm, layer_norm, weight_norm
    )
    # Noise and dropout of outputs act on the states; drop-connect acts on these weights.
    quiet = replace(
        common,
        activation=choice("activation", "identity"),
        noise=0.0,
        dropout=common.dropout if is_on_weights(common.dropout_kind) else 0.0,
    )
    gates = CELLS[cell].gates
    shape, axis = _steps(task, read, steps)
    layers: list[RecurrentSpec] = []
    for number, units in enumerate(hidden, 1):
        projection = ProjectionSpec(
            name=f"{number}.projection",
            num_steps=shape[axis],
            inputs=math.prod(shape) // shape[axis],
            outputs=units * gates,
            gates=gates,
            **(vars(quiet) | _norms(common, "before")),
        )
        layer = RecurrentSpec(
            name=str(number),
            shape=shape,
            axis=axis,
            units=units,
            cell=cell,
            handed=state if number == len(hidden) else "all",
            projection=projection,
            activation=activation,
            init=recurrent_init,
            dropout=common.dropout,
            dropout_kind=common.dropout_kind,
            noise=common.noise,
            **_norms(common, "after"),
        )
        layers.append(layer)
        shape, axis = (layer.num_steps, units), 0
    head = build_head(task, output, loss)
    last = output_layer(layers, task, head, init, common.bias)
    return Design((*layers, last), head, input_changes(dropout, noise))


def _norms(common: LayerChoices, position: str) -> dict[str, Any]:
    """Return the normalizations that stand at a position."""
    pair = {"batch_norm": common.batch_norm, "layer_norm": common.layer_norm}
    return {key: n if n and n.position == position else None for key, n in pair.items()}


def _steps(task: Task, read: str, steps: int | None) -> tuple[tuple[int, ...], int]:
    """Return the shape of the inputs, and the axis along which the steps go."""
    shape = task.input_shape
    if len(shape) == 1:
        if read != "auto":
            raise ConfigError(
                f"model.read: received {read}, but the inputs are no images; leave it out and give "
                "model.steps"
            )
        number = steps or task.num_inputs
        if task.num_inputs % number:
            raise ConfigError(
                f"model.steps: received {number}, which does not divide the {task.num_inputs} "
                "inputs; choose a divisor"
            )
        return (number, task.num_inputs // number), 0
    if steps is not None:
        raise ConfigError(
            f"model.steps: received {steps}, but an image's steps are its rows or columns; leave "
            "it out and give model.read"
        )
    # Rows and columns are the last two dimensions; colors come before them.
    return shape, len(shape) - (1 if read == "columns" else 2)

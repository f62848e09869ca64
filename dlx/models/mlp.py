"""The multilayer perceptron: dense layers one after another."""

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt
from pydantic import Field

from dlx.config.types import Activation, Choice, Initializer, Section, choice
from dlx.data.dataset import Task
from dlx.errors import ConfigError
from dlx.models.design import Design
from dlx.nn.batch_norm import BatchNormOptions
from dlx.nn.dense import DenseSpec
from dlx.nn.head import build_head
from dlx.registry import register

Rate = Annotated[float, Ge(0), Lt(1)]


class DropoutRates(Section):
    """The share of units that is dropped while training."""

    input: Rate = Field(default=0.0, description="Share of the inputs that is dropped.")
    hidden: Rate = Field(
        default=0.0, description="Share of each hidden layer's outputs that is dropped."
    )


class BatchNorm(Section):
    """How the hidden layers are normalized."""

    position: Literal["before", "after"] = Field(
        default="before", description="Before or after the activation."
    )
    momentum: Annotated[float, Gt(0), Le(1)] = Field(
        default=0.1, description="Share of a batch's statistics in the running ones."
    )
    epsilon: Annotated[float, Gt(0)] = Field(default=1e-5, description="Added to the variance.")


@register("model")
def mlp(
    task: Task,
    *,
    hidden: list[Annotated[int, Gt(0)]] = [100],
    activation: Activation | list[Activation] = "relu",  # type: ignore[assignment]
    init: Initializer = "he_normal",  # type: ignore[assignment]
    dropout: Rate | DropoutRates = 0.0,
    batch_norm: bool | BatchNorm = False,
    output: Literal["auto", "softmax"] | Activation = "auto",
    loss: Literal["auto", "cross_entropy", "binary_cross_entropy", "mse"] = "auto",
) -> Design:
    """The multilayer perceptron: dense layers of any depth and width.

    a[l] = g(a[l-1] W[l] + b[l]) for every hidden layer, an affine map and the output function last.

    Args:
        hidden: units of each hidden layer; [] is logistic or linear regression
        activation: of the hidden layers, together or one per layer
        init: initial weights of every layer
        dropout: share that is dropped in training, one number for the hidden layers or {input,
            hidden}
        batch_norm: normalize the hidden layers, true or {position, momentum, epsilon}
        output: output function, softmax or an activation; auto fits the target
        loss: what is minimized; auto fits the output

    Raises:
        ConfigError: as many activations as hidden layers are needed; or output and loss do not fit
    """
    activations = [activation] * len(hidden) if isinstance(activation, Choice) else activation
    if len(activations) != len(hidden):
        raise ConfigError(
            f"model.activation: received {len(activations)} activations for {len(hidden)} hidden "
            "layers; give one for all or one per layer"
        )
    head = build_head(task.kind, task.num_outputs, output, loss)
    rates = dropout if isinstance(dropout, DropoutRates) else DropoutRates(hidden=dropout)
    normalize = BatchNorm() if batch_norm is True else batch_norm
    normalization = BatchNormOptions(**normalize.model_dump()) if normalize else None
    widths = (task.num_inputs, *hidden, head.num_outputs)
    layers = [
        DenseSpec(
            name=str(number),
            inputs=widths[number - 1],
            outputs=widths[number],
            activation=activations[number - 1]
            if number <= len(hidden)
            else choice("activation", "identity"),
            init=init,
            batch_norm=normalization if number <= len(hidden) else None,
            dropout=rates.hidden if number <= len(hidden) else 0.0,
            input_dropout=rates.input if number == 1 else 0.0,
        )
        for number in range(1, len(widths))
    ]
    return Design(tuple(layers), head)

"""Blocks: what a network's list of hidden layers is made of, one function each.

A block function gets its `Place` and its options, and returns the layer it stands for. Blocks stand
inside blocks; the layers inside block 2 are named 2.1, 2.2, …
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from dlx import registry
from dlx.config.types import Activation, Choice, Initializer, Named, choice
from dlx.errors import ConfigError
from dlx.models.options import BatchNorm, LayerChoices, Rate, Units, batch_norm_options
from dlx.nn.blocks import BranchSpec, ResidualSpec
from dlx.nn.dense import DenseSpec
from dlx.nn.stack import Blueprint, Spec
from dlx.registry import register

Block = Annotated[Choice, Named("block")]
Layers = Sequence[int | Choice]


@dataclass(frozen=True)
class Place:
    """Where a block stands.

    Attributes:
        name: of the block
        inputs: I
        choices: what its layers have where they do not choose for themselves
    """

    name: str
    inputs: int
    choices: LayerChoices


def stack(
    place: Place,
    layers: Layers,
    prefix: str = "",
    choices: Sequence[LayerChoices] | None = None,
) -> Blueprint:
    """Return layers one after another, numbered from 1: a number of units, or a block.

    Args:
        place: of the first
        layers: widths and blocks
        prefix: of their names
        choices: one for each of `layers`; default: those of the place
    """
    specs: list[Spec] = []
    for index, each in enumerate(layers):
        chosen = place.choices if choices is None else choices[index]
        block = choice("block", "dense", units=each) if isinstance(each, int) else each
        options = {key: value for key, value in block.options().items() if key != "repeat"}
        for _ in range(block.repeat):
            here = replace(
                place,
                name=f"{prefix}{len(specs) + 1}",
                inputs=specs[-1].outputs if specs else place.inputs,
                choices=chosen,
            )
            specs.append(registry.get("block", block.name).function(here, **options))
    return tuple(specs)


@register("block")
def dense(
    place: Place,
    *,
    units: Units,
    activation: Activation | None = None,
    init: Initializer | None = None,
    bias: Initializer | None = None,
    dropout: Rate | None = None,
    batch_norm: bool | BatchNorm | None = None,
) -> DenseSpec:
    """A fully connected layer: a = g(x W + b).

    Args:
        units: outputs
        activation: default: the model's
        init: initial weights; default: the model's
        bias: initial biases; default: the model's
        dropout: share of its outputs that is dropped in training; default: the model's
        batch_norm: true, false or {position, momentum, epsilon}; default: the model's
    """
    chosen = place.choices
    return DenseSpec(
        name=place.name,
        inputs=place.inputs,
        outputs=units,
        activation=activation or chosen.activation,
        init=init or chosen.init,
        bias=bias or chosen.bias,
        batch_norm=chosen.batch_norm if batch_norm is None else batch_norm_options(batch_norm),
        dropout=chosen.dropout if dropout is None else dropout,
    )


@register("block")
def residual(
    place: Place,
    *,
    layers: list[Units | Block],
    activation: Activation = "identity",  # type: ignore[assignment]
) -> ResidualSpec:
    """Fast-forward: a = g(F(x) + x), with x projected by a weight matrix where the widths differ.

    Args:
        layers: F, a list of widths and blocks
        activation: g, of the sum

    Reference:
        He, Zhang, Ren and Sun (2016), Deep residual learning for image recognition
    """
    if not layers:
        raise ConfigError(
            f"model.hidden: block {place.name} (residual) has no layers; give it a list of widths"
        )
    inner = stack(place, layers, f"{place.name}.")
    projection = None
    if inner[-1].outputs != place.inputs:
        projection = DenseSpec(
            name=f"{place.name}.projection",
            inputs=place.inputs,
            outputs=inner[-1].outputs,
            activation=choice("activation", "identity"),
            init=place.choices.init,
            bias=place.choices.bias,
        )
    return ResidualSpec(place.name, inner, projection, activation)


@register("block")
def branch(
    place: Place,
    *,
    branches: list[list[Units | Block]],
    join: Literal["concat", "sum", "mean"] = "concat",
) -> BranchSpec:
    """Split and merge: stacks side by side on the same input, joined into one output.

    Args:
        branches: a list of lists of widths and blocks; an empty one hands the input on
        join: concat puts the outputs side by side; sum and mean need equal widths

    Reference:
        Szegedy et al. (2015), Going deeper with convolutions
    """
    if not branches:
        raise ConfigError(
            f"model.hidden: block {place.name} (branch) has no branches; give it a list of lists"
        )
    stacks = tuple(
        stack(place, layers, f"{place.name}.{number}.") for number, layers in enumerate(branches, 1)
    )
    spec = BranchSpec(place.name, place.inputs, stacks, join)
    if join != "concat" and len(set(spec.widths)) > 1:
        widths = ", ".join(map(str, spec.widths))
        raise ConfigError(
            f"model.hidden: block {place.name} (branch) joins widths {widths} by {join}, which "
            "needs equal ones; change a width or use join: concat"
        )
    return spec

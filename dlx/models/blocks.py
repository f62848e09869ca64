"""Blocks: what the list of a network's hidden layers is made of, one function for each block.

A block function gets its `Place` and its options, and returns a layer. Blocks stand inside blocks;
the layers inside block 2 are named 2.1, 2.2, …
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Gt

from dlx.config.types import Activation, Choice, Initializer, Named, choice
from dlx.errors import ConfigError
from dlx.models.options import BatchNorm, LayerChoices, LayerNorm, Rate, Std, Units, norms
from dlx.nn.layers import Blueprint, Spec
from dlx.nn.layers.branch import BranchSpec
from dlx.nn.layers.dense import DenseSpec
from dlx.nn.layers.residual import ResidualSpec
from dlx.registry import register

Block = Annotated[Choice, Named("block")]
Layers = Sequence[int | Choice]
MOST_LAYERS = 10_000  # of a network, those inside blocks included


@dataclass(frozen=True)
class Place:
    """Where a block stands."""

    name: str  # of the block
    inputs: int
    choices: LayerChoices  # the model's, for layers that do not choose for themselves


def stack(
    place: Place,
    layers: Layers,
    prefix: str = "",
    choices: Sequence[LayerChoices] | None = None,
    before: int = 0,
) -> Blueprint:
    """Return layers, each a number of units or a block, one after another.

    They are numbered from `before` + 1 on, with a prefix. `choices` are one for each layer, by
    default those of the place, where the first layer stands.
    """
    if (number := _count(layers)) > MOST_LAYERS:
        raise ConfigError(
            f"model: the blocks of a network are {number:,} layers by their repeats; at most "
            f"{MOST_LAYERS:,} can be built"
        )
    specs: list[Spec] = []
    for index, layer in enumerate(layers):
        block = _dense_of(layer) if isinstance(layer, int) else layer
        for _ in range(block.repeat):
            block_place = Place(
                name=f"{prefix}{before + len(specs) + 1}",
                inputs=specs[-1].outputs if specs else place.inputs,
                choices=place.choices if choices is None else choices[index],
            )
            specs.append(block(block_place))
    return tuple(specs)


@functools.cache  # an ablation asks for the same widths for each of its runs
def _dense_of(units: int) -> Choice:
    return choice("block", "dense", units=units)


def _count(layers: Any) -> int:
    """Return how many layers and blocks a list of them is, those inside blocks included."""
    if isinstance(layers, Choice):
        if layers.entry.kind != "block":  # an activation, which is no layer
            return 0
        lists = [value for value in layers.arguments().values() if isinstance(value, list | tuple)]
        return layers.repeat * (1 + sum(map(_count, lists)))
    if isinstance(layers, list | tuple):
        return sum(map(_count, layers))
    return 1


def _dense(place: Place, units: int, **chosen: Any) -> DenseSpec:
    """Return a dense layer with what a block chose, and what the model chose where that is None."""
    chosen = {key: value for key, value in chosen.items() if value is not None}
    own = norms(chosen.get("batch_norm"), chosen.get("layer_norm"))
    # A layer that chooses one of the two normalizations does not have the model's other.
    common = vars(place.choices) | (own if any(own.values()) else {})
    chosen |= {key: norm for key, norm in own.items() if key in chosen}
    return DenseSpec(name=place.name, inputs=place.inputs, outputs=units, **(common | chosen))


@register("block")
def dense(
    place: Place,
    *,
    units: Units,
    activation: Activation | None = None,
    init: Initializer | None = None,
    bias: Initializer | None = None,
    dropout: Rate | None = None,
    noise: Std | None = None,
    batch_norm: bool | BatchNorm | None = None,
    layer_norm: bool | LayerNorm | None = None,
    weight_norm: bool | None = None,
) -> DenseSpec:
    """A fully connected layer: a = g(x W + b).

    Args:
        units: outputs
        activation: default: the model's
        init: initial weights; default: the model's
        bias: initial biases; default: the model's
        dropout: share that is dropped in training; default: the model's
        noise: standard deviation of noise on its outputs in training; default: the model's
        batch_norm: true, false or {position, momentum, epsilon}; default: the model's
        layer_norm: true, false or {position, epsilon}; default: the model's
        weight_norm: learn magnitude and direction of the weights apart; default: the model's
    """
    return _dense(
        place,
        units,
        activation=activation,
        init=init,
        bias=bias,
        dropout=dropout,
        noise=noise,
        batch_norm=batch_norm,
        layer_norm=layer_norm,
        weight_norm=weight_norm,
    )


@register("block")
def maxout(
    place: Place,
    *,
    units: Units,
    pieces: Annotated[int, Gt(1)] = 2,
    activation: Activation = "identity",  # type: ignore[assignment]
    init: Initializer | None = None,
    dropout: Rate | None = None,
) -> DenseSpec:
    """Each unit is the largest of several affine maps of the input: it learns its own activation.

    a_j = g(max_p (x W_jp + b_jp)); enough pieces approximate any convex function.

    Args:
        units: outputs
        pieces: affine maps of each unit
        activation: g, of the largest
        init: initial weights; default: the model's
        dropout: share that is dropped in training; default: the model's

    Reference:
        Goodfellow, Warde-Farley, Mirza, Courville and Bengio (2013), Maxout networks
    """
    return _dense(place, units, pieces=pieces, activation=activation, init=init, dropout=dropout)


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
        branches: a list of lists of widths and blocks; an empty list passes the input on
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

"""The networks of pre-training: one hidden layer and its decoder, or all layers unrolled.

# I inputs, H units

A layer keeps its name, and with it the initial weights that it has without pre-training. The
decoder of layer 2 is named `2.decoder`, whatever network it stands in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from dlx.config.types import Choice, choice
from dlx.data.dataset import Task
from dlx.errors import ConfigError
from dlx.models.design import Design
from dlx.models.heads import build_head
from dlx.models.options import input_corruption
from dlx.nn.layers.dense import DenseSpec

DECODER = "decoder"
VISIBLE = "visible."  # prefix of the tensors of an RBM's visible units

State = Mapping[str, Tensor]
"""Trained tensors of one run by their names on the run axis."""


def hidden_layers(design: Design, count: int | None, key: str) -> tuple[DenseSpec, ...]:
    """Return the first hidden layers of a network, at most up to its code; None for all.

    `key` of `pretrain` gives the count, in messages.
    """
    if not all(part.follows_cost for part in design.parts):
        raise ConfigError(
            "pretrain: an RBM is what a layer is pre-trained as, and is itself trained at once; "
            "leave pretrain out, or use model: autoencoder"
        )
    hidden = _encoders(design)
    if any(layer.is_code and layer.is_drawn for layer in design.layers):
        hidden = hidden[:-1]  # the last one gives the means and log variances of the code
    if not hidden:
        raise ConfigError("pretrain: the network has no hidden layer to pre-train; add one")
    if count is not None and count > len(hidden):
        raise ConfigError(
            f"pretrain.{key}: received {count}, but the network has {len(hidden)} hidden "
            f"{'layer' if len(hidden) == 1 else 'layers'} before its "
            f"{'decoder' if design.code else 'output'}; lower it"
        )
    for layer in hidden[:count]:
        if why := _not_to_be_pretrained(layer):
            raise ConfigError(
                f"pretrain: layer {layer.name} {why}, which cannot be pre-trained; change the "
                "layer, or pre-train only those before it by pretrain.layers"
            )
    return tuple(hidden[:count])


def _encoders(design: Design) -> tuple[Any, ...]:
    """Return the layers up to the code, or before the output."""
    if design.code is None:
        return design.layers[:-1]
    place = [layer.name for layer in design.layers].index(design.code)
    return tuple(layer for layer in design.layers[: place + 1] if not layer.is_code)


def _not_to_be_pretrained(layer: Any) -> str:
    """Return why a layer cannot be trained ahead of the network; empty if it can."""
    if layer.pieces > 1:
        return "is a maxout layer"
    if not layer.is_dense:
        return f"is a {layer.kind} block"
    if layer.init.traits.starts_on_data:
        return f"starts by {layer.init.name}"
    if not layer.activation.traits.trainable:
        return f"has {layer.activation.name}, through which no gradient passes"
    return ""


def unrolled(layers: Sequence[DenseSpec], task: Task, *, tied: bool = False) -> Design:
    """Return the autoencoder whose encoder is one or more hidden layers of a network.

    Layers have no dropout and no noise. Each decoder has the activation of the layer below, whose
    outputs it reconstructs; `tied`, it has the transposed weights of its layer. The task is to
    reconstruct the inputs of the first layer.
    """
    encoders = [replace(layer, dropout=0.0, dropout_kind="dropout", noise=0.0) for layer in layers]
    if tied and any(layer.weight_norm for layer in encoders):
        raise ConfigError(
            "pretrain.tied: weight_norm makes a weight of two parts; use tied: false or "
            "model.weight_norm: false"
        )
    head = build_head(task)
    decoders = [
        DenseSpec(
            name=f"{layer.name}.{DECODER}",
            inputs=layer.outputs,
            outputs=layer.inputs,
            activation=below.activation if below else choice("activation", "identity"),
            init=layer.init,
            tied_to=layer.name if tied else None,
        )
        for layer, below in zip(encoders, [None, *encoders[:-1]], strict=True)
    ]
    return Design((*encoders, *reversed(decoders)), head, code=encoders[-1].name)


def denoising(design: Design, task: Task, corruption: Choice) -> Design:
    """Return an autoencoder with corruption of its inputs, which it learns to restore."""
    rule = corruption()
    needs_bounds = bool(rule.lowest or rule.highest) and not task.in_unit_interval
    if needs_bounds and not task.lowest:
        raise ConfigError(
            f"pretrain.corruption: {corruption.name} replaces inputs by their lowest or highest "
            "value, which codes of this activation do not have; use masking or gaussian, or "
            "model.activation: sigmoid or tanh"
        )
    own = input_corruption(task, design.head, corruption, None)
    return replace(design, inputs=replace(design.inputs, corruption=own))


def learned(design: Design, state: State) -> dict[str, Tensor]:
    """Return the tensors that a stage has learned, of its layers and of a decoder for each of them.

    A tied decoder has the transposed weights of its layer. The decoder of an RBM has them too, and
    the biases of the visible units.
    """
    tensors = {name: value for name, value in state.items() if not name.startswith(VISIBLE)}
    encoders = [layer for layer in design.layers if f"{layer.name}.weight" in state]
    for layer in encoders:
        if layer.name.endswith(f".{DECODER}"):
            continue
        decoder = f"{layer.name}.{DECODER}"
        if f"{decoder}.weight" not in tensors:
            tensors[f"{decoder}.weight"] = state[f"{layer.name}.weight"].mT.contiguous()
        if f"{VISIBLE}bias" in state:
            tensors[f"{decoder}.bias"] = state[f"{VISIBLE}bias"]
    return tensors


def codes_task(activation: Choice, units: int) -> Task:
    """Return the task to reconstruct the outputs of a layer, given its activation and width."""
    bounds = activation.traits.bounds
    if bounds is None:
        return Task("reconstruction", units, units, None, (units,))
    lowest, highest = ((bound,) * units for bound in bounds)
    shared = {"in_unit_interval": bounds[0] == 0, "lowest": lowest, "highest": highest}
    return Task("reconstruction", units, units, None, (units,), **shared)


def start(design: Design, trained: State) -> dict[str, Tensor]:
    """Return the tensors that a network starts from after pre-training.

    The decoder of an autoencoder starts from the stages' decoders where its layers mirror the
    encoder's. Layers above the pre-trained ones are new.
    """
    tensors = {name: value for name, value in trained.items() if f".{DECODER}." not in name}
    if design.code is None:
        return tensors
    encoders = _encoders(design)
    decoders = [layer for layer in design.layers if not layer.is_code][len(encoders) :]
    for layer, mirror in zip(encoders, reversed(decoders), strict=False):
        if f"{layer.name}.weight" not in trained:
            break
        for part in ("weight", "bias"):
            value = trained.get(f"{layer.name}.{DECODER}.{part}")
            shape = layer.outputs, layer.inputs
            fits = mirror.is_dense and (mirror.inputs, mirror.outputs) == shape
            has = fits and (mirror.has_bias if part == "bias" else mirror.tied_to is None)
            if value is not None and has:
                tensors[f"{mirror.name}.{part}"] = value
    return tensors

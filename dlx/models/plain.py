"""A run as an ordinary `torch.nn.Sequential`, and back.

# I inputs, O outputs
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dlx import registry
from dlx.config.types import Choice
from dlx.models.design import Design
from dlx.nn.batch_norm import BatchNormOptions
from dlx.nn.dense import DenseSpec


class Elementwise(nn.Module):
    """An activation that torch has no module for."""

    def __init__(self, function: Callable[..., Tensor], options: dict[str, Any]) -> None:
        super().__init__()
        self.function = function
        self.options = options

    def forward(self, z: Tensor) -> Tensor:
        """Return g(z)."""
        return self.function(z, **self.options)


def sequential(design: Design) -> tuple[nn.Sequential, dict[str, str]]:
    """Return the network of a design, in torch's own modules, and the names of its tensors.

    Returns:
        the network, freshly initialized by torch, in evaluation mode, ending in the output
        function; and for each tensor of a run's state (`Network.run_state`) its key in the
        network's state_dict
    """
    modules: list[nn.Module] = []
    names: dict[str, str] = {}

    def add(module: nn.Module, layer: str = "", **tensors: str) -> None:
        for mine, theirs in tensors.items():
            names[f"{layer}.{mine}"] = f"{len(modules)}.{theirs}"
        modules.append(module)

    for layer in design.layers:
        if layer.input_dropout:
            add(nn.Dropout(layer.input_dropout))
        linear = nn.Linear(layer.inputs, layer.outputs, bias=layer.has_bias)
        bias = {"bias": "bias"} if layer.has_bias else {}
        add(linear, layer.name, weight="weight", **bias)
        normalization = layer.batch_norm
        if normalization and normalization.position == "before":
            add(*_batch_norm(layer, normalization), **_BATCH_NORM)
        if layer.activation.name != "identity":
            learned = registry.get("activation", layer.activation.name).function.learned
            add(_activation(layer.activation), layer.name, **dict.fromkeys(learned, "weight"))
        if normalization and normalization.position == "after":
            add(*_batch_norm(layer, normalization), **_BATCH_NORM)
        if layer.dropout:
            add(nn.Dropout(layer.dropout))
    if isinstance(design.head.output, str):
        add(nn.Softmax(-1))
    elif design.head.output.name != "identity":
        add(_activation(design.head.output))
    return nn.Sequential(*modules).eval(), names


def to_torch(design: Design, state: dict[str, Tensor]) -> nn.Sequential:
    """Return a run as a plain torch network with its weights, in evaluation mode.

    Args:
        design: of the run
        state: as `Network.run_state` gives it
    """
    network, names = sequential(design)
    network.to(next(iter(state.values())).dtype)
    tensors = network.state_dict()
    with torch.no_grad():
        for mine, theirs in names.items():
            tensors[theirs].copy_(_turned(mine, state[mine]).view(tensors[theirs].shape))
    return network


def from_torch(design: Design, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a run's state from the state_dict of its plain network: the inverse of `to_torch`."""
    _, names = sequential(design)
    state = {mine: _turned(mine, tensors[theirs]) for mine, theirs in names.items()}
    return {
        name: value.unsqueeze(0) if name.endswith(".bias") else value
        for name, value in state.items()
    }


def _turned(name: str, value: Tensor) -> Tensor:
    """torch's linear layers keep their weights as (O, I)."""
    return value.T if name.endswith(".weight") else value


_BATCH_NORM = {
    "gain": "weight",
    "shift": "bias",
    "running_mean": "running_mean",
    "running_variance": "running_var",
}


def _batch_norm(layer: DenseSpec, options: BatchNormOptions) -> tuple[nn.Module, str]:
    module = nn.BatchNorm1d(layer.outputs, eps=options.epsilon, momentum=options.momentum)
    return module, layer.name


def _activation(choice: Choice) -> nn.Module:
    function = registry.get("activation", choice.name).function
    if function.module is None:
        return Elementwise(function, choice.options())
    return function.module(**choice.options())

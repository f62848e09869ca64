"""Layers one after another.

# K runs, B batch, I inputs, O outputs
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dlx.nn.layers.protocol import Blueprint, Layer
from dlx.nn.parameters import Buffers, Parameter
from dlx.nn.passes import Pass
from dlx.streams import Seeds


class Container:
    """A layer made of others, whose parameters and buffers it has."""

    layers: Sequence[Layer]

    @property
    def parameters(self) -> list[Parameter]:
        """The parameters of all layers, first to last."""
        return [parameter for layer in self.layers for parameter in layer.parameters]

    @property
    def buffers(self) -> Buffers:
        """The buffers of all layers."""
        return {name: value for layer in self.layers for name, value in layer.buffers.items()}


class Stack(Container):
    """Layers one after another, of the same structure in every run of a cohort."""

    def __init__(
        self, runs: Sequence[Blueprint], seeds: Seeds, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.layers: list[Layer] = []
        by_name: dict[str, Any] = {}
        for specs in zip(*runs, strict=True):
            layer = by_name[specs[0].name] = specs[0].layer_class(specs, seeds, dtype, device)
            if specs[0].tied_to is not None:
                layer.tie(by_name[specs[0].tied_to])
            self.layers.append(layer)

    def forward(
        self, x: Tensor, pass_: Pass, start: int | None = None, stop: int | None = None
    ) -> Tensor:
        """Return the outputs of the layers `start:stop`, by default of all: (K, B, O)."""
        for layer in self.layers[start:stop]:
            x = layer.forward(x, pass_)
        return x

    def backward(self, upstream: Tensor, pass_: Pass, is_first: bool = False) -> Tensor | None:
        """Go back through the layers; see `Layer.backward`."""
        gradient: Tensor | None = upstream
        for number, layer in reversed(list(enumerate(self.layers))):
            assert gradient is not None
            gradient = layer.backward(gradient, pass_, is_first and number == 0)
        return gradient

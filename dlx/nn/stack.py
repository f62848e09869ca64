"""Layers one after another, and what every kind of layer has in common.

# K runs, B batch, I inputs, O outputs
"""

from collections.abc import Hashable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from dlx.config.types import Choice
from dlx.nn.dense import Dense
from dlx.nn.parameters import Parameter
from dlx.nn.passes import Pass


class Layer(Protocol):
    """A layer of every run of a cohort."""

    @property
    def parameters(self) -> list[Parameter]:
        """Those that at least one run has."""
        ...

    @property
    def buffers(self) -> dict[str, tuple[Tensor, Sequence[bool]]]:
        """State that is not trained, (K, ...) by name, and which runs own it.

        What a trained run can do without, but training goes on from, none owns.
        """
        ...

    def forward(self, x: Tensor, pass_: Pass) -> Tensor:
        """Return the outputs: (K, B, I) to (K, B, O)."""
        ...

    def backward(self, upstream: Tensor, pass_: Pass, is_first: bool = False) -> Tensor | None:
        """Leave the parameters' gradients in their buffer; return that of x, (K, B, I).

        Args:
            upstream: gradient of the outputs, (K, B, O); may be written over
            pass_: the forward pass, which recorded
            is_first: the gradient of x is not needed, and None may be returned
        """
        ...


class Spec(Protocol):
    """A layer of one run, not built yet."""

    @property
    def name(self) -> str:
        """Its number, from 1; a layer inside it has its name and a number of its own."""
        ...

    @property
    def outputs(self) -> int:
        """O."""
        ...

    @property
    def structure(self) -> Hashable:
        """What must agree for runs to share a cohort."""
        ...

    @property
    def activations(self) -> tuple[Choice, ...]:
        """All activations inside."""
        ...

    @property
    def parts(self) -> "tuple[Spec, ...]":
        """The layers inside, theirs included, that have weights; itself if it is one."""
        ...

    @property
    def choices(self) -> tuple[Any, ...]:
        """Of a part: what else may differ within a cohort, the dearest to split first."""
        ...

    def build(
        self, specs: Sequence[Any], seeds: Sequence[int], dtype: torch.dtype, device: torch.device
    ) -> Layer:
        """Return the layer of all runs, given those of this kind and structure, one per run."""
        ...


Blueprint = tuple[Any, ...]
"""The layers of one run, first to last: a Spec each."""


class Stack:
    """Layers one after another, in every run of a cohort.

    Args:
        blueprints: the layers of each run; all of the same structure
        seeds: one per run
    """

    def __init__(
        self,
        blueprints: Sequence[Blueprint],
        seeds: Sequence[int],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.layers: list[Layer] = [
            specs[0].build(specs, seeds, dtype, device) for specs in zip(*blueprints, strict=True)
        ]
        named = {spec.name: layer for spec, layer in zip(blueprints[0], self.layers, strict=True)}
        for layer in self.layers:
            if isinstance(layer, Dense) and layer.specs[0].tied_to is not None:
                other = named[layer.specs[0].tied_to]
                assert isinstance(other, Dense)
                layer.tie(other)

    @property
    def parameters(self) -> list[Parameter]:
        """Those of all layers, first to last."""
        return [parameter for layer in self.layers for parameter in layer.parameters]

    @property
    def buffers(self) -> dict[str, tuple[Tensor, Sequence[bool]]]:
        """Those of all layers."""
        return {name: value for layer in self.layers for name, value in layer.buffers.items()}

    def forward(
        self, x: Tensor, pass_: Pass, start: int | None = None, stop: int | None = None
    ) -> Tensor:
        """Return the last layer's outputs: (K, B, I) to (K, B, O).

        Args:
            x: inputs of the first layer that is gone through
            pass_: the pass
            start: number of the first layer, from 0; default: the first
            stop: number of the layer before which to stop; default: none
        """
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

"""Applying each run's activation to its segment of the run axis.

# K runs, B batch, O outputs
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from dlx import registry
from dlx.config.types import Choice
from dlx.nn.parameters import Parameter
from dlx.segments import Segment, segments


@dataclass(frozen=True)
class _Piece:
    """An activation with its options and the learned parameters of its runs."""

    rows: slice
    function: Callable[..., Tensor]
    options: dict[str, Any] = field(default_factory=dict)
    learned: tuple[Parameter, ...] = ()

    def forward(self, z: Tensor) -> Tensor:
        learned = [self._broadcast(parameter) for parameter in self.learned]
        return self.function(z, *learned, **self.options)

    def backward(self, upstream: Tensor, z: Tensor, a: Tensor) -> Tensor:
        """Return dZ = dA g'(Z), and leave the gradients of learned parameters in their buffer."""
        backward = self.function.backward  # type: ignore[attr-defined]
        if backward is not None:
            return backward(upstream, z, a, **self.options)
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            learned = [self._broadcast(p).detach().requires_grad_() for p in self.learned]
            a = self.function(z, *learned, **self.options)
            gradients = torch.autograd.grad(a, [z, *learned], upstream)
        for parameter, gradient in zip(self.learned, gradients[1:], strict=True):
            parameter.gradient[self.rows] = gradient.flatten(1)
        return gradients[0]

    def _broadcast(self, parameter: Parameter) -> Tensor:
        return parameter.value[self.rows].unsqueeze(-1)


class Activation:
    """The activations of one layer of a cohort.

    Args:
        layer: the layer's name
        choices: one activation per run
    """

    def __init__(self, layer: str, choices: Sequence[Choice]) -> None:
        functions = [registry.get("activation", choice.name).function for choice in choices]
        names = {name: start for f in functions for name, start in f.learned.items()}
        self._learned = {
            name: Parameter(
                f"{layer}.{name}",
                (1,),
                [name in function.learned for function in functions],
                lambda run, start=start: torch.full((1,), start),
            )
            for name, start in names.items()
        }
        self._pieces = tuple(self._piece(segment) for segment in segments(list(choices)))
        self._sizes = [piece.rows.stop - piece.rows.start for piece in self._pieces]

    @property
    def parameters(self) -> list[Parameter]:
        """The learned parameters of the layer's activations."""
        return list(self._learned.values())

    def forward(self, z: Tensor) -> Tensor:
        """Return `a = g(z)`, each run by its own g: (K, B, O) to (K, B, O)."""
        if len(self._pieces) == 1:
            return self._pieces[0].forward(z)
        parts = zip(self._pieces, z.split(self._sizes), strict=True)
        return torch.cat([piece.forward(own) for piece, own in parts])

    def backward(self, upstream: Tensor, z: Tensor, a: Tensor) -> Tensor:
        """Return dZ = dA g'(Z), perhaps in the memory of `upstream`: (K, B, O)."""
        if len(self._pieces) == 1:
            return self._pieces[0].backward(upstream, z, a)
        parts = (tensor.split(self._sizes) for tensor in (upstream, z, a))
        for piece, own, its_z, its_a in zip(self._pieces, *parts, strict=True):
            gradient = piece.backward(own, its_z, its_a)
            if gradient is not own:
                own.copy_(gradient)
        return upstream

    def _piece(self, segment: Segment[Choice]) -> _Piece:
        function = registry.get("activation", segment.choice.name).function
        return _Piece(
            segment.rows,
            function,
            segment.choice.arguments(),
            tuple(self._learned[name] for name in function.learned),
        )

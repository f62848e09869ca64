"""The activations of a layer, each applied to its segment of the run axis.

# K runs, B batch, O outputs
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from dlx.config.types import Choice
from dlx.nn.parameters import Parameter
from dlx.segments import segments


@dataclass(frozen=True)
class _Piece:
    """An activation of some runs, with their learned parameters."""

    rows: slice
    function: Callable[..., Tensor]
    backward_function: Callable[..., Tensor] | None
    learned: list[Parameter]

    def forward(self, z: Tensor) -> Tensor:
        return self.function(z, *[self._broadcast(parameter) for parameter in self.learned])

    def backward(self, upstream: Tensor, z: Tensor, a: Tensor) -> Tensor:
        """Return dZ = dA g'(Z), and leave the gradients of learned parameters in their buffer."""
        if self.backward_function is not None:
            return self.backward_function(upstream, z, a)
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            learned = [self._broadcast(p).detach().requires_grad_() for p in self.learned]
            a = self.function(z, *learned)
            gradients = torch.autograd.grad(a, [z, *learned], upstream)
        for parameter, gradient in zip(self.learned, gradients[1:], strict=True):
            parameter.gradient[self.rows] = gradient.flatten(1)
        return gradients[0]

    def _broadcast(self, parameter: Parameter) -> Tensor:
        return parameter.value[self.rows].unsqueeze(-1)


class Activation:
    """The activations of one layer of a cohort, one per run."""

    def __init__(self, layer: str, choices: Sequence[Choice]) -> None:
        learned = [choice.traits.learned for choice in choices]
        starts = {name: start for names in learned for name, start in names.items()}
        parameters = {
            name: Parameter(
                f"{layer}.{name}",
                (1,),
                [name in names for names in learned],
                lambda run, start=start: torch.full((1,), start),
            )
            for name, start in starts.items()
        }
        self._pieces = [
            _Piece(
                rows,
                choice.bound(),
                (backward := choice.traits.backward) and partial(backward, **choice.arguments()),
                [parameters[name] for name in choice.traits.learned],
            )
            for rows, choice in segments(choices)
        ]
        self.parameters = list(parameters.values())
        self._sizes = [piece.rows.stop - piece.rows.start for piece in self._pieces]

    def forward(self, z: Tensor) -> Tensor:
        """Return a = g(z), with each run's own g: (K, B, O) to (K, B, O)."""
        if len(self._pieces) == 1:
            return self._pieces[0].forward(z)
        parts = zip(self._pieces, z.split(self._sizes), strict=True)
        return torch.cat([piece.forward(own_z) for piece, own_z in parts])

    def backward(self, upstream: Tensor, z: Tensor, a: Tensor) -> Tensor:
        """Return dZ = dA g'(Z), perhaps in the memory of `upstream`: (K, B, O)."""
        if len(self._pieces) == 1:
            return self._pieces[0].backward(upstream, z, a)
        parts = (tensor.split(self._sizes) for tensor in (upstream, z, a))
        for piece, own_upstream, own_z, own_a in zip(self._pieces, *parts, strict=True):
            gradient = piece.backward(own_upstream, own_z, own_a)
            if gradient is not own_upstream:
                own_upstream.copy_(gradient)
        return upstream

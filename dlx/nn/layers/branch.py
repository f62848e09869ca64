"""The branch block: stacks of layers side by side.

# K runs, B batch, I inputs, O outputs
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from dlx.nn.layers.protocol import Blueprint, Spec
from dlx.nn.layers.stack import Stack
from dlx.nn.moments import Signal, Signals, pooled
from dlx.nn.parameters import Parameter
from dlx.nn.passes import Pass
from dlx.nn.plain import PlainModules
from dlx.nn.theory import Gradients, MeanField, Prediction, mean, plus, sum_of, times

Join = Literal["concat", "sum", "mean"]


@dataclass(frozen=True)
class BranchSpec(Spec):
    """Stacks side by side on the same input, in one run.

    Attributes:
        branches: the layers of each stack; an empty one hands the input on
        join: how their outputs become one
    """

    name: str
    inputs: int
    branches: tuple[Blueprint, ...]
    join: Join

    @property
    def widths(self) -> tuple[int, ...]:
        """Outputs of each branch."""
        return tuple(layers[-1].outputs if layers else self.inputs for layers in self.branches)

    @property
    def outputs(self) -> int:
        """O."""
        return sum(self.widths) if self.join == "concat" else self.widths[0]

    @property
    def inside(self) -> tuple[Blueprint, ...]:
        """The branches."""
        return self.branches

    @property
    def structure(self) -> tuple[Any, ...]:
        """The kind, and what shapes depend on."""
        inside = tuple(tuple(spec.structure for spec in layers) for layers in self.branches)
        return ("branch", self.join, inside)

    @property
    def layer_class(self) -> "type[Branch]":
        """The class of its run-axis layer."""
        return Branch

    def plain(self, modules: PlainModules) -> None:
        """Append a `BranchModule`."""
        stacks = [
            modules.inside(f"branches.{number}", layers).modules
            for number, layers in enumerate(self.branches)
        ]
        modules.add(BranchModule(self.join, *stacks))

    def theory_forward(self, inputs: Signals, field: MeanField) -> Signal | None:
        """Return the moments of the joined outputs; those that are added are independent."""
        signal = pooled(inputs)
        outputs = [pooled(field.forward(layers, signal)) for layers in self.branches]
        known = [output for output in outputs if output is not None]
        if len(known) < len(outputs):
            return None
        if self.join == "concat":
            shares = [width / self.outputs for width in self.widths]
            joined = Signal(
                sum(share * s.square for share, s in zip(shares, known, strict=True)),
                sum(share * s.product for share, s in zip(shares, known, strict=True)),
                sum(share * s.mean for share, s in zip(shares, known, strict=True)),
            )
        else:
            factor = 1 / len(known) if self.join == "mean" else 1.0
            total = sum_of(known)
            joined = Signal(
                factor**2 * total.square, factor**2 * total.product, factor * total.mean
            )
        field.predictions[self.name] = Prediction(joined.variance)
        return joined

    def theory_backward(self, outputs: Gradients, field: MeanField) -> float | None:
        """Return E[dX²], the sum of what the branches hand back."""
        share = 1 / len(self.branches) ** 2 if self.join == "mean" else 1.0
        upstream, total = times(mean(outputs), share), 0.0
        for layers in self.branches:
            total = plus(total, mean(field.backward(layers, upstream)))
        return total


class Branch:
    """Split and merge: stacks side by side, joined by concatenation, sum or mean.

    Reference:
        Szegedy et al. (2015), Going deeper with convolutions
    """

    def __init__(
        self,
        specs: Sequence[BranchSpec],
        seeds: Sequence[int],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.name = specs[0].name
        self.join = specs[0].join
        self.widths = specs[0].widths
        self.branches = [
            Stack(blueprints, seeds, dtype, device)
            for blueprints in zip(*(spec.branches for spec in specs), strict=True)
        ]

    @property
    def parameters(self) -> list[Parameter]:
        """The parameters of all branches."""
        return [parameter for branch in self.branches for parameter in branch.parameters]

    @property
    def buffers(self) -> dict[str, tuple[Tensor, Sequence[bool]]]:
        """The buffers of all branches."""
        return {name: value for branch in self.branches for name, value in branch.buffers.items()}

    def forward(self, x: Tensor, pass_: Pass) -> Tensor:
        """Return the outputs: (K, B, I) to (K, B, O)."""
        outputs = [branch.forward(x, pass_) for branch in self.branches]
        if self.join == "concat":
            a = torch.cat(outputs, -1)
        else:
            a = outputs[0]
            for output in outputs[1:]:
                a = a + output
            if self.join == "mean":
                a = a / len(outputs)
        if pass_.activations is not None:
            pass_.activations[self.name] = a
        return a

    def backward(self, upstream: Tensor, pass_: Pass, is_first: bool = False) -> Tensor | None:
        """Return the sum of the branches' dX; see `Layer.backward`."""
        if self.join == "concat":
            shares = [share.contiguous() for share in upstream.split(self.widths, -1)]
        else:
            share = upstream / len(self.branches) if self.join == "mean" else upstream
            shares = [share.clone() for _ in self.branches]
        total: Tensor | None = None
        for branch, share in reversed(list(zip(self.branches, shares, strict=True))):
            gradient = branch.backward(share, pass_, is_first)
            if gradient is not None:
                total = gradient if total is None else total + gradient
        return None if is_first else total


class BranchModule(nn.Module):
    """Stacks side by side on the same input."""

    def __init__(self, join: str, *branches: nn.Module) -> None:
        super().__init__()
        self.join = join
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs of the branches, joined by concat, sum or mean."""
        outputs = [branch(x) for branch in self.branches]
        if self.join == "concat":
            return torch.cat(outputs, -1)
        total = torch.stack(outputs).sum(0)
        return total / len(outputs) if self.join == "mean" else total

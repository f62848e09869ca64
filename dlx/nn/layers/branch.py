"""The branch block: stacks of layers side by side.

# K runs, B batch, I inputs, O outputs
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal

import torch
from torch import Tensor, nn

from dlx.nn.layers.protocol import Blueprint, Spec
from dlx.nn.layers.stack import Container, Stack
from dlx.nn.moments import Signal, Signals
from dlx.nn.passes import Pass
from dlx.nn.plain import PlainModules
from dlx.nn.theory import Gradients, MeanField, Prediction, mean, sum_of, times
from dlx.streams import Seeds

Join = Literal["concat", "sum", "mean"]


@dataclass(frozen=True)
class BranchSpec(Spec):
    """Stacks side by side on the same input, in one run."""

    name: str
    inputs: int
    branches: tuple[Blueprint, ...]  # an empty one hands the input on
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
        outputs = field.forward_each(self.branches, inputs)
        if outputs is None:
            return None
        if self.join == "concat":
            shares = [width / self.outputs for width in self.widths]
            scaled = [
                [share * moment for moment in output]
                for share, output in zip(shares, outputs, strict=True)
            ]
            joined = Signal(*map(sum, zip(*scaled, strict=True)))
        else:
            factor = 1 / len(outputs) if self.join == "mean" else 1.0
            total = sum_of(outputs)
            joined = Signal(
                factor**2 * total.square, factor**2 * total.product, factor * total.mean
            )
        field.predictions[self.name] = Prediction(joined.variance)
        return joined

    def theory_backward(self, outputs: Gradients, field: MeanField) -> float | None:
        """Return E[dX²], the sum of what the branches hand back."""
        share = 1 / len(self.branches) ** 2 if self.join == "mean" else 1.0
        return field.backward_each(self.branches, times(mean(outputs), share))


class Branch(Container):
    """Split and merge: stacks side by side, joined by concatenation, sum or mean.

    Reference:
        Szegedy et al. (2015), Going deeper with convolutions
    """

    def __init__(
        self, specs: Sequence[BranchSpec], seeds: Seeds, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.name, self.join, self.widths = specs[0].name, specs[0].join, specs[0].widths
        self.layers = [
            Stack(branch, seeds, dtype, device)
            for branch in zip(*(spec.branches for spec in specs), strict=True)
        ]

    def forward(self, x: Tensor, pass_: Pass) -> Tensor:
        """Return the outputs: (K, B, I) to (K, B, O)."""
        outputs = [branch.forward(x, pass_) for branch in self.layers]
        a = torch.cat(outputs, -1) if self.join == "concat" else reduce(torch.add, outputs)
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
            share = upstream / len(self.layers) if self.join == "mean" else upstream
            shares = [share.clone() for _ in self.layers]
        total: Tensor | None = None
        for branch, share in reversed(list(zip(self.layers, shares, strict=True))):
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

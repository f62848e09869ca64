"""Blocks of layers: around a stack (residual) and side by side (branch).

# K runs, B batch, I inputs, O outputs
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from dlx.config.types import Choice
from dlx.nn.activate import Activation
from dlx.nn.dense import DenseSpec
from dlx.nn.parameters import Parameter
from dlx.nn.passes import Pass
from dlx.nn.stack import Blueprint, Stack


@dataclass(frozen=True)
class ResidualSpec:
    """Layers whose input is added to their output, in one run.

    Attributes:
        name: of the block
        inner: the layers
        projection: brings the input to the output's width; None where it has it
        activation: of the sum
    """

    name: str
    inner: Blueprint
    projection: DenseSpec | None
    activation: Choice

    @property
    def outputs(self) -> int:
        """O."""
        return self.inner[-1].outputs

    @property
    def structure(self) -> Hashable:
        """What must agree for runs to share a cohort."""
        return ("residual", tuple(spec.structure for spec in self.inner))

    @property
    def activations(self) -> tuple[Choice, ...]:
        """All activations inside."""
        return (*(each for spec in self.inner for each in spec.activations), self.activation)

    @property
    def parts(self) -> tuple[Any, ...]:
        """The layers inside that have weights."""
        inside = tuple(part for spec in self.inner for part in spec.parts)
        return inside if self.projection is None else (*inside, self.projection)

    def build(
        self,
        specs: "Sequence[ResidualSpec]",
        seeds: Sequence[int],
        dtype: torch.dtype,
        device: torch.device,
    ) -> "Residual":
        """Return the block of all runs."""
        return Residual(specs, seeds, dtype, device)


class Residual:
    """a = g(F(x) + x), or g(F(x) + x W) where the widths differ, in every run of a cohort.

    Args:
        specs: the block in each run
        seeds: one per run

    Reference:
        He, Zhang, Ren and Sun (2016), Deep residual learning for image recognition
    """

    def __init__(
        self,
        specs: Sequence[ResidualSpec],
        seeds: Sequence[int],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.name = specs[0].name
        self.inner = Stack([spec.inner for spec in specs], seeds, dtype, device)
        # The widths agree within a cohort, so all runs have a projection or none has.
        projections = [() if s.projection is None else (s.projection,) for s in specs]
        self.shortcut = Stack(projections, seeds, dtype, device)
        self.activation = Activation(self.name, [spec.activation for spec in specs])

    @property
    def parameters(self) -> list[Parameter]:
        """Those of the layers inside, the projection and the activation."""
        return [
            *self.inner.parameters,
            *self.shortcut.parameters,
            *self.activation.parameters,
        ]

    @property
    def buffers(self) -> dict[str, tuple[Tensor, Sequence[bool]]]:
        """Those of the layers inside."""
        return self.inner.buffers

    def forward(self, x: Tensor, pass_: Pass) -> Tensor:
        """Return the outputs: (K, B, I) to (K, B, O)."""
        z = self.inner.forward(x, pass_) + self.shortcut.forward(x, pass_)
        a = self.activation.forward(z)
        if pass_.tape is not None:
            pass_.tape.append((z, a))
        if pass_.activations is not None:
            pass_.activations[self.name] = a
        return a

    def backward(self, upstream: Tensor, pass_: Pass, is_first: bool = False) -> Tensor | None:
        """Return dX = dF(x) + dX of the shortcut; see `Layer.backward`."""
        dz = self.activation.backward(upstream, *pass_.pop())
        if pass_.gradients is not None:
            pass_.gradients[self.name] = dz.clone()
        # Each of the two owns the gradient that it is handed, and may write over it.
        direct = self.shortcut.backward(dz.clone(), pass_, is_first)
        around = self.inner.backward(dz, pass_, is_first)
        return None if direct is None or around is None else around + direct


Join = Literal["concat", "sum", "mean"]


@dataclass(frozen=True)
class BranchSpec:
    """Stacks side by side on the same input, in one run.

    Attributes:
        name: of the block
        inputs: I
        branches: the layers of each stack; none: the input itself
        join: how their outputs become one
    """

    name: str
    inputs: int
    branches: tuple[Blueprint, ...]
    join: Join

    @property
    def widths(self) -> tuple[int, ...]:
        """Outputs of each branch."""
        return tuple(each[-1].outputs if each else self.inputs for each in self.branches)

    @property
    def outputs(self) -> int:
        """O."""
        return sum(self.widths) if self.join == "concat" else self.widths[0]

    @property
    def structure(self) -> Hashable:
        """What must agree for runs to share a cohort."""
        inside = tuple(tuple(spec.structure for spec in each) for each in self.branches)
        return ("branch", self.join, inside)

    @property
    def activations(self) -> tuple[Choice, ...]:
        """All activations inside."""
        return tuple(a for each in self.branches for spec in each for a in spec.activations)

    @property
    def parts(self) -> tuple[Any, ...]:
        """The layers inside that have weights."""
        return tuple(part for each in self.branches for spec in each for part in spec.parts)

    def build(
        self,
        specs: "Sequence[BranchSpec]",
        seeds: Sequence[int],
        dtype: torch.dtype,
        device: torch.device,
    ) -> "Branch":
        """Return the block of all runs."""
        return Branch(specs, seeds, dtype, device)


class Branch:
    """Split and merge: stacks side by side, joined by concatenation, sum or mean.

    Args:
        specs: the block in each run
        seeds: one per run

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
        """Those of all branches."""
        return [parameter for branch in self.branches for parameter in branch.parameters]

    @property
    def buffers(self) -> dict[str, tuple[Tensor, Sequence[bool]]]:
        """Those of all branches."""
        return {name: value for each in self.branches for name, value in each.buffers.items()}

    def forward(self, x: Tensor, pass_: Pass) -> Tensor:
        """Return the outputs: (K, B, I) to (K, B, O)."""
        outputs = [branch.forward(x, pass_) for branch in self.branches]
        if self.join == "concat":
            a = torch.cat(outputs, -1)
        else:
            a = outputs[0]
            for each in outputs[1:]:
                a = a + each
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

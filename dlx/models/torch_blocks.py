"""Blocks of layers as ordinary torch modules. Their source stands in exported loader scripts."""

import torch
from torch import Tensor, nn


class Residual(nn.Module):
    """The input, projected where the widths differ, added to what inner layers make of it."""

    def __init__(self, inner: nn.Module, projection: nn.Module, activation: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.projection = projection
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Return g(F(x) + x)."""
        return self.activation(self.inner(x) + self.projection(x))


class Branch(nn.Module):
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


class Largest(nn.Module):
    """Maxout: the largest of each unit's affine maps, which stand side by side."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, z: Tensor) -> Tensor:
        """Return (B, O) of (B, O pieces)."""
        return z.unflatten(-1, (-1, self.pieces)).max(-1).values

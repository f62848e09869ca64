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

    def extra_repr(self) -> str:
        """Return what it was made with."""
        return str(self.pieces)

    def forward(self, z: Tensor) -> Tensor:
        """Return (B, O) of (B, O pieces)."""
        return z.unflatten(-1, (-1, self.pieces)).max(-1).values


class KLargest(nn.Module):
    """A k-sparse code: the k largest units of each row, of equal ones the first; 0 for the rest."""

    def __init__(self, k: int) -> None:
        super().__init__()
        self.k = k

    def extra_repr(self) -> str:
        """Return what it was made with."""
        return str(self.k)

    def forward(self, h: Tensor) -> Tensor:
        """Return (B, C) of (B, C)."""
        bound = h.topk(self.k).values[..., -1:]
        above, tied = (h > bound).long(), (h == bound).long()
        free = self.k - above.sum(-1, keepdim=True)
        return h * (above + tied * (tied.cumsum(-1) <= free))


class CodeMean(nn.Module):
    """A variational code in evaluation: the means, which stand before the log variances."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.units = units

    def extra_repr(self) -> str:
        """Return what it was made with."""
        return str(self.units)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C) of (B, 2 C)."""
        return x[..., : self.units]


class Transposed(nn.Module):
    """A linear layer whose weight is that of another one, transposed; its bias is its own."""

    def __init__(self, linear: nn.Linear, bias: bool = True) -> None:
        super().__init__()
        # In a tuple, so that the weight is a parameter, and is saved, where it belongs alone.
        self.owner = (linear,)
        self.out_features = linear.in_features
        self.bias = nn.Parameter(torch.zeros(linear.in_features)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Return x W^T + b, the owner's W as torch has it being (O, I)."""
        return nn.functional.linear(x, self.owner[0].weight.T, self.bias)


class Recurrent(nn.Module):
    """An RNN, GRU or LSTM that reads flat inputs step by step, from a state of zeros."""

    def __init__(
        self,
        cell: str,
        shape: tuple[int, ...],
        axis: int,
        handed: str,
        projection: nn.Module,
        hidden: nn.Linear,
        activation: nn.Module,
        after: nn.Module,
    ) -> None:
        super().__init__()
        self.cell, self.shape, self.axis, self.handed = cell, shape, axis, handed
        self.projection = projection
        self.hidden = hidden
        self.activation = activation
        self.after = after
        if cell == "gru":
            self.bias = nn.Parameter(torch.zeros(hidden.in_features))

    def forward(self, x: Tensor) -> Tensor:
        """Return the last state, the mean of the states, or all of them side by side."""
        rows, steps = x.shape[0], self.shape[self.axis]
        read = x.unflatten(-1, self.shape).movedim(1 + self.axis, 1).flatten(2)
        z = self.projection(read.flatten(0, 1)).unflatten(0, (rows, steps))
        h = c = z.new_zeros(rows, self.hidden.in_features)
        states = []
        for step in range(steps):
            h, c = self.step(z[:, step], self.hidden(h), h, c)
            states.append(h)
        if self.handed == "all":
            every = self.after(torch.stack(states, 1).flatten(0, 1))
            return every.unflatten(0, (rows, steps)).flatten(1)
        return self.after(states[-1] if self.handed == "last" else torch.stack(states).mean(0))

    def step(self, z: Tensor, u: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Return the next state and memory."""
        if self.cell == "rnn":
            return self.activation(z + u), c
        if self.cell == "gru":
            (z_r, z_u, z_n), (u_r, u_u, u_n) = z.chunk(3, -1), u.chunk(3, -1)
            n = self.activation(z_n + (z_r + u_r).sigmoid() * (u_n + self.bias))
            return n + (z_u + u_u).sigmoid() * (h - n), c
        i, f, n, o = (z + u).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * self.activation(n)
        return o.sigmoid() * self.activation(c), c

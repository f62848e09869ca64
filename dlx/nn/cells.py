"""One step of a recurrent layer, and its gradient, for every run of a cohort.

# K runs, B batch, H units

A cell's pre-activations stand gate by gate, (G, K, B, H): `zs` from the inputs, `us` from the state
h of the step before. Its state is h, and for an LSTM the memory c beside it.
"""

from typing import Any, Protocol

import torch
from torch import Tensor

from dlx.nn.activate import Activation
from dlx.nn.activations import sigmoid

Recorded = tuple[Any, ...]


class Cell(Protocol):
    """How a state becomes the next one."""

    gates: int
    """G: pre-activations of each unit."""
    biased: bool
    """Whether a bias stands beside the last gate's part from the state."""
    memory: bool
    """Whether there is a memory c beside h."""

    def forward(
        self, zs: Tensor, us: Tensor, h: Tensor, c: Tensor, g: Activation
    ) -> tuple[Tensor, Tensor, Recorded]:
        """Return the next h, the next c, and what `backward` needs."""
        ...

    def backward(
        self, dh: Tensor, dc: Tensor, recorded: Recorded, g: Activation
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return d zs, d us, and the parts of dh and dc that do not pass through them."""
        ...


class RNN:
    """h' = g(z + u).

    Reference:
        Elman (1990), Finding structure in time
    """

    gates, biased, memory = 1, False, False

    def forward(
        self, zs: Tensor, us: Tensor, h: Tensor, c: Tensor, g: Activation
    ) -> tuple[Tensor, Tensor, Recorded]:
        """Return the next state; see `Cell.forward`."""
        z = zs[0] + us[0]
        a = g.forward(z)
        return a, c, (z, a)

    def backward(
        self, dh: Tensor, dc: Tensor, recorded: Recorded, g: Activation
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the gradients; see `Cell.backward`."""
        dz = g.backward(dh.clone(), *recorded).unsqueeze(0)
        return dz, dz, torch.zeros_like(dh), dc


class GRU:
    """h' = (1 - u) n + u h with r, u = sigmoid(z + u_h) and n = g(z_n + r (u_n + b)).

    The gates stand in the order r, u, n.

    Reference:
        Cho et al. (2014), Learning phrase representations using RNN encoder-decoder; with the reset
        gate after the product, as torch and cuDNN have it
    """

    gates, biased, memory = 3, True, False

    def forward(
        self, zs: Tensor, us: Tensor, h: Tensor, c: Tensor, g: Activation
    ) -> tuple[Tensor, Tensor, Recorded]:
        """Return the next state; see `Cell.forward`."""
        reset, update = sigmoid(zs[0] + us[0]), sigmoid(zs[1] + us[1])
        z = zs[2] + reset * us[2]
        n = g.forward(z)
        return n + update * (h - n), c, (reset, update, us[2], z, n, h)

    def backward(
        self, dh: Tensor, dc: Tensor, recorded: Recorded, g: Activation
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the gradients; see `Cell.backward`."""
        reset, update, u, z, n, h = recorded
        dz = g.backward(dh * (1 - update), z, n)
        d_reset = dz * u * reset * (1 - reset)
        d_update = dh * (h - n) * update * (1 - update)
        dzs = torch.stack([d_reset, d_update, dz])
        return dzs, torch.stack([d_reset, d_update, dz * reset]), dh * update, dc


class LSTM:
    """c' = f c + i n and h' = o g(c') with i, f, o = sigmoid(z + u) and n = g(z + u).

    The gates stand in the order i, f, n, o.

    Reference:
        Hochreiter and Schmidhuber (1997), Long short-term memory; Gers, Schmidhuber and Cummins
        (2000), Learning to forget
    """

    gates, biased, memory = 4, False, True

    def forward(
        self, zs: Tensor, us: Tensor, h: Tensor, c: Tensor, g: Activation
    ) -> tuple[Tensor, Tensor, Recorded]:
        """Return the next state; see `Cell.forward`."""
        z = zs + us
        i, f, o = sigmoid(z[0]), sigmoid(z[1]), sigmoid(z[3])
        n = g.forward(z[2])
        following = f * c + i * n
        a = g.forward(following)
        return o * a, following, (i, f, o, z[2], n, c, following, a)

    def backward(
        self, dh: Tensor, dc: Tensor, recorded: Recorded, g: Activation
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the gradients; see `Cell.backward`."""
        i, f, o, z, n, c, following, a = recorded
        through = g.backward(dh * o, following, a)
        learned = [parameter.gradient.clone() for parameter in g.parameters]
        dc = dc + through
        dz = g.backward(dc * i, z, n)
        for parameter, gradient in zip(g.parameters, learned, strict=True):
            parameter.gradient += gradient
        d_i, d_f, d_o = dc * n * i * (1 - i), dc * c * f * (1 - f), dh * a * o * (1 - o)
        dzs = torch.stack([d_i, d_f, dz, d_o])
        return dzs, dzs, torch.zeros_like(dh), dc * f


CELLS: dict[str, Cell] = {"rnn": RNN(), "gru": GRU(), "lstm": LSTM()}

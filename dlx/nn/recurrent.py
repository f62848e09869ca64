"""The recurrent layer on the run axis: reads its inputs step by step.

# K runs, B batch, T steps, I inputs of a step, H units, G gates
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from dlx.config.types import Choice
from dlx.nn import initializers
from dlx.nn.activate import Activation
from dlx.nn.cells import CELLS
from dlx.nn.dense import Dense, DenseSpec
from dlx.nn.dropout import Dropout
from dlx.nn.noise import GaussianNoise
from dlx.nn.normalization import BatchNormOptions, LayerNormOptions, Normalization
from dlx.nn.parameters import Parameter
from dlx.nn.passes import Pass
from dlx.nn.products import product

Handed = Literal["last", "mean", "all"]


@dataclass(frozen=True)
class RecurrentSpec:
    """One recurrent layer of one run.

    Attributes:
        name: its number, from 1
        shape: of its inputs, laid out flat
        axis: of `shape`, along which the steps go
        units: H
        cell: rnn, gru or lstm
        handed: what goes to the next layer: the last state, the mean of the states, or all of them
        projection: from the inputs of a step to the gates
        activation: g
        init: initializer of the weights from state to gates
        batch_norm: of the states, None for none; that of the projection is its own
        layer_norm: likewise
        dropout: share of the outputs that is dropped in training
        dropout_kind: how
        noise: standard deviation of the noise on the outputs in training
    """

    name: str
    shape: tuple[int, ...]
    axis: int
    units: int
    cell: str
    handed: Handed
    projection: DenseSpec
    activation: Choice
    init: Choice
    batch_norm: BatchNormOptions | None = None
    layer_norm: LayerNormOptions | None = None
    dropout: float = 0.0
    dropout_kind: str = "dropout"
    noise: float = 0.0

    # What parts have in common that a recurrent layer has in its projection alone.
    weight_norm = False
    pieces = 1

    @property
    def num_steps(self) -> int:
        """T."""
        return self.shape[self.axis]

    @property
    def inputs(self) -> int:
        """H: what the weights from state to gates take."""
        return self.units

    @property
    def outputs(self) -> int:
        """H, or T H where all states are handed on."""
        return self.units * (self.num_steps if self.handed == "all" else 1)

    @property
    def structure(self) -> Hashable:
        """What must agree for runs to share a cohort."""
        return ("recurrent", self.shape, self.axis, self.units, self.cell, self.handed)

    @property
    def activations(self) -> tuple[Choice, ...]:
        """Its one activation."""
        return (self.activation,)

    @property
    def parts(self) -> tuple[Any, ...]:
        """The projection of the inputs, and the layer itself: it has the weights of the state."""
        return (self.projection, self)

    @property
    def norm(self) -> BatchNormOptions | LayerNormOptions | None:
        """The normalization of the states."""
        return self.batch_norm or self.layer_norm

    @property
    def choices(self) -> tuple[Any, ...]:
        """What else may differ within a cohort, the dearest to split first."""
        return (self.norm, (self.dropout_kind, self.dropout), self.noise, self.init)

    def read(self, x: Tensor) -> Tensor:
        """Return the inputs step by step: (K, B, T I) as they are laid out to (K, B, T, I)."""
        steps = x.unflatten(2, self.shape).movedim(2 + self.axis, 2)
        return steps.reshape(*x.shape[:2], self.num_steps, -1)

    def build(
        self,
        specs: "Sequence[RecurrentSpec]",
        seeds: Sequence[int],
        dtype: torch.dtype,
        device: torch.device,
    ) -> "Recurrent":
        """Return the layer of all runs."""
        return Recurrent(specs, seeds, dtype, device)


class Recurrent:
    """h_t = cell(x_t W, h_(t-1) U), from h_0 = 0, in every run of a cohort; see `dlx.nn.cells`.

    The products with W of all steps are one; only those with U wait for each other.

    Args:
        specs: the layer in each run
        seeds: one per run
    """

    def __init__(
        self,
        specs: Sequence[RecurrentSpec],
        seeds: Sequence[int],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        spec = specs[0]
        self.name = spec.name
        self.spec = spec
        self.cell = CELLS[spec.cell]
        self.projection = Dense([s.projection for s in specs], seeds, dtype, device)
        everyone = [True] * len(specs)
        units = spec.units

        def weight(run: int) -> Tensor:
            return initializers.draw_gates(
                specs[run].init, seeds[run], self.name, units, units, self.cell.gates
            )

        shape = (units, units * self.cell.gates)
        self.weight = Parameter(f"{self.name}.weight", shape, everyone, weight)
        zeros = torch.zeros(1, units)
        self.bias = Parameter(f"{self.name}.bias", (1, units), everyone, lambda run: zeros)
        self.activation = Activation(self.name, [s.activation for s in specs])
        norms = [s.norm for s in specs]
        self.normalization = Normalization(self.name, norms, units, dtype, device)
        self.noise = GaussianNoise(self.name, [s.noise for s in specs], seeds, dtype, device)
        rates, kinds = [s.dropout for s in specs], [s.dropout_kind for s in specs]
        self.dropout = Dropout(self.name, rates, kinds, seeds, dtype, device)

    @property
    def parameters(self) -> list[Parameter]:
        """Those of the projection, and the layer's own that at least one run has."""
        learned = [self.normalization.gain, self.normalization.shift, *self.activation.parameters]
        return [
            *self.projection.parameters,
            self.weight,
            *([self.bias] if self.cell.biased else []),
            *(parameter for parameter in learned if any(parameter.owners)),
        ]

    @property
    def buffers(self) -> dict[str, tuple[Tensor, Sequence[bool]]]:
        """The running statistics of batch norm."""
        return self.projection.buffers | self.normalization.buffers(self.name)

    def forward(self, x: Tensor, pass_: Pass) -> Tensor:
        """Return the outputs: (K, B, T I) to (K, B, H), or (K, B, T H) where all are handed on."""
        num_runs, rows, steps = x.shape[0], x.shape[1], self.spec.num_steps
        z = self.projection.forward(self.spec.read(x).flatten(1, 2), pass_)
        # Each step's and each gate's numbers stand together: no elementwise function meets strides.
        zs = z.view(num_runs, rows, steps, self.cell.gates, -1).permute(2, 3, 0, 1, 4).contiguous()
        h = x.new_zeros(num_runs, rows, self.spec.units)
        c = torch.zeros_like(h) if self.cell.memory else h
        states, recorded = [h], []
        for step in range(steps):
            us = self._gates(product(h, self.weight.value))
            if self.cell.biased:
                us[-1] += self.bias.value
            h, c, needed = self.cell.forward(zs[step], us, h, c, self.activation)
            states.append(h)
            recorded.append(needed)
        if pass_.tape is not None:
            pass_.tape.append((states, recorded))
        if pass_.states is not None:
            pass_.states[self.name] = torch.stack(states[1:], 2)
        a = self._handed(states[1:])
        y = self.normalization.forward(a, "after", pass_)
        if self.spec.handed == "all":
            y = y.view(num_runs, rows, -1)
        if pass_.activations is not None:
            pass_.activations[self.name] = y
        return self.dropout.forward(self.noise.forward(y, pass_), pass_)

    def backward(self, upstream: Tensor, pass_: Pass, is_first: bool = False) -> Tensor | None:
        """Leave the gradients of the parameters in their buffer, and return that of x.

        Back-propagation through time: each step's gradient of h is that of its output and what the
        step after it hands back.
        """
        dy = self.dropout.backward(upstream, pass_)
        if self.spec.handed == "all":
            dy = dy.reshape(dy.shape[0], -1, self.spec.units)
        da = self.normalization.backward(dy, "after", pass_)
        states, recorded = pass_.pop()
        steps, (num_runs, rows, _) = self.spec.num_steps, states[0].shape
        outputs = self._share(da, states[0])
        dh = dc = torch.zeros_like(states[0])
        learned = [torch.zeros_like(p.gradient) for p in self.activation.parameters]
        dzs, dus = [], []
        for step in reversed(range(steps)):
            share = outputs[step]
            dh = dh if share is None else dh + share
            dz, du, direct, dc = self.cell.backward(dh, dc, recorded[step], self.activation)
            for total, parameter in zip(learned, self.activation.parameters, strict=True):
                total += parameter.gradient
            du = du.permute(1, 2, 0, 3).reshape(num_runs, rows, -1)
            dh = direct + product(du, self.weight.value.mT)
            dzs.append(dz)
            dus.append(du)
        for total, parameter in zip(learned, self.activation.parameters, strict=True):
            parameter.gradient.copy_(total)
        du = torch.cat(dus[::-1], 1)
        product(torch.cat(states[:-1], 1).mT, du, out=self.weight.gradient)
        if self.cell.biased:
            torch.sum(du[..., -self.spec.units :], 1, keepdim=True, out=self.bias.gradient)
        dz = torch.stack(dzs[::-1]).permute(2, 3, 0, 1, 4).reshape(num_runs, rows * steps, -1)
        if pass_.gradients is not None:
            pass_.gradients[self.name] = dz.clone()
        dx = self.projection.backward(dz, pass_, is_first)
        if dx is None:
            return None
        shape, axis = self.spec.shape, self.spec.axis
        moved = (steps, *shape[:axis], *shape[axis + 1 :])
        dx = dx.view(num_runs, rows, *moved).movedim(2, 2 + axis)
        return dx.reshape(num_runs, rows, -1)

    def _gates(self, u: Tensor) -> Tensor:
        """Return (K, B, G H) gate by gate: (G, K, B, H)."""
        return u.unflatten(2, (self.cell.gates, -1)).permute(2, 0, 1, 3).contiguous()

    def _handed(self, states: list[Tensor]) -> Tensor:
        """Return what is handed on of the states: (K, B, H), or all, (K, B T, H)."""
        if self.spec.handed == "all":
            return torch.stack(states, 2).flatten(1, 2)
        if self.spec.handed == "last":
            return states[-1]
        total = states[0]
        for state in states[1:]:
            total = total + state
        return total / len(states)

    def _share(self, da: Tensor, like: Tensor) -> Sequence[Tensor | None]:
        """Return the gradient of each step's state, given that of what was handed on."""
        steps = self.spec.num_steps
        if self.spec.handed == "all":
            return list(da.view(*like.shape[:2], steps, -1).permute(2, 0, 1, 3).contiguous())
        if self.spec.handed == "last":
            return [*[None] * (steps - 1), da]
        return [da / steps] * steps

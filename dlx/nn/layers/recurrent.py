"""The recurrent layer: an RNN, GRU or LSTM that reads its inputs step by step.

# K runs, B batch, T steps, I inputs of a step, H units, G gates
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal

import torch
from torch import Tensor, nn

from dlx.config.types import Choice
from dlx.nn import initializers
from dlx.nn.activate import Activation
from dlx.nn.activations import sigmoid
from dlx.nn.dropout import Dropout, GaussianNoise
from dlx.nn.layers.dense import Dense, DenseSpec
from dlx.nn.layers.protocol import Spec
from dlx.nn.moments import Signal, Signals, measured, pooled, through
from dlx.nn.normalization import BatchNorm, LayerNorm, Normalization
from dlx.nn.parameters import Parameter
from dlx.nn.passes import Pass
from dlx.nn.plain import PlainModules, activation_module, learned_tensors
from dlx.nn.products import product
from dlx.nn.theory import Gradients, MeanField, disturbed, is_known, mean
from dlx.streams import Seeds

Handed = Literal["last", "mean", "all"]


@dataclass(frozen=True)
class ProjectionSpec(DenseSpec):
    """The affine map from the inputs of a step to the gates; the same one at all T steps."""

    num_steps: int = 1

    @property
    def flops(self) -> int:
        """Operations of all steps."""
        return self.num_steps * super().flops

    @property
    def input_flops(self) -> int:
        """Operations of all steps."""
        return self.num_steps * super().input_flops


@dataclass(frozen=True)
class RecurrentSpec(Spec):
    """One recurrent layer of one run."""

    name: str
    shape: tuple[int, ...]  # of the inputs, which are laid out flat
    axis: int  # of `shape`, along which the steps go
    units: int  # H
    cell: str
    handed: Handed  # what goes to the next layer: a state, their mean, or all states
    projection: ProjectionSpec  # from the inputs of a step to the gates
    activation: Choice
    init: Choice  # of the weights from state to gates
    batch_norm: BatchNorm | None = None  # of the states; the projection may have its own
    layer_norm: LayerNorm | None = None
    dropout: float = 0.0  # share of the outputs
    dropout_kind: str = "dropout"
    noise: float = 0.0

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
    def norm(self) -> BatchNorm | LayerNorm | None:
        """The normalization of the states."""
        return self.batch_norm or self.layer_norm

    @property
    def inside(self) -> tuple[tuple[ProjectionSpec], ...]:
        """The projection."""
        return ((self.projection,),)

    @property
    def structure(self) -> tuple[Any, ...]:
        """The kind, and what shapes depend on."""
        return ("recurrent", self.shape, self.axis, self.units, self.cell, self.handed)

    @property
    def activations(self) -> tuple[Choice, ...]:
        """The one activation."""
        return (self.activation,)

    @property
    def parts(self) -> tuple[Any, ...]:
        """The projection of the inputs, and the layer itself: it has the weights of the state."""
        return (self.projection, self)

    @property
    def choices(self) -> tuple[Any, ...]:
        """What else may differ within a cohort, the dearest to split first."""
        return (self.norm, (self.dropout_kind, self.dropout), self.noise, self.init)

    @property
    def layer_class(self) -> "type[Recurrent]":
        """The class of its run-axis layer."""
        return Recurrent

    def steps_of(self, x: Tensor) -> Tensor:
        """Return the inputs step by step: (K, B, T I) as they are laid out to (K, B, T, I)."""
        steps = x.unflatten(2, self.shape).movedim(2 + self.axis, 2)
        return steps.reshape(*x.shape[:2], self.num_steps, -1)

    def plain(self, modules: PlainModules) -> None:
        """Append a `RecurrentModule`."""
        projection = modules.inside("projection", (self.projection,)).modules
        hidden = nn.Linear(self.units, self.projection.outputs, bias=False)
        activation = activation_module(self.activation)
        after = modules.inside("after")
        if self.norm:
            after.add_norm(self.norm, self.units, self.name)
        tensors = {"weight": "hidden.weight"}
        if CELLS[self.cell].biased:
            tensors["bias"] = "bias"
        options = (self.cell, self.shape, self.axis, self.handed)
        module = RecurrentModule(*options, projection, hidden, activation, after.modules)
        tensors |= learned_tensors(self.activation, activation, "activation.")
        modules.add(module, self.name, **tensors)
        modules.add_dropout(self.dropout, self.dropout_kind)

    def facts(self) -> dict[str, Any]:
        """Return choices by name."""
        return {
            "cell": self.cell,
            "activation": self.activation.name,
            "init": self.init.name,
            "fan_in": self.units,
            "fan_out": self.units,
            "dropout": self.dropout,
            "dropout_kind": self.dropout_kind,
            "noise": self.noise,
            "batch_norm": self.batch_norm.position if self.batch_norm else None,
            "layer_norm": self.layer_norm.position if self.layer_norm else None,
        }

    def shapes(self, rows: int) -> dict[str, list[int]]:
        """Return the shapes of a step, without those of the projection."""
        gates = self.projection.outputs
        bias = {"b": [self.units, 1]} if CELLS[self.cell].biased else {}
        units = {"Z": [gates, rows], "A": [self.units, rows]}
        return self._with_gradients({"U": [gates, self.units]} | bias | units)

    @property
    def flops(self) -> int:
        """Of each step: the product with U, the sum with the projection, the bias of a GRU."""
        gates = self.projection.outputs
        bias = self.units * CELLS[self.cell].biased
        return self.num_steps * (2 * self.units * gates + gates + bias)

    def input_signals(self, x: Tensor) -> list[Signal]:
        """Return the moments of each step's inputs."""
        return [measured(step) for step in self.steps_of(x.unsqueeze(0))[0].unbind(1)]

    def theory_forward(self, inputs: Signals, field: MeanField) -> Signals:
        """Return the moments of the last state, or of all states, of an rnn.

        With weights of mean square v_U from H units to H, drawn independently or orthogonal, the
        state of step t has z_t ~ N(0, q_t), q_t = E[(x_t W + b)²] + H v_U E[h_(t-1)²]. Theory does
        not apply to the states of gru and lstm, nor to normalized states.

        Reference:
            Chen, Pennington and Schoenholz (2018), Dynamical isometry and a mean field theory of
            RNNs
        """
        weights = field.weights[self.name]
        zs = self._projected(inputs, field)
        applies = self.cell == "rnn" and weights.is_centred and weights.has_centred_diagonal
        if zs is None or not applies:
            return None
        gain, h = self.units * weights.square, Signal(0.0, 0.0, 0.0)
        states, slopes = [], []
        for z in zs:
            square, product = z.square + gain * h.square, z.product + gain * h.product
            if not math.isfinite(square):
                return None
            h, slope = through(self.activation, square, product)
            if not h.is_finite:
                return None
            states.append(h)
            slopes.append(slope)
        prediction = field.prediction(self.name)
        prediction.variances = [state.variance for state in states]
        if self.handed == "mean":  # the states of a row are not independent
            field.recorded[self.name] = slopes
            return None
        handed = states if self.handed == "all" else states[-1:]
        prediction.variance = pooled(handed).variance
        if not is_known(self.dropout, self.dropout_kind):
            return None
        field.recorded[self.name] = slopes
        outputs = [disturbed(state, self.noise, self.dropout) for state in handed]
        return outputs if self.handed == "all" else outputs[0]

    def _projected(self, inputs: Signals, field: MeanField) -> list[Signal] | None:
        """Return the moments of what each step's inputs give to z."""
        if self.norm or self.projection.norm:
            return None
        steps = inputs if isinstance(inputs, list) else [inputs] * self.num_steps
        zs = [self.projection.theory_forward(step, field) for step in steps]
        known = [z for z in zs if z is not None]
        field.recorded.pop(self.projection.name, None)
        field.predictions.pop(self.projection.name, None)
        if len(known) < self.num_steps:
            return None
        field.prediction(self.projection.name).variance = pooled(known).variance
        return known

    def theory_backward(self, outputs: Gradients, field: MeanField) -> Gradients:
        """Return E[dX²] of each step.

        Back in time E[dz_t²] = E[g'(z_t)²] (E[dy_t²] + H v_U E[dz_(t+1)²]), y_t being what is
        handed on of h_t.
        """
        slopes, gain = field.recorded.get(self.name), self.units * field.weights[self.name].square
        if outputs is None or slopes is None:
            return None
        dzs: list[float] = []
        later = 0.0
        for slope, dy in zip(reversed(slopes), reversed(self._shares(outputs)), strict=True):
            if slope is None:
                return None
            dzs.append(slope * (dy / (1 - self.dropout) + later))
            later = gain * dzs[-1]
        dzs.reverse()
        for name in (self.name, self.projection.name):
            field.prediction(name).gradient = mean(dzs)
        field.prediction(self.name).gradients = dzs
        into_inputs = self.projection.outputs * field.weights[self.projection.name].square
        return [into_inputs * dz for dz in dzs]

    def _shares(self, outputs: float | list[float]) -> list[float]:
        """Return the mean square of the gradient of each step's state from the outputs."""
        count = self.num_steps
        if self.handed == "all":
            return outputs if isinstance(outputs, list) else [outputs] * count
        total = mean(outputs)
        assert total is not None
        if self.handed == "last":
            return [0.0] * (count - 1) + [total]
        return [total / count**2] * count


class Recurrent:
    """h_t = cell(x_t W, h_(t-1) U), from h_0 = 0, in every run of a cohort; see `RNN`.

    The products with W of all steps are one; only those with U wait for each other.
    """

    def __init__(
        self, specs: Sequence[RecurrentSpec], seeds: Seeds, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.spec = spec = specs[0]
        self.name, units = spec.name, spec.units
        self.cell = CELLS[spec.cell]
        self.projection = Dense([s.projection for s in specs], seeds, dtype, device)
        everyone = [True] * len(specs)

        gates = self.cell.gates

        def weight(run: int) -> Tensor:
            init, seed = specs[run].init, seeds[run]
            return initializers.draw_gates(init, seed, self.name, units, units, gates)

        self.weight = Parameter(f"{self.name}.weight", (units, units * gates), everyone, weight)
        zeros = torch.zeros(1, units)
        self.bias = Parameter(f"{self.name}.bias", (1, units), everyone, lambda run: zeros)
        self.activation = Activation(self.name, [s.activation for s in specs])
        norms = [s.norm for s in specs]
        self.normalization = Normalization(self.name, norms, units, dtype, device)
        self.noise = GaussianNoise(self.name, [s.noise for s in specs], seeds, dtype, device)
        rates, kinds = [s.dropout for s in specs], [s.dropout_kind for s in specs]
        self.dropout = Dropout(self.name, rates, kinds, seeds, dtype, device)
        own = [self.weight, self.bias] if self.cell.biased else [self.weight]
        after = [*self.normalization.parameters, *self.activation.parameters]
        self.parameters = [*self.projection.parameters, *own, *after]
        self.buffers = self.projection.buffers | self.normalization.buffers

    def forward(self, x: Tensor, pass_: Pass) -> Tensor:
        """Return the outputs: (K, B, T I) to (K, B, H), or (K, B, T H) where all are handed on."""
        num_runs, rows, steps = x.shape[0], x.shape[1], self.spec.num_steps
        z = self.projection.forward(self.spec.steps_of(x).flatten(1, 2), pass_)
        # The numbers of a step and a gate lie together: elementwise functions have other bits in
        # memory with gaps.
        zs = z.view(num_runs, rows, steps, self.cell.gates, -1).permute(2, 3, 0, 1, 4).contiguous()
        h = x.new_zeros(num_runs, rows, self.spec.units)
        c = torch.zeros_like(h) if self.cell.memory else h
        states, recorded = [h], []
        for step in range(steps):
            us = product(h, self.weight.value).unflatten(2, (self.cell.gates, -1))
            us = us.permute(2, 0, 1, 3).contiguous()
            if self.cell.biased:
                us[-1] += self.bias.value
            h, c, needed = self.cell.forward(zs[step], us, h, c, self.activation)
            states.append(h)
            recorded.append(needed)
        pass_.record((states, recorded))
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

        Back-propagation through time: the gradient of a step's h is that of its output plus what
        the next step hands back.
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
        dx = dx.view(num_runs, rows, steps, *shape[:axis], *shape[axis + 1 :])
        return dx.movedim(2, 2 + axis).reshape(num_runs, rows, -1)

    def _handed(self, states: list[Tensor]) -> Tensor:
        """Return the outputs: the last or the mean state, (K, B, H), or all, (K, B T, H)."""
        if self.spec.handed == "all":
            return torch.stack(states, 2).flatten(1, 2)
        if self.spec.handed == "last":
            return states[-1]
        return reduce(torch.add, states) / len(states)

    def _share(self, da: Tensor, like: Tensor) -> Sequence[Tensor | None]:
        """Return the gradient of each step's state from that of the outputs; None for zero."""
        steps = self.spec.num_steps
        if self.spec.handed == "all":
            return list(da.view(*like.shape[:2], steps, -1).permute(2, 0, 1, 3).contiguous())
        if self.spec.handed == "last":
            return [*[None] * (steps - 1), da]
        return [da / steps] * steps


Recorded = tuple[Any, ...]
Following = tuple[Tensor, Tensor, Recorded]
"""The next h, the next c, and what the backward formula needs."""
CellGradients = tuple[Tensor, Tensor, Tensor, Tensor]
"""d zs, d us, and the parts of dh and dc that do not pass through zs and us."""


class RNN:
    """h' = g(z + u): how a state becomes the next one, and the gradient of that, of K runs.

    The other cells work like it. Pre-activations stand gate by gate, (G, K, B, H): `zs` from the
    inputs, `us` from the state h of the step before. The state is h, and for an LSTM the memory c
    beside it. A cell may have a bias beside the last gate's part from the state.

    Reference:
        Elman (1990), Finding structure in time
    """

    gates, biased, memory = 1, False, False

    def forward(self, zs: Tensor, us: Tensor, h: Tensor, c: Tensor, g: Activation) -> Following:
        """Return the next state."""
        z = zs[0] + us[0]
        a = g.forward(z)
        return a, c, (z, a)

    def backward(self, dh: Tensor, dc: Tensor, recorded: Recorded, g: Activation) -> CellGradients:
        """Return the gradients of what `forward` got, given those of the next state."""
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

    def forward(self, zs: Tensor, us: Tensor, h: Tensor, c: Tensor, g: Activation) -> Following:
        """Return the next state; see `RNN.forward`."""
        reset, update = sigmoid(zs[0] + us[0]), sigmoid(zs[1] + us[1])
        z = zs[2] + reset * us[2]
        n = g.forward(z)
        return n + update * (h - n), c, (reset, update, us[2], z, n, h)

    def backward(self, dh: Tensor, dc: Tensor, recorded: Recorded, g: Activation) -> CellGradients:
        """Return the gradients; see `RNN.backward`."""
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

    def forward(self, zs: Tensor, us: Tensor, h: Tensor, c: Tensor, g: Activation) -> Following:
        """Return the next state; see `RNN.forward`."""
        z = zs + us
        i, f, o = sigmoid(z[0]), sigmoid(z[1]), sigmoid(z[3])
        n = g.forward(z[2])
        following = f * c + i * n
        a = g.forward(following)
        return o * a, following, (i, f, o, z[2], n, c, following, a)

    def backward(self, dh: Tensor, dc: Tensor, recorded: Recorded, g: Activation) -> CellGradients:
        """Return the gradients; see `RNN.backward`."""
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


CELLS: dict[str, RNN | GRU | LSTM] = {"rnn": RNN(), "gru": GRU(), "lstm": LSTM()}


class RecurrentModule(nn.Module):
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
            outputs = self.after(torch.stack(states, 1).flatten(0, 1))
            return outputs.unflatten(0, (rows, steps)).flatten(1)
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

"""The restricted Boltzmann machine: two layers that share a weight, learned by Gibbs sampling.

# K runs, B batch, I visible units, H hidden units, C chains, N samples

p(v, h) = exp(-E(v, h)) / Z with hidden units of 0 and 1. The energy is E = -v W h - b v - c h for
visible units of 0 and 1, and E = -v W h + |v - b|^2 / 2 - c h for Gaussian ones of unit variance.
Given the units of one side, those of the other are independent: p(h = 1 | v) = sigmoid(v W + c),
and v has the mean sigmoid(h W^T + b), or h W^T + b of Gaussian units. The layer `Hidden` goes up to
probabilities, the layer `Visible` goes down from them.

The gradient of -log p(v) is d F(v) - E[d F(v')] with v' from the model's own distribution. The free
energy is F(v) = -b v - sum softplus(v W + c), with |v - b|^2 / 2 in place of -b v for Gaussian
units. The second term is the negative phase: Gibbs sampling estimates it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import zip_longest
from typing import Any, Literal

import torch
from torch import Tensor

from dlx.nn.activations import sigmoid, softplus
from dlx.nn.draws import Draws
from dlx.nn.layers.dense import Dense, DenseSpec
from dlx.nn.layers.protocol import Spec
from dlx.nn.parameters import Parameter
from dlx.nn.passes import Pass
from dlx.nn.products import product
from dlx.segments import segments
from dlx.streams import Seeds, generator, standard_normal, uniform

VisibleUnits = Literal["bernoulli", "gaussian"]
FREE_ENERGY = "free_energy"
"""Name of the measure in evaluations."""


@dataclass(frozen=True)
class HiddenSpec(DenseSpec):
    """The hidden units of an RBM, the first layer of one run; the activation is sigmoid."""

    visible: VisibleUnits = "bernoulli"
    gibbs_steps: int = 1  # k, from the data (contrastive divergence) or the chains
    chains: int = 0  # C, of persistent contrastive divergence; 0: steps start from the data
    means: bool = False  # the last visible units are their means, not samples

    follows_cost = False
    can_sample = True

    @property
    def starts_on_data(self) -> bool:
        """Whether the first batch sets weights: it sets the visible biases."""
        return True

    @property
    def structure(self) -> tuple[Any, ...]:
        """The kind, and what shapes depend on."""
        return (*super().structure, self.visible, self.chains)

    @property
    def choices(self) -> tuple[Any, ...]:
        """What else may differ within a cohort, the dearest to split first."""
        return (self.gibbs_steps, self.means, *super().choices)

    @property
    def measures(self) -> tuple[str, ...]:
        """The free energy."""
        return (FREE_ENERGY,)

    @property
    def layer_class(self) -> "type[Hidden]":
        """The class of its run-axis layer."""
        return Hidden

    def without_terms(self) -> Spec:
        """Return the hidden units as a layer that learns by the cost."""
        return DenseSpec(**{field.name: getattr(self, field.name) for field in fields(DenseSpec)})


@dataclass(frozen=True)
class VisibleSpec(DenseSpec):
    """The visible units of an RBM, the layer after the hidden ones, whose weight it is tied to."""

    @property
    def layer_class(self) -> "type[Visible]":
        """The class of its run-axis layer."""
        return Visible


class Hidden(Dense):
    """The hidden units of every run; they leave the gradients of the whole machine.

    Before training, visible biases take the log-odds of the first batch, log p / (1 - p) with
    p = (sum + 1) / (B + 2), or its mean where units are Gaussian.

    Reference:
        Hinton (2012), A practical guide to training restricted Boltzmann machines
    """

    visible_bias: Parameter

    def __init__(
        self, specs: Sequence[HiddenSpec], seeds: Seeds, dtype: torch.dtype, device: torch.device
    ) -> None:
        super().__init__(specs, seeds, dtype, device)
        first = specs[0]
        self._gaussian = first.visible == "gaussian"
        self._chains = torch.zeros(len(specs), first.chains, first.inputs, dtype=dtype).to(device)
        if first.chains:  # training goes on from them, but they are not a part of a trained run
            self.buffers = {f"{self.name}.chains": (self._chains, [False] * len(specs))}
        self._noise = [
            (rows, _GibbsNoise(specs[rows.start], seeds[rows], dtype, device))
            for rows, _ in segments([(spec.gibbs_steps, spec.means) for spec in specs])
        ]

    def forward(self, x: Tensor, pass_: Pass) -> Tensor:
        """Return the probabilities of the hidden units: (K, B, I) to (K, B, H)."""
        if pass_.starting:
            self._start(x)
        z = product(x, self._weight.forward(pass_), self.bias.value)
        h = sigmoid(z)
        pass_.record((x, h))
        if pass_.activations is not None:
            pass_.activations[self.name] = h
        if pass_.measured is not None:
            pass_.measured[FREE_ENERGY] = self._free_energy(x, z).mean(1)
        return h

    def backward(self, upstream: Tensor, pass_: Pass, is_first: bool = False) -> Tensor | None:
        """Leave the estimated gradient of -log p(v) in the parameters' buffer.

        dW = <v h>_model - <v h>_data, db = <v>_model - <v>_data, dc = <h>_model - <h>_data, where
        h are probabilities. `upstream`, the gradient of the cost, is not used.
        """
        assert is_first, "there is no gradient of an RBM's inputs"
        x, h = pass_.pop()
        weight, size = self._weight.parameter.gradient, x.shape[1]
        product(x.mT, h, out=weight).div_(-size)
        self.visible_bias.gradient.copy_(x.sum(1, keepdim=True).div_(-size))
        self.bias.gradient.copy_(h.sum(1, keepdim=True).div_(-size))
        for rows, noise in self._noise:
            v, h_model = self._negative(h, rows, noise, pass_)
            # Divided first: what add_ does with a factor has other bits at the end of a buffer.
            weight[rows] += product(v.mT, h_model).div_(v.shape[1])
            self.visible_bias.gradient[rows] += v.sum(1, keepdim=True).div_(v.shape[1])
            self.bias.gradient[rows] += h_model.sum(1, keepdim=True).div_(v.shape[1])
        return None

    def _start(self, x: Tensor) -> None:
        total, size = x.sum(1, keepdim=True), x.shape[1]
        # log1p, since log has other bits at the end of a buffer.
        odds = torch.log1p((2 * total - size) / (size - total + 1))
        self.visible_bias.value.copy_(total / size if self._gaussian else odds)

    def _free_energy(self, v: Tensor, z: Tensor) -> Tensor:
        """Return F of rows, given z = v W + c: (K, B)."""
        b = self.visible_bias.value
        of_v = (v - b).square().sum(2) / 2 if self._gaussian else -product(v, b.mT).squeeze(2)
        return of_v - softplus(z).sum(2)

    def _negative(
        self, h: Tensor, rows: slice, noise: "_GibbsNoise", pass_: Pass
    ) -> tuple[Tensor, Tensor]:
        """Return v (R, B or C, I) and the probabilities of h after the Gibbs steps of R runs.

        Means as the last visible units bring less noise and better reconstructions; but v and h
        are then less correlated than in the model, at any k.
        """
        h, size, chains = h[rows], pass_.batch_size, self._chains[rows]
        persistent = chains.shape[1] > 0
        if persistent:
            h, size = self._up(chains, rows), chains.shape[1]
        v = chains
        for for_hidden, for_visible in noise(pass_.step, size, h.shape[1]):
            v = self._down(torch.lt(for_hidden, h).to(h.dtype), rows)
            if for_visible is not None:
                v = self._sampled(v, for_visible)
            h = self._up(v, rows)
        if persistent:
            chains.copy_(v)
        return v, h

    def _up(self, v: Tensor, rows: slice) -> Tensor:
        """Return p(h = 1 | v): (R, B, I) to (R, B, H)."""
        return sigmoid(product(v, self._weight.parameter.value[rows], self.bias.value[rows]))

    def _down(self, h: Tensor, rows: slice) -> Tensor:
        """Return E[v | h]: (R, B, H) to (R, B, I)."""
        w, b = self._weight.parameter.value[rows].mT, self.visible_bias.value[rows]
        return self._mean(product(h, w, b))

    def _mean(self, z: Tensor) -> Tensor:
        return z if self._gaussian else sigmoid(z)

    def _sampled(self, mean: Tensor, drawn: Tensor) -> Tensor:
        """Return visible units of a mean, given a draw for each of them."""
        return mean + drawn if self._gaussian else torch.lt(drawn, mean).to(mean.dtype)

    @torch.no_grad()
    def sample(self, number: int, steps: int, seeds: Sequence[int]) -> Tensor:
        """Return samples by Gibbs sampling: (K, N, I), in the units that the network sees.

        A sample starts at visible units drawn by their biases alone. A step draws all hidden units
        and then all visible ones; the last of at least 1 step gives their means (probabilities, of
        Bernoulli units). It takes hundreds of steps to forget the start. A run's samples are a
        function of its seed and the step.
        """
        b = self.visible_bias.value
        all_runs = slice(0, len(seeds))
        mean = self._mean(b).expand(-1, number, -1)
        fill = standard_normal if self._gaussian else uniform
        for step in range(steps):
            for_visible = torch.empty_like(mean, memory_format=torch.contiguous_format)
            for_hidden = b.new_empty(len(seeds), number, self.specs[0].outputs)
            for seed, visible, hidden in zip(seeds, for_visible, for_hidden, strict=True):
                random = generator(seed, "gibbs", "sample", step, device=b.device)
                fill(visible, random)
                uniform(hidden, random)
            h = self._up(self._sampled(mean, for_visible), all_runs)
            mean = self._down(torch.lt(for_hidden, h).to(h.dtype), all_runs)
        return mean


class Visible(Dense):
    """The visible units of every run, reconstructed from the probabilities of the hidden ones.

    `Hidden` leaves the gradient of their bias.
    """

    def tie(self, other: Dense) -> None:
        """Multiply with the transposed weight of the hidden units."""
        super().tie(other)
        assert isinstance(other, Hidden)
        other.visible_bias = self.bias

    def backward(self, upstream: Tensor, pass_: Pass, is_first: bool = False) -> Tensor:
        """Return the gradient of the cost unchanged: an RBM does not follow it."""
        pass_.pop()
        return upstream


class _GibbsNoise:
    """The draws of neighbouring runs of equal k in a step, a function of (seed, layer, step)."""

    def __init__(
        self, spec: HiddenSpec, seeds: Sequence[int], dtype: torch.dtype, device: torch.device
    ) -> None:
        active = [True] * len(seeds)

        def draws(side: str, fill: Any) -> Draws:
            return Draws("gibbs", f"{spec.name}.{side}", seeds, active, device, fill, dtype)

        fill = standard_normal if spec.visible == "gaussian" else uniform
        # Of each side: Gibbs steps that sample it, units, numbers.
        self._hidden = spec.gibbs_steps, spec.outputs, draws("hidden", uniform)
        self._visible = spec.gibbs_steps - spec.means, spec.inputs, draws("visible", fill)

    def __call__(self, step: int, size: int, used: int) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Return, for each Gibbs step, numbers for the hidden units and for the visible ones.

        They are (R, used, H) and (R, used, I) of R runs, for the first `used` of `size` rows of a
        full batch, or chains; None where visible units are means.
        """
        hidden, visible = (
            draws(step, count * size * units, count * used * units)
            .view(-1, count, used, units)
            .unbind(1)
            if count
            else ()
            for count, units, draws in (self._hidden, self._visible)
        )
        return zip_longest(hidden, visible)

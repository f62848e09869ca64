"""Restricted Boltzmann machines: two layers that share a weight, learned by Gibbs sampling.

# K runs, B batch, I visible units, H hidden units, C chains, N samples

p(v, h) = exp(-E(v, h)) / Z, with E = -v W h - b v - c h, or of Gaussian visible units of unit
variance E = -v W h + |v - b|^2 / 2 - c h; hidden units are 0 or 1. Given one side the units of the
other are independent: p(h = 1 | v) = sigmoid(v W + c), and v has the mean sigmoid(h W^T + b), or
h W^T + b. The layer `Hidden` goes up, `Visible` goes down again, from probabilities.

The gradient of -log p(v) is d F(v) - E[d F(v')], with the free energy F(v) = -b v, or
|v - b|^2 / 2, - sum softplus(v W + c), and v' from the model's own distribution: the negative
phase, for which Gibbs sampling stands.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal

import torch
from torch import Tensor

from dlx.nn.activations import sigmoid, softplus
from dlx.nn.dense import Dense, DenseSpec
from dlx.nn.draws import Draws, standard_normal, uniform
from dlx.nn.network import Network
from dlx.nn.parameters import Parameter
from dlx.nn.passes import Pass
from dlx.nn.products import product
from dlx.segments import segments
from dlx.streams import generator

VisibleUnits = Literal["bernoulli", "gaussian"]
FREE_ENERGY = "free_energy"  # as evaluations call it


@dataclass(frozen=True)
class HiddenSpec(DenseSpec):
    """The hidden units of an RBM, the first layer of one run; the activation is sigmoid.

    Attributes:
        visible: what the visible units are
        gibbs_steps: k, from the data (contrastive divergence), or from where the chains stood
        chains: C, of persistent contrastive divergence; 0 for none, which starts from the data
        means: whether the last visible units are their means; else they are samples
    """

    visible: VisibleUnits = "bernoulli"
    gibbs_steps: int = 1
    chains: int = 0
    means: bool = False

    @property
    def structure(self) -> tuple[Any, ...]:
        """What must agree for runs to share a cohort."""
        return (*super().structure, self.visible, self.chains)

    @property
    def choices(self) -> tuple[Any, ...]:
        """What else may differ within a cohort, the dearest to split first."""
        return (self.gibbs_steps, self.means, *super().choices)

    def build(
        self,
        specs: "Sequence[HiddenSpec]",
        seeds: Sequence[int],
        dtype: torch.dtype,
        device: torch.device,
    ) -> "Hidden":
        """Return the layer of all runs."""
        return Hidden(specs, seeds, dtype, device)


@dataclass(frozen=True)
class VisibleSpec(DenseSpec):
    """The visible units of an RBM, the layer after the hidden ones, whose weight it is tied to."""

    def build(
        self,
        specs: "Sequence[VisibleSpec]",
        seeds: Sequence[int],
        dtype: torch.dtype,
        device: torch.device,
    ) -> "Visible":
        """Return the layer of all runs."""
        return Visible(specs, seeds, dtype, device)


class Hidden(Dense):
    """The hidden units of every run, and all that an RBM learns by.

    Before training, visible biases take the log-odds of the first batch, log p / (1 - p) with
    p = (sum + 1) / (B + 2), or its mean where units are Gaussian.

    Args:
        specs: the layer in each run
        seeds: one per run

    Reference:
        Hinton (2012), A practical guide to training restricted Boltzmann machines
    """

    visible_bias: Parameter

    def __init__(
        self,
        specs: Sequence[HiddenSpec],
        seeds: Sequence[int],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        super().__init__(specs, seeds, dtype, device)
        first = specs[0]
        self._gaussian = first.visible == "gaussian"
        self._chains = torch.zeros(len(specs), first.chains, first.inputs, dtype=dtype).to(device)
        self._noise = tuple(
            (segment.rows, _GibbsNoise(specs[segment.start], seeds[segment.rows], dtype, device))
            for segment in segments([(spec.gibbs_steps, spec.means) for spec in specs])
        )

    @property
    def buffers(self) -> dict[str, tuple[Tensor, Sequence[bool]]]:
        """The chains; training goes on from them, but they are not a part of a trained run."""
        if not self._chains.shape[1]:
            return {}
        return {f"{self.name}.chains": (self._chains, [False] * len(self.specs))}

    def forward(self, x: Tensor, pass_: Pass) -> Tensor:
        """Return the probabilities of the hidden units: (K, B, I) to (K, B, H)."""
        if pass_.starting:
            self._start(x)
        z = product(x, self._weight.forward(pass_), self.bias.value)
        h = sigmoid(z)
        if pass_.tape is not None:
            pass_.tape.append((x, h))
        if pass_.activations is not None:
            pass_.activations[self.name] = h
        if pass_.measured is not None:
            pass_.measured[FREE_ENERGY] = self._free_energy(x, z).mean(1)
        return h

    def backward(self, upstream: Tensor, pass_: Pass, is_first: bool = False) -> Tensor | None:
        """Leave the estimated gradient of -log p(v) in the parameters' buffer.

        dW = <v h>_model - <v h>_data, db = <v>_model - <v>_data, dc = <h>_model - <h>_data, where
        h are probabilities. That of the cost, `upstream`, is not followed.
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
        """Set the visible biases from a batch."""
        total, size = x.sum(1, keepdim=True), x.shape[1]
        # log1p, since log has other bits at the end of a buffer.
        odds = torch.log1p((2 * total - size) / (size - total + 1))
        self.visible_bias.value.copy_(total / size if self._gaussian else odds)

    def _free_energy(self, v: Tensor, z: Tensor) -> Tensor:
        """Return F of rows, given z = v W + c: (K, B)."""
        b = self.visible_bias.value
        own = (v - b).square().sum(2) / 2 if self._gaussian else -product(v, b.mT).squeeze(2)
        return own - softplus(z).sum(2)

    def _negative(
        self, h: Tensor, rows: slice, noise: "_GibbsNoise", pass_: Pass
    ) -> tuple[Tensor, Tensor]:
        """Return v and the probabilities of h after the Gibbs steps of some runs.

        Where the last visible units are means there is less noise, and reconstructions become
        better; but v and h are then less correlated than the model has them, at any k.

        Returns:
            (k, B or C, I) and (k, B or C, H) of k runs
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
        """Return p(h = 1 | v): (k, B, I) to (k, B, H)."""
        return sigmoid(product(v, self._weight.parameter.value[rows], self.bias.value[rows]))

    def _down(self, h: Tensor, rows: slice) -> Tensor:
        """Return E[v | h]: (k, B, H) to (k, B, I)."""
        w, b = self._weight.parameter.value[rows].mT, self.visible_bias.value[rows]
        return self._mean(product(h, w, b))

    def _mean(self, z: Tensor) -> Tensor:
        return z if self._gaussian else sigmoid(z)

    def _sampled(self, mean: Tensor, drawn: Tensor) -> Tensor:
        """Return visible units of a mean, given what is drawn for each."""
        return mean + drawn if self._gaussian else torch.lt(drawn, mean).to(mean.dtype)

    def sample(self, number: int, steps: int, seeds: Sequence[int]) -> Tensor:
        """Return what `sample` returns."""
        b = self.visible_bias.value
        every = slice(0, len(seeds))
        mean = self._mean(b).expand(-1, number, -1)
        fill = standard_normal if self._gaussian else uniform
        for step in range(steps):
            random = [generator(seed, "gibbs", "sample", step, device=b.device) for seed in seeds]
            drawn = [torch.empty_like(mean[0]) for _ in seeds]
            chances = [b.new_empty(number, self.specs[0].outputs) for _ in seeds]
            for each, own, chance in zip(random, drawn, chances, strict=True):
                fill(own, each)
                uniform(chance, each)
            h = self._up(self._sampled(mean, torch.stack(drawn)), every)
            mean = self._down(torch.lt(torch.stack(chances), h).to(h.dtype), every)
        return mean


class Visible(Dense):
    """The visible units of every run, as the hidden ones' probabilities give them back.

    Its gradients are left by `Hidden`, which this layer hands its bias to.
    """

    def tie(self, other: Dense) -> None:
        """Multiply with the transposed weight of the hidden units."""
        super().tie(other)
        assert isinstance(other, Hidden)
        other.visible_bias = self.bias

    def backward(self, upstream: Tensor, pass_: Pass, is_first: bool = False) -> Tensor:
        """Return the gradient of the cost as it is: an RBM does not follow it."""
        pass_.pop()
        return upstream


class _GibbsNoise:
    """What neighbouring runs of equal k draw in a step, a function of (seed, layer, step)."""

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
        """Yield, for each Gibbs step, numbers for the hidden units and for the visible ones.

        Args:
            step: of the optimizer
            size: rows of a full batch, or chains
            used: of them

        Yields:
            (k, used, H) and (k, used, I) of k runs; None where visible units are means
        """
        drawn = [
            draws(step, count * size * units, count * used * units)
            .view(-1, count, used, units)
            .unbind(1)
            if count
            else ()
            for count, units, draws in (self._hidden, self._visible)
        ]
        hidden, visible = drawn
        yield from zip_longest(hidden, visible)


@torch.no_grad()
def sample(network: Network, number: int, steps: int, seeds: Sequence[int]) -> Tensor:
    """Return samples of RBMs by Gibbs sampling: (K, N, I), in the units that the networks see.

    Each starts at visible units drawn by their biases alone; a step draws all hidden units and then
    all visible ones, of which the last step gives the means (probabilities, where they are
    Bernoulli units). A run's samples are a function of its seed and the step.

    Args:
        network: of K RBMs
        number: N, samples of each
        steps: of Gibbs sampling, at least 1; as many as it takes to forget the start, hundreds
        seeds: one per run
    """
    hidden = network.layers[0]
    assert isinstance(hidden, Hidden), "of an RBM"
    return hidden.sample(number, steps, seeds)

"""The dense layer on the run axis: affine map, normalization, activation, noise, dropout.

# K runs, B batch, I inputs, O outputs, P pieces of a maxout unit
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import torch
from torch import Tensor

from dlx.config.types import Choice
from dlx.errors import ConfigError
from dlx.nn import initializers
from dlx.nn.activate import Activation
from dlx.nn.contraction import Contraction
from dlx.nn.dropout import Dropout
from dlx.nn.noise import GaussianNoise
from dlx.nn.normalization import BatchNormOptions, LayerNormOptions, Normalization
from dlx.nn.parameters import Parameter
from dlx.nn.passes import Pass
from dlx.nn.products import product
from dlx.nn.weight import TiedWeight, Weight
from dlx.segments import where


@dataclass(frozen=True)
class DenseSpec:
    """One dense layer of one run.

    Attributes:
        name: its number, from 1
        inputs: I
        outputs: O
        activation: what follows the affine map
        init: initializer of the weight
        bias: initializer of the bias; default: what goes with that of the weight
        batch_norm: None for none
        layer_norm: None for none
        weight_norm: whether magnitude and direction of the weights are learned apart
        tied_to: name of an earlier layer of O inputs and I outputs, whose weight, transposed, is
            this one's too; None: it has one of its own
        gates: parts of the outputs that are drawn apart, as the layers of their own that they are
        pieces: affine maps of which each unit takes the largest value (maxout); 1 for none
        dropout: share of the layer's outputs, or of its weights, that is dropped in training
        dropout_kind: how
        noise: standard deviation of the noise on the layer's outputs in training
        contraction: what the cost is raised by of the squared Frobenius norm of the outputs'
            derivative by the inputs, for an activation alone after the affine map; None: nothing
    """

    name: str
    inputs: int
    outputs: int
    activation: Choice
    init: Choice
    bias: Choice | None = None
    batch_norm: BatchNormOptions | None = None
    layer_norm: LayerNormOptions | None = None
    weight_norm: bool = False
    tied_to: str | None = None
    gates: int = 1
    pieces: int = 1
    dropout: float = 0.0
    dropout_kind: str = "dropout"
    noise: float = 0.0
    contraction: float | None = None

    def __post_init__(self) -> None:
        initializers.check(self.init, self.name, self.inputs, self.width)
        initializers.bias_initializer(self.bias, self.init)
        if self.batch_norm and self.layer_norm:
            raise ConfigError(
                f"model.layer_norm: layer {self.name} has batch_norm and layer_norm; "
                "keep one of them"
            )

    @property
    def structure(self) -> tuple[str, int, int, int, str | None]:
        """What must agree for runs to share a cohort."""
        return ("dense", self.inputs, self.outputs, self.pieces, self.tied_to)

    @property
    def activations(self) -> tuple[Choice, ...]:
        """Its one activation."""
        return (self.activation,)

    @property
    def parts(self) -> "tuple[DenseSpec, ...]":
        """Itself."""
        return (self,)

    @property
    def choices(self) -> tuple[Any, ...]:
        """What else may differ within a cohort, the dearest to split first."""
        return (
            self.norm,
            self.weight_norm,
            (self.dropout_kind, self.dropout),
            self.noise,
            self.init,
            self.bias,
            self.contraction,
        )

    @property
    def width(self) -> int:
        """Columns of the weight: O P."""
        return self.outputs * self.pieces

    @property
    def norm(self) -> BatchNormOptions | LayerNormOptions | None:
        """The normalization, of whichever kind."""
        return self.batch_norm or self.layer_norm

    @property
    def has_bias(self) -> bool:
        """Batch norm straight after the affine map takes the mean away, and any bias with it."""
        return self.batch_norm is None or self.batch_norm.position == "after" or self.pieces > 1

    def build(
        self,
        specs: "Sequence[DenseSpec]",
        seeds: Sequence[int],
        dtype: torch.dtype,
        device: torch.device,
    ) -> "Dense":
        """Return the layer of all runs."""
        return Dense(specs, seeds, dtype, device)


class Dense:
    """One dense layer of every run of a cohort.

    Args:
        specs: the layer in each run
        seeds: one per run
    """

    def __init__(
        self,
        specs: Sequence[DenseSpec],
        seeds: Sequence[int],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        spec = specs[0]
        self.name = name = spec.name
        self.specs = tuple(specs)
        self.biased = where(specs, lambda s: s.has_bias)

        shape, part = (spec.inputs, spec.width), (spec.inputs, spec.width // spec.gates)

        def weight(run: int) -> Tensor:
            return initializers.draw_gates(specs[run].init, seeds[run], name, *part, spec.gates)

        def bias(run: int) -> Tensor:
            init = specs[run].init
            chosen = initializers.bias_initializer(specs[run].bias, init)
            return initializers.draw_bias(chosen, init, seeds[run], name, *shape)

        rates, kinds = [s.dropout for s in specs], [s.dropout_kind for s in specs]
        norms = [s.weight_norm for s in specs]
        self._weight: Weight | TiedWeight
        if spec.tied_to is None:
            self._weight = Weight(name, shape, weight, norms, rates, kinds, seeds, dtype, device)
        else:
            self._weight = TiedWeight()
        self.bias = Parameter(f"{name}.bias", (1, spec.width), [s.has_bias for s in specs], bias)
        self.normalization = Normalization(
            name, [s.norm for s in specs], spec.outputs, dtype, device
        )
        activations = [s.activation for s in specs]
        self.activation = Activation(name, activations)
        self.contraction = Contraction(activations, [s.contraction for s in specs])
        self.noise = GaussianNoise(name, [s.noise for s in specs], seeds, dtype, device)
        self.dropout = Dropout(name, rates, kinds, seeds, dtype, device)

    @property
    def parameters(self) -> list[Parameter]:
        """The layer's parameters that at least one run has."""
        return [
            parameter
            for parameter in [
                *self._weight.parameters,
                self.bias,
                self.normalization.gain,
                self.normalization.shift,
                *self.activation.parameters,
            ]
            if parameter is self.bias or any(parameter.owners)
        ]

    def tie(self, other: "Dense") -> None:
        """Multiply with the transposed weight of the layer that this one is tied to."""
        assert isinstance(self._weight, TiedWeight) and isinstance(other._weight, Weight)
        self._weight.parameter = other._weight.parameter

    @property
    def buffers(self) -> dict[str, tuple[Tensor, Sequence[bool]]]:
        """The running statistics of batch norm, by name, and which runs own them."""
        return self.normalization.buffers(self.name)

    def forward(self, x: Tensor, pass_: Pass) -> Tensor:
        """Return the layer's outputs: (K, B, I) to (K, B, O)."""
        w = self._weight.forward(pass_)
        affine = product(x, w, self.bias.value)
        if pass_.starting:
            affine = self._scaled_to_unit_variance(x, affine, pass_)
        if self.specs[0].pieces > 1:
            affine = self._largest(affine, pass_)
        z = self.normalization.forward(affine, "before", pass_)
        a = self.activation.forward(z)
        if pass_.tape is not None:
            pass_.tape.append((x, z, a))
        self.contraction.forward(w, z, pass_)
        y = self.normalization.forward(a, "after", pass_)
        if pass_.activations is not None:
            pass_.activations[self.name] = y
        return self.dropout.forward(self.noise.forward(y, pass_), pass_)

    def _largest(self, z: Tensor, pass_: Pass) -> Tensor:
        """Return the largest of each unit's pieces: (K, B, O P) to (K, B, O)."""
        z, which = z.unflatten(2, (-1, self.specs[0].pieces)).max(3)
        if pass_.tape is not None:
            pass_.tape.append(which)
        return z

    def _scaled_to_unit_variance(self, x: Tensor, affine: Tensor, pass_: Pass) -> Tensor:
        """Scale the weights of the runs that start on data; return z with those weights."""
        for run, spec in enumerate(self.specs):
            if not spec.init.traits.starts_on_data:
                continue
            for _ in range(spec.init.max_iterations):
                variance = affine[run].var(correction=0)
                # Inputs that are all the same leave nothing to scale.
                if abs(variance.item() - 1) < spec.init.tolerance or not 0 < variance.item() < inf:
                    break
                self._weight.scale(run, 1 / variance.sqrt())
                affine = product(x, self._weight.forward(pass_), self.bias.value)
        return affine

    def backward(self, upstream: Tensor, pass_: Pass, is_first: bool = False) -> Tensor | None:
        """Leave the gradients of the layer's parameters in their buffer, and return that of x.

        dZ = dA g'(Z), dW = x^T dZ, db = sum dZ, dX = dZ W^T. (The mean over the batch is in the
        upstream gradient.)

        Args:
            upstream: gradient of the layer's outputs, (K, B, O)
            pass_: the forward pass
            is_first: the gradient of the layer's inputs is not needed
        """
        da = self.normalization.backward(self.dropout.backward(upstream, pass_), "after", pass_)
        contraction = self.contraction.backward(pass_)
        x, z, a = pass_.pop()
        dz = self.activation.backward(da, z, a)
        for rows, more, _ in contraction:
            dz[rows] += more
        dz = self.normalization.backward(dz, "before", pass_)
        if self.specs[0].pieces > 1:
            pieces = dz.new_zeros(*dz.shape, self.specs[0].pieces)
            dz = pieces.scatter_(3, pass_.pop().unsqueeze(3), dz.unsqueeze(3)).flatten(2)
        if pass_.gradients is not None:
            pass_.gradients[self.name] = dz
        w = self._weight.used(pass_)
        dw = product(x.mT, dz, out=self._weight.direct)
        for rows, _, factor in contraction:
            dw[rows] += w[rows] * factor
        self._weight.backward(dw, pass_)
        if all(self.bias.owners):
            torch.sum(dz, 1, keepdim=True, out=self.bias.gradient)
        else:
            for segment in self.biased:
                rows = segment.rows
                torch.sum(dz[rows], 1, keepdim=True, out=self.bias.gradient[rows])
        if is_first:
            return None
        return product(dz, w.mT)

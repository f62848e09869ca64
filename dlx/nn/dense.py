"""The dense layer on the run axis: affine map, batch norm, activation, dropout.

# K runs, B batch, I inputs, O outputs
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import torch
from torch import Tensor

from dlx.config.types import Choice
from dlx.nn import initializers
from dlx.nn.activate import Activation
from dlx.nn.batch_norm import BatchNorm, BatchNormOptions
from dlx.nn.dropout import Dropout
from dlx.nn.parameters import Parameter
from dlx.nn.passes import Pass
from dlx.nn.products import product
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
        dropout: share of the layer's outputs that is dropped in training
    """

    name: str
    inputs: int
    outputs: int
    activation: Choice
    init: Choice
    bias: Choice | None = None
    batch_norm: BatchNormOptions | None = None
    dropout: float = 0.0

    def __post_init__(self) -> None:
        initializers.check(self.init, self.name, self.inputs, self.outputs)
        initializers.bias_initializer(self.bias, self.init)

    @property
    def structure(self) -> tuple[str, int, int]:
        """What must agree for runs to share a cohort."""
        return ("dense", self.inputs, self.outputs)

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
        return (self.batch_norm, self.dropout, self.init, self.bias)

    @property
    def has_bias(self) -> bool:
        """Batch norm before the activation takes the mean away, and any bias with it."""
        return self.batch_norm is None or self.batch_norm.position == "after"

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

        shape = (spec.inputs, spec.outputs)

        def weight(run: int) -> Tensor:
            return initializers.draw_weight(specs[run].init, seeds[run], name, *shape)

        def bias(run: int) -> Tensor:
            init = specs[run].init
            chosen = initializers.bias_initializer(specs[run].bias, init)
            return initializers.draw_bias(chosen, init, seeds[run], name, *shape)

        self.weight = Parameter(f"{name}.weight", shape, [True] * len(specs), weight)
        self.bias = Parameter(f"{name}.bias", (1, spec.outputs), [s.has_bias for s in specs], bias)
        self.activation = Activation(name, [s.activation for s in specs])
        self.batch_norm = BatchNorm(
            name, [s.batch_norm for s in specs], spec.outputs, dtype, device
        )
        self.dropout = Dropout(name, [s.dropout for s in specs], seeds, dtype, device)

    @property
    def parameters(self) -> list[Parameter]:
        """The layer's parameters that at least one run has."""
        normalization = [self.batch_norm.gain, self.batch_norm.shift]
        return [
            parameter
            for parameter in [
                self.weight,
                self.bias,
                *normalization,
                *self.activation.parameters,
            ]
            if parameter in (self.weight, self.bias) or any(parameter.owners)
        ]

    @property
    def buffers(self) -> dict[str, tuple[Tensor, Sequence[bool]]]:
        """The running statistics of batch norm, by name, and which runs own them."""
        owners = self.batch_norm.gain.owners
        if not any(owners):
            return {}
        return {
            f"{self.name}.running_mean": (self.batch_norm.running_mean, owners),
            f"{self.name}.running_variance": (self.batch_norm.running_variance, owners),
        }

    def forward(self, x: Tensor, how: Pass) -> Tensor:
        """Return the layer's outputs: (K, B, I) to (K, B, O)."""
        affine = product(x, self.weight.value, self.bias.value)
        if how.starting:
            affine = self._scaled_to_unit_variance(x, affine)
        z = self.batch_norm.forward(affine, "before", how)
        a = self.activation.forward(z)
        if how.tape is not None:
            how.tape.append((x, z, a))
        y = self.batch_norm.forward(a, "after", how)
        if how.activations is not None:
            how.activations[self.name] = y
        return self.dropout.forward(y, how)

    def _scaled_to_unit_variance(self, x: Tensor, affine: Tensor) -> Tensor:
        """Scale the weights of the runs that start by LSUV; return z with those weights."""
        for run, spec in enumerate(self.specs):
            if spec.init.name != "lsuv":
                continue
            for _ in range(spec.init.max_iterations):
                variance = affine[run].var(correction=0)
                # Inputs that are all the same leave nothing to scale.
                if abs(variance.item() - 1) < spec.init.tolerance or not 0 < variance.item() < inf:
                    break
                self.weight.value[run] /= variance.sqrt()
                affine = product(x, self.weight.value, self.bias.value)
        return affine

    def backward(self, upstream: Tensor, how: Pass, is_first: bool = False) -> Tensor | None:
        """Leave the gradients of the layer's parameters in their buffer, and return that of x.

        dZ = dA g'(Z), dW = x^T dZ, db = sum dZ, dX = dZ W^T. (The mean over the batch is in the
        upstream gradient.)

        Args:
            upstream: gradient of the layer's outputs, (K, B, O)
            how: the forward pass
            is_first: the gradient of the layer's inputs is not needed
        """
        da = self.batch_norm.backward(self.dropout.backward(upstream, how), "after", how)
        x, z, a = how.pop()
        dz = self.batch_norm.backward(self.activation.backward(da, z, a), "before", how)
        product(x.mT, dz, out=self.weight.gradient)
        if all(self.bias.owners):
            torch.sum(dz, 1, keepdim=True, out=self.bias.gradient)
        else:
            for segment in self.biased:
                rows = segment.rows
                torch.sum(dz[rows], 1, keepdim=True, out=self.bias.gradient[rows])
        if is_first:
            return None
        return product(dz, self.weight.value.mT)

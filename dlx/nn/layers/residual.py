"""The residual block: layers whose input is added to their output.

# K runs, B batch, I inputs, O outputs
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dlx.config.types import Choice
from dlx.nn.activate import Activation
from dlx.nn.layers.dense import DenseSpec
from dlx.nn.layers.protocol import Blueprint, Spec
from dlx.nn.layers.stack import Container, Stack
from dlx.nn.moments import Signal, Signals, through
from dlx.nn.parameters import Parameter
from dlx.nn.passes import Pass
from dlx.nn.plain import PlainModules, activation_module, learned_tensors
from dlx.nn.theory import Gradients, MeanField, Prediction, mean, sum_of, times
from dlx.streams import Seeds


@dataclass(frozen=True)
class ResidualSpec(Spec):
    """Layers whose input is added to their output, in one run."""

    name: str
    inner: Blueprint
    projection: DenseSpec | None  # to the output's width; None where the input has it
    activation: Choice  # of the sum

    @property
    def inputs(self) -> int:
        """I."""
        return self.inner[0].inputs

    @property
    def outputs(self) -> int:
        """O."""
        return self.inner[-1].outputs

    @property
    def shortcut(self) -> Blueprint:
        """The layers that the input passes on its way around the inner ones."""
        return () if self.projection is None else (self.projection,)

    @property
    def inside(self) -> tuple[Blueprint, ...]:
        """The inner layers, and the projection."""
        return (self.inner, self.shortcut)

    @property
    def structure(self) -> tuple[Any, ...]:
        """The kind, and what shapes depend on."""
        return ("residual", tuple(spec.structure for spec in self.inner))

    @property
    def activations(self) -> tuple[Choice, ...]:
        """All activations inside, and that of the sum."""
        return (*super().activations, self.activation)

    @property
    def layer_class(self) -> "type[Residual]":
        """The class of its run-axis layer."""
        return Residual

    def plain(self, modules: PlainModules) -> None:
        """Append a `ResidualModule`."""
        projection: nn.Module = nn.Identity()
        if self.projection is not None:
            projection = modules.inside("projection", self.shortcut).modules
        activation = activation_module(self.activation)
        inner = modules.inside("inner", self.inner).modules
        tensors = learned_tensors(self.activation, activation, "activation.")
        modules.add(ResidualModule(inner, projection, activation), self.name, **tensors)

    def facts(self) -> dict[str, Any]:
        """Return choices by name."""
        return {"activation": self.activation.name}

    @property
    def flops(self) -> int:
        """O: the sum."""
        return self.outputs

    def theory_forward(self, inputs: Signals, field: MeanField) -> Signal | None:
        """Return the moments of g(F(x) + x), two terms that are independent.

        Theory takes z to be normal with mean zero, and does not apply to an activation of a sum
        that has another mean.
        """
        terms = field.forward_each(self.inside, inputs)
        if terms is None:
            return None
        z = sum_of(terms)
        if self.activation.name == "identity":
            outputs, slope = z, 1.0
        elif abs(z.mean) > 1e-9 * math.sqrt(z.square):
            return None
        else:
            outputs, slope = through(self.activation, z.square, z.product)
        field.recorded[self.name] = slope
        field.predictions[self.name] = Prediction(outputs.variance)
        return outputs

    def theory_backward(self, outputs: Gradients, field: MeanField) -> float | None:
        """Return E[dX²], the sum of what both ways hand back."""
        dz = times(mean(outputs), field.recorded.get(self.name))
        field.prediction(self.name).gradient = dz
        return field.backward_each(self.inside, dz)


class Residual(Container):
    """a = g(F(x) + x), or g(F(x) + x W) where the widths differ, in every run of a cohort.

    Reference:
        He, Zhang, Ren and Sun (2016), Deep residual learning for image recognition
    """

    def __init__(
        self, specs: Sequence[ResidualSpec], seeds: Seeds, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.name = specs[0].name
        self.inner = Stack([spec.inner for spec in specs], seeds, dtype, device)
        # The widths agree within a cohort, so all runs have a projection or none has.
        self.shortcut = Stack([spec.shortcut for spec in specs], seeds, dtype, device)
        self.layers = [self.inner, self.shortcut]
        self.activation = Activation(self.name, [spec.activation for spec in specs])

    @property
    def parameters(self) -> list[Parameter]:
        """The parameters of the inner layers, the projection and the activation."""
        return [*super().parameters, *self.activation.parameters]

    def forward(self, x: Tensor, pass_: Pass) -> Tensor:
        """Return the outputs: (K, B, I) to (K, B, O)."""
        z = self.inner.forward(x, pass_) + self.shortcut.forward(x, pass_)
        a = self.activation.forward(z)
        pass_.record((z, a))
        if pass_.activations is not None:
            pass_.activations[self.name] = a
        return a

    def backward(self, upstream: Tensor, pass_: Pass, is_first: bool = False) -> Tensor | None:
        """Return dX = dF(x) + dX of the shortcut; see `Layer.backward`."""
        dz = self.activation.backward(upstream, *pass_.pop())
        if pass_.gradients is not None:
            pass_.gradients[self.name] = dz.clone()
        # Each of the two may write over the gradient that it is handed.
        direct = self.shortcut.backward(dz.clone(), pass_, is_first)
        around = self.inner.backward(dz, pass_, is_first)
        return None if direct is None or around is None else around + direct


class ResidualModule(nn.Module):
    """The input, projected where the widths differ, added to the output of inner layers."""

    def __init__(self, inner: nn.Module, projection: nn.Module, activation: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.projection = projection
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Return g(F(x) + x)."""
        return self.activation(self.inner(x) + self.projection(x))

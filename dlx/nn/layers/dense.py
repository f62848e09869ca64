"""The dense layer: affine map, normalization, activation, noise, dropout; maxout is one too.

# K runs, B batch, I inputs, O outputs, P pieces of a maxout unit
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from dlx.config.types import Choice
from dlx.errors import ConfigError
from dlx.nn import initializers
from dlx.nn.activate import Activation
from dlx.nn.contraction import Contraction
from dlx.nn.dropout import Dropout, GaussianNoise
from dlx.nn.layers.protocol import Spec
from dlx.nn.moments import Signal, Signals, pooled, through
from dlx.nn.normalization import BatchNorm, LayerNorm, Normalization
from dlx.nn.parameters import Parameter
from dlx.nn.passes import Pass
from dlx.nn.plain import PlainModules
from dlx.nn.products import product
from dlx.nn.theory import Gradients, MeanField, Prediction, disturbed, is_known, mean, times
from dlx.nn.weight import TiedWeight, Weight
from dlx.segments import where
from dlx.streams import Seeds


@dataclass(frozen=True)
class DenseSpec(Spec):
    """One dense layer of one run."""

    name: str
    inputs: int
    outputs: int
    activation: Choice
    init: Choice  # of the weight
    bias: Choice | None = None  # None: the one that goes with the weight's
    batch_norm: BatchNorm | None = None
    layer_norm: LayerNorm | None = None
    weight_norm: bool = False
    tied_to: str | None = None  # earlier layer whose weight, transposed, is this layer's too
    gates: int = 1  # parts of the outputs that are drawn apart, as layers of their own
    pieces: int = 1  # affine maps of which each unit takes the largest value (maxout)
    dropout: float = 0.0  # share of the outputs, or of the weights
    dropout_kind: str = "dropout"
    noise: float = 0.0
    contraction: float | None = None  # factor of the contractive penalty in the cost

    def __post_init__(self) -> None:
        initializers.check(self.init, self.name, self.inputs, self.width)
        initializers.bias_initializer(self.bias, self.init)
        if self.batch_norm and self.layer_norm:
            raise ConfigError(
                f"model.layer_norm: layer {self.name} has batch_norm and layer_norm; "
                "keep one of them"
            )

    @property
    def width(self) -> int:
        """Columns of the weight: O P."""
        return self.outputs * self.pieces

    @property
    def norm(self) -> BatchNorm | LayerNorm | None:
        """The normalization, of either kind."""
        return self.batch_norm or self.layer_norm

    @property
    def has_bias(self) -> bool:
        """Whether there is a bias: batch norm straight after the affine map would take it away."""
        return self.batch_norm is None or self.batch_norm.position == "after" or self.pieces > 1

    @property
    def structure(self) -> tuple[Any, ...]:
        """The kind, and what shapes depend on."""
        return ("dense", self.inputs, self.outputs, self.pieces, self.tied_to)

    @property
    def activations(self) -> tuple[Choice, ...]:
        """The one activation."""
        return (self.activation,)

    @property
    def choices(self) -> tuple[Any, ...]:
        """What else may differ within a cohort, the dearest to split first."""
        disturbances = ((self.dropout_kind, self.dropout), self.noise)
        return (self.norm, self.weight_norm, *disturbances, self.init, self.bias, self.contraction)

    @property
    def measures(self) -> tuple[str, ...]:
        """The contractive penalty."""
        return () if self.contraction is None else ("contraction",)

    @property
    def starts_on_data(self) -> bool:
        """Whether the initializer scales the weights on the first batch."""
        return self.init.traits.starts_on_data

    @property
    def is_dense(self) -> bool:
        """Whether it is one affine map and an activation; maxout is several."""
        return self.pieces == 1

    @property
    def layer_class(self) -> "type[Dense]":
        """The class of its run-axis layer."""
        return Dense

    def without_terms(self) -> Spec:
        """Return the layer without the contractive penalty."""
        return replace(self, contraction=None)

    def plain(self, modules: PlainModules) -> None:
        """Append `nn.Linear`, and modules for what follows the affine map."""
        tensors = {"bias": "bias"} if self.has_bias else {}
        if self.tied_to is not None:
            module: nn.Module = Transposed(modules.linear(self.tied_to), self.has_bias)
        else:
            module = nn.Linear(self.inputs, self.width, bias=self.has_bias)
            if self.weight_norm:
                module = nn.utils.parametrizations.weight_norm(module)
                original = "parametrizations.weight.original"
                tensors |= {"magnitude": f"{original}0", "weight": f"{original}1"}
            else:
                tensors["weight"] = "weight"
        modules.add(module, self.name, **tensors)
        if self.pieces > 1:
            modules.add(LargestPiece(self.pieces))
        if self.norm and self.norm.position == "before":
            modules.add_norm(self.norm, self.outputs, self.name)
        modules.add_activation(self.activation, self.name)
        if self.norm and self.norm.position == "after":
            modules.add_norm(self.norm, self.outputs, self.name)
        modules.add_dropout(self.dropout, self.dropout_kind)

    def facts(self) -> dict[str, Any]:
        """Return choices by name."""
        return {
            "pieces": self.pieces,
            "activation": self.activation.name,
            "init": self.init.name,
            "fan_in": self.inputs,
            "fan_out": self.width // self.gates,
            "dropout": self.dropout,
            "dropout_kind": self.dropout_kind,
            "noise": self.noise,
            "batch_norm": self.batch_norm.position if self.batch_norm else None,
            "layer_norm": self.layer_norm.position if self.layer_norm else None,
            "weight_norm": self.weight_norm,
        }

    def shapes(self, rows: int) -> dict[str, list[int]]:
        """Return the shapes of Z = W A + b, A = g(Z) and their gradients.

        A maxout unit has several rows of W, and as many z.
        """
        bias = {"b": [self.width, 1]} if self.has_bias else {}
        units = {"Z": [self.width, rows], "A": [self.outputs, rows]}
        return self._with_gradients({"W": [self.width, self.inputs]} | bias | units)

    @property
    def flops(self) -> int:
        """2 I O P, and the sum with the bias."""
        return 2 * self.inputs * self.width + self.width * self.has_bias

    @property
    def input_flops(self) -> int:
        """2 I O P."""
        return 2 * self.inputs * self.width

    def theory_forward(self, inputs: Signals, field: MeanField) -> Signal | None:
        """Return the moments of the outputs.

        Batch norm sets a unit's variance over the rows to 1, layer norm a row's over the units;
        dropout of a share p divides squares by 1 - p, noise adds its variance. Theory does not
        apply to weights that are not centred, maxout, alpha dropout and drop-connect.
        """
        signal, weights = pooled(inputs), field.weights[self.name]
        applies = weights.is_centred and self.pieces == 1
        if signal is None or not applies or not is_known(self.dropout, self.dropout_kind):
            return None
        gain = self.inputs * weights.square
        square = gain * signal.square + weights.bias_square
        product = gain * signal.product + weights.bias_square
        slope = 1 / (1 - self.dropout)  # E[dZ²] / E[dA²]
        if self.norm and self.norm.position == "before":
            normal, total = self._normalized(Signal(square, product, 0.0))
            square, product = normal.square, normal.product
            slope /= total
        if not math.isfinite(square):
            return None
        outputs, activation_slope = through(self.activation, square, product)
        if self.norm and self.norm.position == "after":
            outputs, total = self._normalized(outputs)
            slope /= total
        field.recorded[self.name] = times(activation_slope, slope)
        field.predictions[self.name] = Prediction(outputs.variance)
        return disturbed(outputs, self.noise, self.dropout)

    def _normalized(self, signal: Signal) -> tuple[Signal, float]:
        """Return a signal after the layer's norm, and by what the norm divides squares."""
        assert self.norm is not None
        if self.batch_norm:
            total = signal.spread + self.norm.epsilon
            return Signal(signal.spread / total, 0.0, 0.0), total
        total = signal.variance + self.norm.epsilon
        product = (signal.product - signal.mean**2) / total
        return Signal(signal.variance / total, product, 0.0), total

    def theory_backward(self, outputs: Gradients, field: MeanField) -> float | None:
        """Return E[dX²]; the activation, the norm and dropout divide or multiply squares."""
        return self.theory_from_z(times(mean(outputs), field.recorded.get(self.name)), field)

    def theory_from_z(self, dz: float | None, field: MeanField) -> float | None:
        """Return E[dX²] = O v_W E[dZ²]."""
        field.prediction(self.name).gradient = dz
        return times(dz, self.outputs * field.weights[self.name].square)


class Dense:
    """One dense layer of every run of a cohort."""

    def __init__(
        self, specs: Sequence[DenseSpec], seeds: Seeds, dtype: torch.dtype, device: torch.device
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

        # By their texts: choices that hold lists have no hash.
        starts = {
            key: repr((own.init, own.bias, own.weight_norm))
            for key, own in {id(own): own for own in specs}.items()
        }

        def drawn_from(run: int) -> Hashable:
            return seeds[run], starts[id(specs[run])]

        rates, kinds = [s.dropout for s in specs], [s.dropout_kind for s in specs]
        norms = [s.weight_norm for s in specs]
        self._weight: Weight | TiedWeight
        if spec.tied_to is None:
            self._weight = Weight(
                name, shape, weight, drawn_from, norms, rates, kinds, seeds, dtype, device
            )
        else:
            self._weight = TiedWeight()
        biased = [s.has_bias for s in specs]
        self.bias = Parameter(f"{name}.bias", (1, spec.width), biased, bias, drawn_from)
        layer_norms = [s.norm for s in specs]
        self.normalization = Normalization(name, layer_norms, spec.outputs, dtype, device)
        activations = [s.activation for s in specs]
        self.activation = Activation(name, activations)
        self.contraction = Contraction(activations, [s.contraction for s in specs])
        self.noise = GaussianNoise(name, [s.noise for s in specs], seeds, dtype, device)
        self.dropout = Dropout(name, rates, kinds, seeds, dtype, device)
        after = [*self.normalization.parameters, *self.activation.parameters]
        self.parameters = [*self._weight.parameters, self.bias, *after]
        self.buffers = self.normalization.buffers

    def tie(self, other: "Dense") -> None:
        """Multiply with the transposed weight of the layer that this one is tied to."""
        assert isinstance(self._weight, TiedWeight) and isinstance(other._weight, Weight)
        self._weight.parameter = other._weight.parameter

    def forward(self, x: Tensor, pass_: Pass) -> Tensor:
        """Return the outputs: (K, B, I) to (K, B, O)."""
        w = self._weight.forward(pass_)
        affine = product(x, w, self.bias.value)
        if pass_.starting:
            affine = self._scaled_to_unit_variance(x, affine, pass_)
        if self.specs[0].pieces > 1:
            affine, largest = affine.unflatten(2, (-1, self.specs[0].pieces)).max(3)
            pass_.record(largest)
        z = self.normalization.forward(affine, "before", pass_)
        a = self.activation.forward(z)
        pass_.record((x, z, a))
        if pass_.signals is not None:
            pass_.signals[self.name] = z, a
        self.contraction.forward(w, z, pass_)
        y = self.normalization.forward(a, "after", pass_)
        if pass_.activations is not None:
            pass_.activations[self.name] = y
        return self.dropout.forward(self.noise.forward(y, pass_), pass_)

    def _scaled_to_unit_variance(self, x: Tensor, affine: Tensor, pass_: Pass) -> Tensor:
        """Scale the weights of the runs that start on data; return z with those weights."""
        for run, spec in enumerate(self.specs):
            if not spec.starts_on_data:
                continue
            for _ in range(spec.init.max_iterations):
                variance = affine[run].var(correction=0)
                # Equal inputs have no variance that a scale could bring to 1.
                can_be_scaled = 0 < variance.item() < math.inf
                if abs(variance.item() - 1) < spec.init.tolerance or not can_be_scaled:
                    break
                self._weight.scale(run, 1 / variance.sqrt())
                affine = product(x, self._weight.forward(pass_), self.bias.value)
        return affine

    def backward(self, upstream: Tensor, pass_: Pass, is_first: bool = False) -> Tensor | None:
        """Leave the parameters' gradients in their buffer, and return that of x.

        dZ = dA g'(Z), dW = x^T dZ, db = sum dZ, dX = dZ W^T. The division by the number of rows is
        in the upstream gradient. See `Layer.backward`.
        """
        da = self.normalization.backward(self.dropout.backward(upstream, pass_), "after", pass_)
        contraction = self.contraction.backward(pass_)
        x, z, a = pass_.pop()
        dz = self.activation.backward(da, z, a)
        for rows, penalty_dz, _ in contraction:
            dz[rows] += penalty_dz
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
            for rows in self.biased:
                torch.sum(dz[rows], 1, keepdim=True, out=self.bias.gradient[rows])
        return None if is_first else product(dz, w.mT)


class LargestPiece(nn.Module):
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


class Transposed(nn.Module):
    """A linear layer whose weight is that of another one, transposed; its bias is its own."""

    def __init__(self, linear: nn.Linear, bias: bool = True) -> None:
        super().__init__()
        # In a tuple, so that the weight is a parameter, and is saved, in its owner alone.
        self.owner = (linear,)
        self.out_features = linear.in_features
        self.bias = nn.Parameter(torch.zeros(linear.in_features)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Return x W^T + b; torch keeps the owner's W as (O, I)."""
        return nn.functional.linear(x, self.owner[0].weight.T, self.bias)

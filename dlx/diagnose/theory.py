"""Mean-field theory: the variances of activations and gradients that the first weights give.

With weights of mean square v_W and biases of mean square v_b, drawn independently, a wide layer of
I inputs and O outputs has z ~ N(0, q), q = I v_W E[x²] + v_b, and hands back E[dX²] = O v_W E[dZ²]
with E[dZ²] = E[dA²] E[g'(z)²].
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from dlx.config.types import Choice
from dlx.diagnose import rnn
from dlx.diagnose.moments import Signal, pooled, through
from dlx.diagnose.weights import Weights
from dlx.models.design import Design
from dlx.nn.blocks import BranchSpec, ResidualSpec
from dlx.nn.code import CodeSpec
from dlx.nn.dense import DenseSpec
from dlx.nn.recurrent import RecurrentSpec
from dlx.nn.stack import Blueprint

# Kinds of dropout that multiply by a factor of mean 1 and mean square 1 / (1 - rate).
_UNBIASED = ("dropout", "gaussian_dropout")

Signals = Signal | list[Signal] | None
"""Of a layer's outputs, or of each step's; None where it is not known."""

Gradients = float | list[float] | None
"""Mean squares, likewise."""


@dataclass
class Prediction:
    """What theory says of one layer; None where it does not apply.

    Attributes:
        variance: of its outputs A
        gradient: mean square of dZ
        variances: of a recurrent layer, along the steps
        gradients: likewise
    """

    variance: float | None = None
    gradient: float | None = None
    variances: list[float] | None = None
    gradients: list[float] | None = None


def predict(
    design: Design,
    weights: Mapping[str, Weights],
    inputs: Signal | list[Signal],
    output_gradient: float | None,
) -> dict[str, Prediction]:
    """Return what theory says of every layer and block of a design, by name.

    Batch norm sets a unit's variance over the rows to 1, layer norm a row's over the units, and
    either divides the mean-square gradient by what it was; dropout of a share p divides squares by
    1 - p, noise adds its variance; the terms of a residual sum are independent, and so are the two
    of an rnn's step. Theory does not apply after weights that are not centred, nor to maxout, alpha
    dropout, drop-connect, the states of gru and lstm, normalized states, and layers of other kinds.

    Args:
        design: the network, at its start
        weights: of its layers, by name
        inputs: of the network; of each step where its first layer is recurrent
        output_gradient: mean square of the output layer's dZ, where the way back begins; it depends
            on the loss and the targets

    Reference:
        Schoenholz, Gilmer, Ganguli and Sohl-Dickstein (2017), Deep information propagation; He,
        Zhang, Ren and Sun (2015), Delving deep into rectifiers; Glorot and Bengio (2010)
    """
    field = _MeanField(weights)
    changes = design.inputs
    known = not changes.dropout or changes.dropout_kind in _UNBIASED
    signal: Signals = None
    if known:
        steps = inputs if isinstance(inputs, list) else [inputs]
        changed = [_changed(each, changes.noise, changes.dropout) for each in steps]
        signal = changed if isinstance(inputs, list) else changed[0]
    field.forward(design.layers, signal)
    *hidden, output = design.layers
    found = field.predictions
    gradient = output_gradient
    if isinstance(output, DenseSpec) and gradient is not None:
        found[output.name].gradient = gradient
        gradient = field.into_inputs(output, gradient)
        field.backward(tuple(hidden), gradient)
    return found


class _MeanField:
    """The recursions, and what they found on their way."""

    def __init__(self, weights: Mapping[str, Weights]) -> None:
        self._weights = weights
        self._to_z: dict[str, float | None] = {}
        self._slopes: dict[str, list[float | None] | None] = {}  # of recurrent layers, by steps
        self.predictions: dict[str, Prediction] = {}

    def forward(self, layers: Blueprint, signals: Signals) -> Signal | None:
        """Return the outputs' moments of layers one after another."""
        for spec in layers:
            if isinstance(spec, CodeSpec) and not spec.changes:
                continue
            if isinstance(spec, RecurrentSpec):
                signals = self._recurrent(spec, signals)
                continue
            signal = pooled(signals) if isinstance(signals, list) else signals
            if isinstance(spec, DenseSpec):
                signal = self._dense(spec, signal)
            elif isinstance(spec, ResidualSpec):
                signal = self._residual(spec, signal)
            elif isinstance(spec, BranchSpec):
                signal = self._branch(spec, signal)
            else:
                signal = None
            signals = signal if signal is not None and signal.is_finite else None
        return pooled(signals) if isinstance(signals, list) else signals

    def backward(self, layers: Blueprint, gradients: Gradients) -> float | None:
        """Return the mean square of the inputs' gradient, given that of the outputs."""
        for spec in reversed(layers):
            if isinstance(spec, CodeSpec) and not spec.changes:
                continue
            if isinstance(spec, RecurrentSpec):
                gradients = self._back_in_time(spec, gradients)
                continue
            gradient = _mean(gradients) if isinstance(gradients, list) else gradients
            if isinstance(spec, DenseSpec):
                gradient = _times(gradient, self._to_z.get(spec.name))
                self.predictions[spec.name].gradient = gradient
                gradient = self.into_inputs(spec, gradient)
            elif isinstance(spec, ResidualSpec):
                gradient = _times(gradient, self._to_z.get(spec.name))
                self.predictions[spec.name].gradient = gradient
                shortcut = () if spec.projection is None else (spec.projection,)
                gradient = _plus(
                    self.backward(spec.inner, gradient), self.backward(shortcut, gradient)
                )
            elif isinstance(spec, BranchSpec):
                share = 1 / len(spec.branches) ** 2 if spec.join == "mean" else 1.0
                upstream, gradient = _times(gradient, share), 0.0
                for branch in spec.branches:
                    gradient = _plus(gradient, self.backward(branch, upstream))
            else:
                gradient = None
            gradients = gradient
        return _mean(gradients) if isinstance(gradients, list) else gradients

    def into_inputs(self, spec: DenseSpec, gradient: float | None) -> float | None:
        """Return E[dX²] = O v_W E[dZ²]."""
        return _times(gradient, spec.outputs * self._weights[spec.name].square)

    def _dense(self, spec: DenseSpec, signal: Signal | None) -> Signal | None:
        weights = self._weights[spec.name]
        known = spec.pieces == 1 and not (spec.dropout and spec.dropout_kind not in _UNBIASED)
        if signal is None or not weights.is_centred or not known:
            return self._unknown(spec.name)
        gain = spec.inputs * weights.square
        square = gain * signal.square + weights.bias_square
        product = gain * signal.product + weights.bias_square
        to_z = 1 / (1 - spec.dropout)
        if spec.norm and spec.norm.position == "before":
            normal, total = _normalized(spec, Signal(square, product, 0.0))
            square, product = normal.square, normal.product
            to_z /= total
        if not math.isfinite(square):
            return self._unknown(spec.name)
        found, slope = through(spec.activation, square, product)
        if spec.norm and spec.norm.position == "after":
            found, total = _normalized(spec, found)
            to_z /= total
        self._to_z[spec.name] = _times(slope, to_z)
        self.predictions[spec.name] = Prediction(found.variance)
        return _changed(found, spec.noise, spec.dropout)

    def _recurrent(self, spec: RecurrentSpec, signals: Signals) -> Signals:
        """Return what is handed on: the last state's moments, or each state's."""
        self._slopes[spec.name] = None
        if isinstance(signals, Signal):
            signals = [signals] * spec.num_steps
        normalized = spec.norm or spec.projection.norm
        read = [None if normalized else self._dense(spec.projection, x) for x in signals or [None]]
        zs = [z for z in read if z is not None]
        if len(zs) < spec.num_steps:
            self._unknown(spec.projection.name)
            return self._unknown(spec.name)
        self.predictions[spec.projection.name] = Prediction(pooled(zs).variance)
        weights = self._weights[spec.name]
        known = rnn.forward(spec.activation, spec.units * weights.square, zs)
        if spec.cell != "rnn" or not weights.is_centred or known is None:
            return self._unknown(spec.name)
        states, self._slopes[spec.name] = known
        found = Prediction(variances=[state.variance for state in states])
        self.predictions[spec.name] = found
        if spec.handed == "mean":  # the states of a row are not independent
            return None
        handed = states if spec.handed == "all" else states[-1:]
        found.variance = pooled(handed).variance
        if spec.dropout and spec.dropout_kind not in _UNBIASED:
            self._slopes[spec.name] = None
            return None
        changed = [_changed(each, spec.noise, spec.dropout) for each in handed]
        return changed if spec.handed == "all" else changed[0]

    def _back_in_time(self, spec: RecurrentSpec, gradients: Gradients) -> Gradients:
        """Return the mean square of the gradient of each step's inputs."""
        slopes, count = self._slopes.get(spec.name), spec.num_steps
        if gradients is None or slopes is None:
            return None
        if spec.handed == "all":
            upstream = gradients if isinstance(gradients, list) else [gradients] * count
        else:
            total = _mean(gradients) if isinstance(gradients, list) else gradients
            last = spec.handed == "last"
            upstream = [0.0] * (count - 1) + [total] if last else [total / count**2] * count
        upstream = [each / (1 - spec.dropout) for each in upstream]
        dz = rnn.backward(slopes, spec.units * self._weights[spec.name].square, upstream)
        if dz is None:
            return None
        for name in (spec.name, spec.projection.name):
            self.predictions[name].gradient = _mean(dz)
        self.predictions[spec.name].gradients = dz
        gain = spec.projection.outputs * self._weights[spec.projection.name].square
        return [gain * each for each in dz]

    def _residual(self, spec: ResidualSpec, signal: Signal | None) -> Signal | None:
        around = self.forward(spec.inner, signal)
        direct = signal
        if spec.projection is not None:
            direct = self.forward((spec.projection,), signal)
        if around is None or direct is None:
            return self._unknown(spec.name)
        found, slope = _activated(_sum([around, direct]), spec.activation)
        if found is None:
            return self._unknown(spec.name)
        self._to_z[spec.name] = slope
        self.predictions[spec.name] = Prediction(found.variance)
        return found

    def _branch(self, spec: BranchSpec, signal: Signal | None) -> Signal | None:
        outputs = [self.forward(branch, signal) for branch in spec.branches]
        known = [each for each in outputs if each is not None]
        if len(known) < len(outputs):
            return self._unknown(spec.name)
        if spec.join == "concat":
            shares = [width / spec.outputs for width in spec.widths]
            found = Signal(
                sum(p * each.square for p, each in zip(shares, known, strict=True)),
                sum(p * each.product for p, each in zip(shares, known, strict=True)),
                sum(p * each.mean for p, each in zip(shares, known, strict=True)),
            )
        else:
            factor = 1 / len(known) if spec.join == "mean" else 1.0
            total = _sum(known)
            found = Signal(factor**2 * total.square, factor**2 * total.product, factor * total.mean)
        self.predictions[spec.name] = Prediction(found.variance)
        return found

    def _unknown(self, name: str) -> None:
        self.predictions[name] = Prediction()
        self._to_z[name] = None


def _activated(z: Signal, activation: Choice) -> tuple[Signal | None, float | None]:
    """Return a block's outputs; theory has its z normal only if it has mean zero."""
    if activation.name == "identity":
        return z, 1.0
    if abs(z.mean) > 1e-9 * math.sqrt(z.square):
        return None, None
    return through(activation, z.square, z.product)


def _sum(signals: list[Signal]) -> Signal:
    """Return the moments of a sum of independent terms."""
    mean = sum(each.mean for each in signals)
    crossed = mean**2 - sum(each.mean**2 for each in signals)
    return Signal(
        sum(each.square for each in signals) + crossed,
        sum(each.product for each in signals) + crossed,
        mean,
    )


def _normalized(spec: DenseSpec, signal: Signal) -> tuple[Signal, float]:
    """Return a signal after the layer's norm, and by what that divides squares."""
    assert spec.norm is not None
    if spec.batch_norm:
        total = signal.spread + spec.norm.epsilon
        return Signal(signal.spread / total, 0.0, 0.0), total
    total = signal.variance + spec.norm.epsilon
    product = (signal.product - signal.mean**2) / total
    return Signal(signal.variance / total, product, 0.0), total


def _changed(signal: Signal, noise: float, dropout: float) -> Signal:
    """Return a signal under noise of a standard deviation, then dropout of a share."""
    return Signal((signal.square + noise**2) / (1 - dropout), signal.product, signal.mean)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _times(value: float | None, factor: float | None) -> float | None:
    return None if value is None or factor is None else value * factor


def _plus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other

"""Mean-field theory: the variances of activations and gradients that the first weights give.

With weights of mean square v_W and biases of mean square v_b, drawn independently, a wide layer of
I inputs and O outputs has z ~ N(0, q), q = I v_W E[x²] + v_b, and hands back E[dX²] = O v_W E[dZ²]
with E[dZ²] = E[dA²] E[g'(z)²].

Every kind of layer has its own part of the recursion (`Spec.theory_forward`, `theory_backward`);
here stands what the kinds share.

# I inputs, O outputs
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from dlx.nn.dropout import rule_of
from dlx.nn.layers.protocol import Blueprint
from dlx.nn.moments import Signal, Signals, pooled

Gradients = float | list[float] | None
"""Mean square of a gradient, or of each step's; None where it is not known."""

# Five standard errors of a mean of so many draws, squared.
_TOLERANCE = 25


@dataclass(frozen=True)
class Weights:
    """Moments of the weights of one layer."""

    square: float  # mean of W²
    bias_square: float  # mean of b²
    is_centred: bool  # their mean is zero as far as so many draws can tell
    has_centred_diagonal: bool  # from state to state another mean would add up step by step

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor | None) -> "Weights":
        """Return the moments of a weight (I, O) and a bias (1, O), if there is one."""
        bias_square = 0.0 if bias is None else float(bias.double().square().mean())
        centred = _is_centred(weight), _is_centred(weight.diagonal())
        return cls(float(weight.square().mean()), bias_square, *centred)


def _is_centred(values: Tensor) -> bool:
    mean, variance = float(values.mean()), float(values.var(correction=0))
    return mean**2 * values.numel() <= _TOLERANCE * variance


@dataclass
class Prediction:
    """What theory says of one layer; None where it does not apply."""

    variance: float | None = None  # of its outputs A
    gradient: float | None = None  # mean square of dZ
    variances: list[float] | None = None  # of a recurrent layer, along the steps
    gradients: list[float] | None = None  # likewise


@dataclass
class MeanField:
    """The recursions through the layers of one network, and what they predict on the way."""

    weights: Mapping[str, Weights]  # by the layer's name
    predictions: dict[str, Prediction] = field(default_factory=dict)  # where theory applies
    recorded: dict[str, Any] = field(default_factory=dict)  # for the way back, as on a tape

    def prediction(self, name: str) -> Prediction:
        """Return the prediction for a layer, to be filled in."""
        return self.predictions.setdefault(name, Prediction())

    def forward(self, layers: Blueprint, signals: Signals) -> Signals:
        """Return the moments of the outputs of layers one after another."""
        for spec in layers:
            if signals is None:
                return None
            signals = spec.theory_forward(signals, self)
            if isinstance(signals, Signal) and not signals.is_finite:
                signals = None
        return signals

    def backward(self, layers: Blueprint, gradients: Gradients) -> Gradients:
        """Return the mean square of the inputs' gradient, given that of the outputs."""
        for spec in reversed(layers):
            if gradients is None:
                return None
            gradients = spec.theory_backward(gradients, self)
        return gradients

    def forward_each(self, stacks: Sequence[Blueprint], inputs: Signals) -> list[Signal] | None:
        """Return the moments of the outputs of stacks side by side; None if any are not known."""
        outputs = [pooled(self.forward(layers, pooled(inputs))) for layers in stacks]
        known = [output for output in outputs if output is not None]
        return known if len(known) == len(outputs) else None

    def backward_each(self, stacks: Sequence[Blueprint], gradient: float | None) -> float | None:
        """Return the sum of what stacks side by side hand back; None if any of it is not known."""
        gradients = [mean(self.backward(layers, gradient)) for layers in stacks]
        known = [gradient for gradient in gradients if gradient is not None]
        return sum(known) if len(known) == len(gradients) else None


def sum_of(signals: list[Signal]) -> Signal:
    """Return the moments of a sum of independent terms."""
    square, product, mean = map(sum, zip(*signals, strict=True))
    crossed = mean**2 - sum(signal.mean**2 for signal in signals)
    return Signal(square + crossed, product + crossed, mean)


def is_known(dropout: float, kind: str) -> bool:
    """Say whether theory applies to dropout of a kind and share."""
    return not dropout or rule_of(kind, dropout).multiplies(dropout)


def disturbed(signal: Signal, noise: float, dropout: float) -> Signal:
    """Return a signal after noise of a standard deviation, then dropout of a share."""
    return Signal((signal.square + noise**2) / (1 - dropout), signal.product, signal.mean)


def mean(gradients: Gradients) -> float | None:
    """Return the mean over the steps."""
    return sum(gradients) / len(gradients) if isinstance(gradients, list) else gradients


def times(value: float | None, factor: float | None) -> float | None:
    """Return a product; None where one of the two is not known."""
    return None if value is None or factor is None else value * factor

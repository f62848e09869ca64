"""Mean-field theory: the variances of activations and gradients that the first weights give.

With weights of mean square v_W and biases of mean square v_b, drawn independently, a wide layer of
I inputs and O outputs has z ~ N(0, q), q = I v_W E[x²] + v_b, and hands back E[dX²] = O v_W E[dZ²]
with E[dZ²] = E[dA²] E[g'(z)²].

Every kind of layer has its own part of the recursion (`Spec.theory_forward`, `theory_backward`);
here stands what the kinds share.

# I inputs, O outputs
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from dlx.nn.layers.protocol import Blueprint
from dlx.nn.moments import Signal, Signals

Gradients = float | list[float] | None
"""Mean square of a gradient, or of each step's; None where it is not known."""

# Five standard errors of a mean of so many draws, squared.
_TOLERANCE = 25
# Kinds of dropout that multiply by a factor of mean 1 and mean square 1 / (1 - rate).
_UNBIASED = ("dropout", "gaussian_dropout")


@dataclass(frozen=True)
class Weights:
    """Moments of the weights of one layer.

    Attributes:
        square: mean of W²
        bias_square: mean of b²
        is_centred: whether their mean is zero as far as so many draws can tell
        has_centred_diagonal: whether the mean of the diagonal is; of weights from state to state
            another mean would add up step after step
    """

    square: float
    bias_square: float
    is_centred: bool
    has_centred_diagonal: bool

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor | None) -> "Weights":
        """Return the moments of a weight (I, O) and a bias (1, O), if there is one."""
        bias_square = 0.0 if bias is None else float(bias.double().square().mean())
        return cls(
            float(weight.square().mean()),
            bias_square,
            _is_centred(weight),
            _is_centred(weight.diagonal()),
        )


def _is_centred(values: Tensor) -> bool:
    mean, variance = float(values.mean()), float(values.var(correction=0))
    return mean**2 * values.numel() <= _TOLERANCE * variance


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


@dataclass
class MeanField:
    """The recursions through the layers of one network, and what they predict on the way.

    Attributes:
        weights: moments by the layer's name
        predictions: by the layer's name; a layer that theory does not apply to is not in it
        recorded: what layers need on the way back, by their name, as on the tape of a `Pass`
    """

    weights: Mapping[str, Weights]
    predictions: dict[str, Prediction] = field(default_factory=dict)
    recorded: dict[str, Any] = field(default_factory=dict)

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


def sum_of(signals: list[Signal]) -> Signal:
    """Return the moments of a sum of independent terms."""
    mean = sum(signal.mean for signal in signals)
    crossed = mean**2 - sum(signal.mean**2 for signal in signals)
    return Signal(
        sum(signal.square for signal in signals) + crossed,
        sum(signal.product for signal in signals) + crossed,
        mean,
    )


def is_known(dropout: float, kind: str) -> bool:
    """Say whether theory applies to dropout of a kind and share."""
    return not dropout or kind in _UNBIASED


def disturbed(signal: Signal, noise: float, dropout: float) -> Signal:
    """Return a signal after noise of a standard deviation, then dropout of a share."""
    return Signal((signal.square + noise**2) / (1 - dropout), signal.product, signal.mean)


def mean(gradients: Gradients) -> float | None:
    """Return the mean over the steps."""
    return sum(gradients) / len(gradients) if isinstance(gradients, list) else gradients


def times(value: float | None, factor: float | None) -> float | None:
    """Return a product; None where one of the two is not known."""
    return None if value is None or factor is None else value * factor


def plus(one: float | None, other: float | None) -> float | None:
    """Return a sum; None where one of the two is not known."""
    return None if one is None or other is None else one + other

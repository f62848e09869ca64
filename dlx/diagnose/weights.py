"""The weights of a network as theory needs them: their moments.

# I inputs, O outputs, H units
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from dlx.cohort import Cohort
from dlx.nn.dense import DenseSpec

# Five standard errors of a mean of so many draws, squared.
_TOLERANCE = 25


@dataclass(frozen=True)
class Weights:
    """The weights of one layer.

    Attributes:
        square: mean of W²
        bias_square: mean of b²
        is_centred: their mean is zero as far as so many draws can tell, and so is that of the
            diagonal of weights from state to state, which would add up step after step
    """

    square: float
    bias_square: float
    is_centred: bool


def effective(cohort: Cohort) -> dict[str, Tensor]:
    """Return the weights (I, O) that every layer multiplies with, those of weight norm too."""
    state = cohort.network.run_state(0)
    found = {}
    for name, value in state.items():
        layer, _, kind = name.rpartition(".")
        if kind == "weight":
            found[layer] = value.double()
            if f"{layer}.magnitude" in state:
                lengths = found[layer].norm(dim=0)
                found[layer] = found[layer] / lengths * state[f"{layer}.magnitude"]
    for part in cohort.members[0].design.parts:
        if isinstance(part, DenseSpec) and part.tied_to is not None:
            found[part.name] = found[part.tied_to].T
    return found


def moments(
    weights: Mapping[str, Tensor], biases: Mapping[str, Tensor], recurrent: set[str]
) -> dict[str, Weights]:
    """Return the moments of every layer's weights and biases, by the layer's name.

    Args:
        weights: by the layer's name, (I, O)
        biases: by the parameter's name
        recurrent: layers whose weights go from state to state: (H, G H) with G gates
    """
    found = {}
    for name, value in weights.items():
        centred = _is_centred(value) and (name not in recurrent or _is_centred(value.diagonal()))
        bias = biases.get(f"{name}.bias")
        bias_square = 0.0 if bias is None else float(bias.double().square().mean())
        found[name] = Weights(float(value.square().mean()), bias_square, centred)
    return found


def _is_centred(values: Tensor) -> bool:
    mean, variance = float(values.mean()), float(values.var(correction=0))
    return mean**2 * values.numel() <= _TOLERANCE * variance

"""The weights of a network as its layers multiply with them, and their moments.

# I inputs, O outputs
"""

from collections.abc import Mapping

from torch import Tensor

from dlx.cohort import Cohort
from dlx.nn.theory import Weights


def effective(cohort: Cohort) -> dict[str, Tensor]:
    """Return the weights (I, O) that every layer multiplies with, those of weight norm too."""
    state = cohort.network.run_state(0)
    weights: dict[str, Tensor] = {}
    for name, value in state.items():
        layer, _, kind = name.rpartition(".")
        if kind == "weight":
            weights[layer] = value.double()
            if f"{layer}.magnitude" in state:
                direction = weights[layer] / weights[layer].norm(dim=0)
                weights[layer] = direction * state[f"{layer}.magnitude"]
    for part in cohort.members[0].design.parts:
        if part.tied_to is not None:
            weights[part.name] = weights[part.tied_to].T
    return weights


def moments(weights: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> dict[str, Weights]:
    """Return the moments of every layer's weights and biases, by the layer's name.

    Args:
        weights: by the layer's name, (I, O)
        state: of the run, with biases
    """
    return {name: Weights.of(weight, state.get(f"{name}.bias")) for name, weight in weights.items()}

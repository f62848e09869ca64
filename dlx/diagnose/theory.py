"""What mean-field theory predicts of a whole network (see `dlx.nn.theory`).

# I inputs, O outputs
"""

from collections.abc import Mapping

from torch import Tensor

from dlx.cohort import Cohort
from dlx.models.design import Design
from dlx.nn.moments import Signal, Signals
from dlx.nn.theory import MeanField, Prediction, Weights, disturbed, is_known


def predict(
    design: Design,
    weights: Mapping[str, Weights],
    inputs: Signal | list[Signal],
    output_gradient: float | None,
) -> dict[str, Prediction]:
    """Return what theory says of layers and blocks of a design at its start, by name.

    A layer that theory does not apply to, and every layer after it, has no prediction of its
    variance; likewise of gradients on the way back. This begins at the mean square of the output
    layer's dZ, which depends on the loss and the targets. Where the first layer is recurrent,
    inputs are those of each step.

    Reference:
        Schoenholz, Gilmer, Ganguli and Sohl-Dickstein (2017), Deep information propagation; He,
        Zhang, Ren and Sun (2015), Delving deep into rectifiers; Glorot and Bengio (2010)
    """
    field = MeanField(weights)
    changes = design.inputs
    if is_known(changes.dropout, changes.dropout_kind):
        steps = inputs if isinstance(inputs, list) else [inputs]
        seen = [disturbed(signal, changes.noise, changes.dropout) for signal in steps]
        signals: Signals = seen if isinstance(inputs, list) else seen[0]
        field.forward(design.layers, signals)
    *hidden, output = design.layers
    if output_gradient is not None:
        field.backward(tuple(hidden), output.theory_from_z(output_gradient, field))
    return field.predictions


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

"""What mean-field theory predicts of a whole network (see `dlx.nn.theory`)."""

from collections.abc import Mapping

from dlx.models.design import Design
from dlx.nn.moments import Signal, Signals
from dlx.nn.theory import MeanField, Prediction, Weights, disturbed, is_known


def predict(
    design: Design,
    weights: Mapping[str, Weights],
    inputs: Signal | list[Signal],
    output_gradient: float | None,
) -> dict[str, Prediction]:
    """Return what theory says of layers and blocks of a design, by name.

    A layer that theory does not apply to, and every layer after it, has no prediction of its
    variance; likewise of gradients on the way back.

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

"""Weights that lie as pixels do: what the first units look for, what the last ones paint.

# I inputs, O units
"""

from typing import NamedTuple

import numpy as np

from dlx.data.dataset import Task
from dlx.nn.network import Network


class Filters(NamedTuple):
    """Weights of one layer.

    Attributes:
        layer: its name
        weights: (I, O), a column for each unit
    """

    layer: str
    weights: np.ndarray


def encoder_filters(network: Network, row: int, task: Task) -> Filters | None:
    """Return what each unit of the first layer looks for; None of layers that see no inputs.

    Args:
        network: of K runs
        row: of the run
        task: theirs
    """
    first = next(p for p in network.buffer.parameters if p.is_weight)
    if first.value.shape[1] != task.num_inputs:
        return None
    return Filters(first.layer, first.value[row].detach().cpu().numpy())


def decoder_filters(network: Network, row: int, task: Task) -> Filters | None:
    """Return what each unit before the last layer adds to the outputs of a reconstruction.

    None of a last layer without a weight of its own: tied ones are those of the encoder.

    Args:
        network: of K runs
        row: of the run
        task: theirs
    """
    output = network.layer_names[-1]
    last = [p for p in network.buffer.parameters if p.is_weight and p.layer == output]
    if not last or last[0].value.ndim != 3 or last[0].value.shape[2] != task.num_inputs:
        return None
    return Filters(output, last[0].value[row].detach().T.cpu().numpy())

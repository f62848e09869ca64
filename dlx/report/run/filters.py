"""Weights that can be drawn as images: what the first units look for, what the last ones add.

# I inputs, O units
"""

from typing import NamedTuple

import numpy as np

from dlx.data.dataset import Task
from dlx.nn.network import Network


class Filters(NamedTuple):
    """The weights of a layer, (I, O), and its name."""

    layer: str
    weights: np.ndarray


def encoder_filters(network: Network, row: int, task: Task) -> Filters | None:
    """Return the first layer's weights of one run; None if these do not multiply the inputs."""
    first = next(p for p in network.buffer.parameters if p.is_weight)
    if first.value.shape[1] != task.num_inputs:
        return None
    return Filters(first.layer, first.value[row].detach().cpu().numpy())


def decoder_filters(network: Network, row: int, task: Task) -> Filters | None:
    """Return the last layer's weights of one run: what each unit adds to a reconstruction.

    None if the last layer has no weights of its own: tied ones are those of the encoder.
    """
    output = network.layer_names[-1]
    last = [p for p in network.buffer.parameters if p.is_weight and p.layer == output]
    if not last or last[0].value.ndim != 3 or last[0].value.shape[2] != task.num_inputs:
        return None
    return Filters(output, last[0].value[row].detach().T.cpu().numpy())

"""What is recorded at level full of the activations of every layer.

# K runs, B rows, O outputs
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from dlx.nn.network import Network
from dlx.nn.passes import Pass

_ROWS = 256  # of the training rows, whose activations are looked at


def activations(network: Network, inputs: Tensor) -> dict[str, Tensor]:
    """Return every layer's outputs (K, B, O) on the first rows of (N, I), in evaluation mode."""
    rows = inputs[:_ROWS]
    pass_ = Pass(activations={})
    with torch.no_grad():
        network.forward(rows.expand(network.num_runs, *rows.shape), pass_)
    return pass_.activations or {}


def activation_statistics(outputs: Mapping[str, Tensor]) -> dict[str, list[float]]:
    """Return mean and standard deviation of each layer's outputs, and the share of dead units.

    A unit is dead that gives all rows the same output, as a ReLU does that is always at zero.
    Outputs are (K, B, O) each; a tag has a value for each run.
    """
    statistics: dict[str, list[float]] = {}
    for layer, of_runs in outputs.items():
        # A run at a time: sums over a part of a tensor would depend on the runs beside it.
        moments = [torch.std_mean(values, correction=0) for values in of_runs]
        dead = (of_runs.amax(1) == of_runs.amin(1)).to(of_runs.dtype)
        statistics[f"activation_mean/{layer}"] = [mean.item() for _, mean in moments]
        statistics[f"activation_std/{layer}"] = [std.item() for std, _ in moments]
        statistics[f"activation_dead/{layer}"] = [share.mean().item() for share in dead]
    return statistics

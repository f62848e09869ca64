"""Whether a run can fit into memory at all, by its design alone: asked before anything is built.

# P weights, S numbers of the optimizer for each weight, B batch, O outputs of a layer

A training step holds at least the weights, their gradients and the optimizer's numbers,
P (2 + S), and the outputs of all layers for its rows, B sum O. What is certain is refused; a run
that is let through may still need more than there is.
"""

import math

import torch

from dlx.capacity import gigabytes, memory
from dlx.config.types import Choice
from dlx.errors import MemoryLimitError
from dlx.models.design import Design
from dlx.nn.layers import Spec
from dlx.optimizers.rule import Search

CURE = (
    "raise train.accumulate: n, which computes a batch's gradient in n parts, or lower "
    "train.batch_size or the layers' widths"
)
_BYTES = 4  # of a number


def check(design: Design, optimizer: Choice, rows: int, device: torch.device) -> None:
    """Refuse a design whose step of so many rows cannot fit on a device; MemoryLimitError."""
    update = optimizer()
    states = update.vectors if isinstance(update, Search) else len(update.state)
    weights = {part.name: _weights(part) for part in design.parts}
    fixed = _BYTES * (2 + states) * sum(weights.values())
    outputs = _BYTES * rows * sum(part.outputs for part in design.parts)
    is_cuda = device.type == "cuda"
    most = torch.cuda.get_device_properties(device).total_memory if is_cuda else memory()
    if fixed + outputs <= most:
        return
    needed = f"a step needs at least {gigabytes(fixed + outputs)}, and there are {gigabytes(most)}"
    if outputs > fixed:
        raise MemoryLimitError(
            f"out of memory: {needed}: the outputs of all layers for {rows:,} rows alone are "
            f"{gigabytes(outputs)}; {CURE}"
        )
    widest = max(weights, key=lambda name: weights[name])
    raise MemoryLimitError(
        f"out of memory: {needed}: layer {widest} alone has {weights[widest]:,} weights; lower the "
        "layers' widths"
    )


def _weights(part: Spec) -> int:
    """Return how many numbers of a layer are trained, those that `Spec.shapes` tells of."""
    if part.tied_to is not None:
        return 0
    one, two = part.shapes(1), part.shapes(2)
    matrices = (shape for name, shape in one.items() if shape == two[name] and name[0] != "d")
    return sum(map(math.prod, matrices))

"""One pass through a network: its settings, and what layers record and report on the way.

# K runs, B batch, O outputs
"""

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass
class Pass:
    """A forward pass, and the backward pass over what it recorded."""

    # In training a list: every layer appends what its backward formula needs, and the backward pass
    # takes it from the end. None in evaluation: nothing is recorded, dropout is off and batch norm
    # uses its running statistics.
    tape: list[Any] | None = None
    step: int = 0  # number of the optimizer step, from 0
    batch_size: int = 0  # rows of a full batch, or chunk of an evaluation on corrupted inputs
    # In such an evaluation the number of the chunk of rows, from 0; None: inputs are corrupted in
    # training alone.
    corrupted_chunk: int | None = None
    starting: bool = (
        False  # the pass before training in which layers set weights by the first batch
    )
    # Set to a dict to receive every layer's outputs (K, B, O) by name.
    activations: dict[str, Tensor] | None = None
    # Set to a dict to receive what a dense layer's activation is applied to, and gives, by name.
    signals: dict[str, tuple[Tensor, Tensor]] | None = None
    # Set to a dict to receive every layer's dZ (K, B, O) by name; that of a recurrent layer's G
    # gates of H units in T steps is (K, B T, G H).
    gradients: dict[str, Tensor] | None = None
    # In training, gradients (K, I, O) by the parameter's name, which a later layer hands to the
    # earlier one whose weight it shares.
    shared: dict[str, Tensor] = field(default_factory=dict)
    emphasis: Tensor | None = None  # in training, each output's weight in the cost (K, B, O), or 1
    # What layers add to each run's cost on this batch (K,), by name; 0 for a run that adds nothing.
    terms: dict[str, Tensor] = field(default_factory=dict)
    # Set to a dict in an evaluation to receive measures of layers (see `Spec.measures`) by name,
    # the mean over the batch (K,) each.
    measured: dict[str, Tensor] | None = None
    # Set to a dict to receive every recurrent layer's states (K, B, T, H) by name.
    states: dict[str, Tensor] | None = None

    def cost(self, costs: Tensor) -> Tensor:
        """Return the costs of the head (K,) plus the terms of the layers."""
        return sum(self.terms.values(), costs)

    def record(self, needed: Any) -> None:
        """In training, put on the tape what a layer's backward formula needs."""
        if self.tape is not None:
            self.tape.append(needed)

    def pop(self) -> Any:
        """Remove and return what was recorded last."""
        assert self.tape is not None
        return self.tape.pop()

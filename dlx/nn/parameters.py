"""The parameters of a cohort: one flat buffer, a row per run.

# K runs, P parameters of one run (padded)

Layers hold views `(K, *shape)` of the buffer; an optimizer holds the rows of the runs that share
its settings. Updates are elementwise, so a row is updated exactly as it would be alone.
"""

import itertools
import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

# Parameters, and so rows, are padded to whole vectors of 64 bytes. torch's fused optimizers compute
# the last few elements of a buffer with other instructions, and so with other bits, than the rest;
# and the BLAS computes a matrix with other bits that does not start at such a boundary.
_PADDING = 16


Buffers = dict[str, tuple[Tensor, Sequence[bool]]]
"""State that is not trained, (K, ...) by name, and which runs own it."""

Moves = Sequence[tuple[slice, slice]]
"""The columns of each parameter in one buffer, and in another."""


def moved(values: Tensor, columns: Moves, width: int) -> Tensor:
    """Return rows (..., P) of one buffer as rows (..., width) of another."""
    result = values.new_zeros(*values.shape[:-1], width)
    for before, now in columns:
        result[..., now] = values[..., before]
    return result


@dataclass(eq=False)
class Parameter:
    """One named parameter of every run of a cohort."""

    name: str  # <layer>.<parameter>
    shape: tuple[int, ...]  # of one run
    owners: Sequence[bool]  # the rows of the others stay zero
    initialize: Callable[[int], Tensor]  # draws that of one run on the CPU: (*shape)
    # What the draw of a run depends on: equal values, equal draws. None: draw each run's.
    drawn_from: Callable[[int], Hashable] | None = None
    columns: slice = field(init=False)  # of the buffer, where the parameter is stored
    value: Tensor = field(init=False)  # (K, *shape), shares the buffer's memory
    gradient: Tensor = field(init=False)  # (K, *shape), shares the gradient buffer's memory

    @property
    def layer(self) -> str:
        """The layer's name; that of a layer inside a block has a point in it."""
        return self.name.rpartition(".")[0]

    @property
    def is_weight(self) -> bool:
        """Whether it multiplies a layer's inputs, as its name says, which begins with weight.

        Weight decay of weights alone, penalties and max-norm spare biases, gains and slopes.
        """
        return self.name.rpartition(".")[2].startswith("weight")


class ParameterBuffer:
    """All parameters of a cohort and their gradients, each in one tensor `(K, P)`.

    The weights come first in a row, so that weight decay and penalties, which are about them alone,
    take one slice of it.
    """

    def __init__(
        self,
        parameters: Sequence[Parameter],
        num_runs: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.parameters = tuple(parameters)
        ordered = sorted(parameters, key=lambda parameter: not parameter.is_weight)
        sizes = [math.prod(parameter.shape) for parameter in ordered]
        starts = [0, *itertools.accumulate(-(-size // _PADDING) * _PADDING for size in sizes)]
        self.weights = slice(0, starts[sum(parameter.is_weight for parameter in parameters)])
        self.values = torch.zeros(num_runs, starts[-1], dtype=dtype, device=device)
        self.gradients = torch.zeros_like(self.values)
        for parameter, size, start in zip(ordered, sizes, starts, strict=False):
            parameter.columns = columns = slice(start, start + size)
            parameter.value = self.values[:, columns].view(num_runs, *parameter.shape)
            parameter.gradient = self.gradients[:, columns].view(num_runs, *parameter.shape)

    def initialize(self) -> None:
        """Draw every parameter of every run that owns it, on the CPU."""
        for parameter in self.parameters:
            first: dict[Hashable, int] = {}  # the run whose draw others copy, as paired runs do
            for run, owned in enumerate(parameter.owners):
                if owned:
                    origin = parameter.drawn_from(run) if parameter.drawn_from else run
                    same = first.setdefault(origin, run)
                    drawn = parameter.initialize(run) if same == run else parameter.value[same]
                    parameter.value[run] = drawn

    def gradient_norms(self) -> Tensor:
        """Return each run's Euclidean norm of the gradient: (K,)."""
        squares = torch.zeros_like(self.gradients[:, 0])
        for own in self._squares(self.gradients):
            squares += own
        return squares.sqrt_()

    def norms(self, values: Tensor) -> dict[str, Tensor]:
        """Return the Euclidean norms of rows of values, (N, P), by layer: (N,) each.

        A norm is added up parameter by parameter. One that a run does not own adds an exact zero,
        so that the bits do not depend on what other runs of the cohort own.
        """
        squares: dict[str, Tensor] = {}
        for parameter, own in zip(self.parameters, self._squares(values), strict=True):
            before = squares.get(parameter.layer)
            squares[parameter.layer] = own if before is None else before + own
        return {layer: own.sqrt() for layer, own in squares.items()}

    def _squares(self, values: Tensor) -> Iterator[Tensor]:
        """Yield the sum of squares of each parameter's part of rows of values: (N,)."""
        for parameter in self.parameters:
            yield values[:, parameter.columns].square().sum(1)

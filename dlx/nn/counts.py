"""What metrics are computed from: statistics of a chunk of rows, added up over all chunks.

# K runs, B batch, N rows, C classes, T labels or targets
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, reduce

import torch
from torch import Tensor

from dlx.native.elementary import elementary
from dlx.nn.head import Head
from dlx.nn.losses import sigmoid_cross_entropies

_NEARLY_0 = 1e-6  # of a z-score's scale or mean: what float32 does not tell from 0
_NUMBERS_AT_ONCE = 2**18  # so many float64 numbers stay in the cache of a processor


@dataclass(frozen=True)
class Rows:
    """Rows on which runs are measured: a chunk for a statistic, all of them for a metric.

    Attributes:
        head: of the runs
        count: N
        find_targets: gives the targets
        outputs: of the network (K, N, C), after the output function, where the native engine has
            made them; metrics then have the same bits on every machine
    """

    head: Head
    count: int
    find_targets: Callable[[], Tensor]
    outputs: Tensor | None = None

    @property
    def targets(self) -> Tensor:
        """The targets as the head encodes them, (R, N) or (R, N, C).

        R is 1 where runs share their rows, and K where each has rows of its own.
        """
        return self.find_targets()

    def __len__(self) -> int:
        return self.count

    def outputs_of(self, z: Tensor) -> Tensor:
        """Return the outputs after the output function, (K, N, C), given z."""
        return self.head.outputs(z) if self.outputs is None else self.outputs


@dataclass(frozen=True)
class Statistic:
    """What a metric is computed from."""

    find: Callable[..., Tensor]  # of a chunk: find(z (K, B, C), rows, **options)
    join: Callable[[Sequence[Tensor]], Tensor]  # that of all chunks


def added(chunks: Sequence[Tensor]) -> Tensor:
    """Return the sum over the chunks."""
    return reduce(torch.add, chunks)


def joined(chunks: Sequence[Tensor]) -> Tensor:
    """Return the chunks one after the other."""
    return torch.cat(list(chunks), -1)


def _right(z: Tensor, rows: Rows) -> Tensor:
    """Count right answers: (K,)."""
    count = rows.head.correct(z, rows.targets, rows.outputs)
    assert count is not None
    return count


def _confusion(z: Tensor, rows: Rows) -> Tensor:
    """Count rows by true and predicted class: (K, C, C); for each label of several (K, T, 2, 2)."""
    predicted, truth = rows.head.decide(z, rows.outputs), rows.head.decode(rows.targets)
    if rows.head.kind == "multilabel":
        sizes = (rows.head.num_outputs, 2, 2)
        label = torch.arange(sizes[0], device=z.device)
        cell = (label * 2 + truth) * 2 + predicted
    else:
        sizes = (max(rows.head.num_outputs, 2),) * 2
        cell = truth * sizes[0] + predicted
    cell = cell.flatten(1)
    counts = torch.zeros(len(z), torch.Size(sizes).numel(), dtype=torch.int64, device=z.device)
    return counts.scatter_add_(1, cell, torch.ones_like(cell)).view(-1, *sizes)


def _within(z: Tensor, rows: Rows, *, k: int) -> Tensor:
    """Count the places among the k largest z that rows' classes have, by size of their tie: (K, C).

    m classes of equal z, with a classes above them, share min(m, k - a) of the places; a row counts
    with these in column m - 1.
    """
    truth = rows.head.decode(rows.targets).expand(z.shape[:-1]).unsqueeze(-1)
    own = z.gather(-1, truth)
    above = (~(z <= own)).sum(-1)  # NaN counts as above
    tied = (z == own).sum(-1).clamp_min(1)
    places = torch.minimum(tied, (k - above).clamp_min(0))
    counts = torch.zeros(len(z), z.shape[-1], dtype=torch.int64, device=z.device)
    return counts.scatter_add_(1, tied - 1, places)


def _scores(z: Tensor, rows: Rows) -> Tensor:
    """Return the score of each class or label, or of the second of two classes: (K, C, B)."""
    output = rows.head.output
    if isinstance(output, str):  # the softmax's logarithm has the same order, and does not saturate
        z = z[..., 1:] - z[..., :1] if z.shape[-1] == 2 else _log_softmax(z, rows)
    elif output.traits.bounds is None:  # between bounds z has the order of a, and tells more apart
        z = rows.outputs_of(z)
    return z.transpose(1, 2)


def _log_softmax(z: Tensor, rows: Rows) -> Tensor:
    if rows.outputs is None:
        return torch.log_softmax(z, -1)
    z = z.double()
    largest = z.amax(-1, keepdim=True)
    total = folded(elementary("exp", z - largest), -1).unsqueeze(-1)
    return z - largest - elementary("log", total)


def _added_up(find: Callable[[Tensor, Tensor], Tensor], z: Tensor, targets: Tensor) -> Tensor:
    """Return the sum over the rows of a number for each output: (K, T), float64.

    `find` gives the numbers (S, B, T) of S runs, from their z (S, B, T), or their outputs, and the
    targets, which they share, (1, B, T, ...), or have to themselves, (S, B, T, ...).
    """
    num_runs = max(_NUMBERS_AT_ONCE // max(z[0].numel(), 1), 1)
    is_shared = len(targets) == 1
    sums = [
        folded(find(some, targets if is_shared else targets[start : start + num_runs]), 1)
        for start, some in zip(range(0, len(z), num_runs), z.split(num_runs), strict=True)
    ]
    return torch.cat(sums)


def folded(values: Tensor, axis: int) -> Tensor:
    """Return the sums along an axis: the second half is added to the first one, again and again.

    A library's own sum has another order on other processors. In float64 its error grows with the
    logarithm of the length.
    """
    while (length := values.shape[axis]) > 1:
        half = length // 2
        first = values.narrow(axis, 0, length - half)
        sums = first.narrow(axis, 0, half) + values.narrow(axis, length - half, half)
        middle = first.narrow(axis, half, length - 2 * half)
        values = torch.cat([sums, middle], axis) if length % 2 else sums
    return values.squeeze(axis) if values.shape[axis] else values.sum(axis)


def folded_mean(values: Tensor, axis: int, *, skips_nan: bool = False) -> Tensor:
    """Return the means along an axis, of sums as `folded` makes them; of numbers that are there."""
    if not skips_nan:
        return folded(values, axis) / values.shape[axis]
    is_nan = values.isnan()
    return folded(values.masked_fill(is_nan, 0.0), axis) / (~is_nan).sum(axis)


def _source(z: Tensor, rows: Rows) -> Tensor:
    """Return what `_outputs` makes outputs of: z, or the outputs where they are known."""
    return z if rows.outputs is None else rows.outputs


def _outputs(source: Tensor, rows: Rows) -> Tensor:
    return rows.head.outputs(source) if rows.outputs is None else source


def _errors(z: Tensor, rows: Rows, *, power: int) -> Tensor:
    """Add up |a - t| or its square: (K, T), float64, in the units that targets are trained in."""

    def find(z: Tensor, targets: Tensor) -> Tensor:
        difference = _outputs(z, rows).double() - targets.double()
        return difference.abs() if power == 1 else difference.square()

    return _added_up(find, _source(z, rows), rows.targets)


def in_units(head: Head, targets: Tensor) -> Tensor:
    """Return numbers to predict (R, N, T) in the data's units, float64; exactly 0 where they are 0.

    A target that is trained on as a z-score comes back with the error of a float32.
    """
    values = targets.double()
    if not head.target_scale:
        return values
    names = ("target_scale", "target_shift")
    scale, shift = (head.constants[name].unsqueeze(1) for name in names)
    values = values * scale + shift
    return torch.where(values.abs() <= _NEARLY_0 * torch.maximum(scale, shift.abs()), 0, values)


def _relative_errors(z: Tensor, rows: Rows) -> Tensor:
    """Add up |a - t| / |t| in the data's units, over the rows whose t is not 0: (K, T), float64."""
    values = in_units(rows.head, rows.targets)
    scale = rows.head.constants["target_scale"].unsqueeze(1) if rows.head.target_scale else 1.0
    factor = torch.where(values == 0, 0, scale / values.abs())
    targets = rows.targets.double().expand_as(factor)

    def find(z: Tensor, both: Tensor) -> Tensor:
        targets, factor = both.unbind(-1)
        return (_outputs(z, rows).double() - targets).abs() * factor

    return _added_up(find, _source(z, rows), torch.stack([targets, factor], -1))


def _cross_entropies(z: Tensor, rows: Rows) -> Tensor:
    """Add up -t log a - (1 - t) log(1 - a): (K, I), float64."""

    def find(z: Tensor, targets: Tensor) -> Tensor:
        z, t = z.double(), targets.double()
        if rows.head.output_name == "sigmoid":
            if rows.outputs is None:
                return sigmoid_cross_entropies(z, t)
            size = z.abs()
            return 0.5 * size + (0.5 - t) * z + elementary("log1p", elementary("exp", -size))
        a = rows.head.outputs(z)
        # As in torch: a probability of 0 for what is true costs 100 nats, not infinitely many.
        yes, no = (probability.log().clamp_min(-100) for probability in (a, 1 - a))
        return -(t * yes + (1 - t) * no)

    return _added_up(find, z, rows.targets)


RIGHT = Statistic(_right, added)
CONFUSION = Statistic(_confusion, added)
WITHIN = Statistic(_within, added)
SCORES = Statistic(_scores, joined)
ABSOLUTE_ERRORS = Statistic(partial(_errors, power=1), added)
SQUARED_ERRORS = Statistic(partial(_errors, power=2), added)
RELATIVE_ERRORS = Statistic(_relative_errors, added)
CROSS_ENTROPIES = Statistic(_cross_entropies, added)

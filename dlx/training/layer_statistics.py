"""What passes through every layer of the runs of a cohort, on rows that stay the same.

# K runs, B rows that are looked at, L layers, O outputs of a layer, of the widest where L stands
"""

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from dlx.arithmetic import total
from dlx.cohort import Cohort
from dlx.data.selection import Selection
from dlx.engine.evaluation import Signals, native_evaluation
from dlx.nn.passes import Pass
from dlx.nn.products import product

_ROWS = 256  # the first training rows of each run
_POINTS = 18  # evaluations that are looked at between the first and the last one
_NEAR = 0.025  # of the range of a bounded activation: there the slope is a tenth of the largest
_ALIKE = 1e-3  # units whose means and variances differ by a smaller share are copies
# Numbers of a run, rows times units, up to which all layers are looked at in one tensor.
_FEW = 2**16


def is_looked_at(number: int, last: int) -> bool:
    """Return whether the evaluation `number` of 0 to `last` is one of at most 20, ever rarer.

    They are the first, the last, and those at equal ratios in between.
    """
    if number in (0, last):
        return True
    ratio = max(last, 2) ** (1 / _POINTS)
    return math.floor(math.log(number, ratio) + 1e-9) != math.floor(
        math.log(number + 1, ratio) + 1e-9
    )


@torch.no_grad()
def signals(cohort: Cohort, inputs: Selection) -> Signals:
    """Return what each run's first rows become in its layers, in evaluation mode."""
    native = native_evaluation(cohort)
    if native is not None:
        return native.signals(inputs, min(_ROWS, inputs.num_rows))
    rows = inputs.chunk(0, _ROWS)
    pass_ = Pass(activations={}, signals={})
    cohort.network.forward(rows.expand(cohort.network.num_runs, *rows.shape[1:]), pass_)
    return Signals(pass_.activations or {}, pass_.signals or {})


@torch.no_grad()
def probe(cohort: Cohort, inputs: Selection) -> dict[str, list[float]]:
    """Return statistics of each layer's signals on each run's first training rows.

    A tag has a value for each run, in evaluation mode:

    - `between_rows/<layer>`: the variance of a unit's outputs over the rows, the mean over its
      units; what is 0 says nothing of the inputs. `between_rows/input` is that of the inputs.
    - `activation_mean/<layer>`, `activation_std/<layer>`: of all outputs, over units and rows
    - `activation_dead/<layer>`: the share of units that give all rows the same output
    - `activation_saturated/<layer>`: the share of outputs so near a bound of the activation that
      its slope is below a tenth of the largest; only of bounded ones
    - `copies/<layer>`: the share of units that do what another unit of the layer does
    - `z_mean/<layer>`, `z_std/<layer>`: of what the activation is applied to
    """
    outputs, activated = signals(cohort, inputs)
    # A linear layer gives what its activation would be applied to: the same tensor, looked at once.
    of_z = {layer: z for layer, (z, _) in activated.items() if z is not outputs[layer]}
    rows = inputs.chunk(0, _ROWS).flatten(2)
    exactly = cohort.engine == "native"
    units = _Units([*outputs.values(), *of_z.values(), rows], cohort.network.num_runs, exactly)
    mean, between, std = (own.tolist() for own in units.pooled())
    dead, copies = (own.tolist() for own in units.dead_and_copies(len(outputs)))
    values: dict[str, list[float]] = {"between_rows/input": between[-1]}
    for place, layer in enumerate(outputs):
        values[f"between_rows/{layer}"] = between[place]
        values[f"activation_mean/{layer}"] = mean[place]
        values[f"activation_std/{layer}"] = std[place]
        values[f"activation_dead/{layer}"] = dead[place]
        values[f"copies/{layer}"] = copies[place]
    places = {layer: place for place, layer in enumerate(outputs)}
    places |= {layer: len(outputs) + place for place, layer in enumerate(of_z)}
    for layer in activated:
        values[f"z_mean/{layer}"] = mean[places[layer]]
        values[f"z_std/{layer}"] = std[places[layer]]
    values |= _saturated(cohort, {layer: a for layer, (_, a) in activated.items()})
    return {
        tag: [None if math.isnan(v) else v for v in own]  # type: ignore[misc]
        for tag, own in values.items()
    }


def _saturated(cohort: Cohort, outputs: Mapping[str, Tensor]) -> dict[str, list[float]]:
    """Return the share of outputs near a bound, by tag, of layers with a bounded activation."""
    bounds = {layer: pairs for layer, pairs in _bounds(cohort).items() if layer in outputs}
    if not bounds:
        return {}
    low, high = np.array(list(bounds.values())).transpose(2, 0, 1)
    margin = _NEAR * (high - low)
    inner = torch.from_numpy(np.stack([low + margin, high - margin])[..., None, None])
    inner = inner.to(cohort.device, cohort.dtype)
    near = [
        ((outputs[layer] < inner[0, place]) | (outputs[layer] > inner[1, place])).sum((1, 2))
        for place, layer in enumerate(bounds)
    ]
    sizes = np.array([outputs[layer][0].numel() for layer in bounds])[:, None]
    shares = np.where(np.isfinite(margin), torch.stack(near).cpu().numpy() / sizes, math.nan)
    tags = (f"activation_saturated/{layer}" for layer in bounds)
    return dict(zip(tags, shares.tolist(), strict=True))


def _bounds(cohort: Cohort) -> dict[str, list[tuple[float, float]]]:
    """Return the bounds of each layer's activation in every run; NaN where it has none."""
    nothing = (math.nan, math.nan)
    by_layer: dict[str, list[tuple[float, float]]] = {}
    for row, member in enumerate(cohort.members):
        for part in member.design.parts:
            if len(part.activations) == 1 and (pair := part.activations[0].traits.bounds):
                by_layer.setdefault(part.name, [nothing] * len(cohort.members))[row] = pair
    return by_layer


def _exact_moments(values: Tensor) -> np.ndarray:
    """Return the same as `_moments`, with the same bits on every machine: (2, K, O)."""
    by_row = values.numpy().swapaxes(0, 1).astype(np.float64)  # (B, K, O)
    first = by_row[0].copy()
    with np.errstate(invalid="ignore", over="ignore"):  # weights may have left all bounds
        by_row -= first
        means = total(by_row) / len(by_row)
        by_row -= means
        return np.stack([means + first, total(by_row * by_row) / len(by_row)])


def _moments(values: Tensor) -> np.ndarray:
    """Return mean and variance over the rows, (K, B, O) to (2, K, O), in float64.

    The variance of equal values is exactly 0. Sums are matrix products, since those of a part of a
    tensor would depend on the runs beside it.
    """
    values = values.double()
    first = values[:, :1]
    values = values - first
    ones = values.new_full((len(values), 1, values.shape[1]), 1 / values.shape[1])
    means = product(ones, values)
    variances = product(ones, values.sub_(means).square_())
    return torch.cat([means + first, variances], 1).transpose(0, 1).cpu().numpy()


def _over_units(values: np.ndarray) -> np.ndarray:
    """Return sums over units, (K, L, O) to (K, L)."""
    return total(values.transpose(2, 0, 1))


class _Units:
    """Means and variances over the rows of the units of L layers, given what they give, (K, B, O).

    Layers that are narrower than the widest are filled up with zeros. They are arrays, not tensors,
    since operations on so few numbers take a quarter of the time.

    Args:
        outputs: of layers; (1, B, O) where all runs have the same
        num_runs: K
        exactly: with the same bits on every machine
    """

    def __init__(self, outputs: list[Tensor], num_runs: int, exactly: bool) -> None:
        moments_of = _exact_moments if exactly else _moments
        sizes = [values.shape[2] for values in outputs]
        # Recurrent layers give a row for each step in time.
        has_same_rows = len({values.shape[1] for values in outputs}) == 1
        if has_same_rows and outputs[0].shape[1] * sum(sizes) <= _FEW:
            moments = moments_of(torch.cat([v.expand(num_runs, -1, -1) for v in outputs], 2))
        else:
            own = [np.broadcast_to(m, (2, num_runs, m.shape[2])) for m in map(moments_of, outputs)]
            moments = np.concatenate(own, 2)
        self._sizes = np.array(sizes)[:, None]  # (L, 1)
        numbers = np.arange(max(sizes))
        self._is_unit = numbers < self._sizes  # (L, O)
        starts = self._sizes.cumsum()[:, None] - self._sizes
        places = np.where(self._is_unit, starts + numbers, 0)
        units = moments.take(places, axis=2)  # (2, K, L, O)
        units[:, :, ~self._is_unit] = 0
        self._means, self._variances = units

    def pooled(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the mean, the mean variance of units, and the deviation of all: (L, K) each."""
        with np.errstate(invalid="ignore", over="ignore"):
            mean = _over_units(self._means) / self._sizes.T
            within = _over_units(self._variances) / self._sizes.T
            between = np.where(self._is_unit, self._means - mean[:, :, None], 0.0)
            std = np.sqrt(within + _over_units(between * between) / self._sizes.T)
        return mean.T, within.T, std.T

    def dead_and_copies(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the shares of units that are the same in all rows, and that do what another does.

        They are of the first layers alone, (count, K) each; a dead unit copies no other.
        """
        means, variances = self._means[:, :count], self._variances[:, :count]
        is_unit, sizes = self._is_unit[:count], self._sizes[:count].T
        dead = (variances == 0) & is_unit
        means = np.where(dead | ~is_unit, math.inf, means)
        order = means.argsort(2)
        means, variances = (np.take_along_axis(own, order, 2) for own in (means, variances))
        lower, upper = means[..., :-1], means[..., 1:]
        spread = variances[..., 1:]
        with np.errstate(invalid="ignore", over="ignore"):
            alike = np.abs(upper - lower) <= _ALIKE * (np.abs(upper) + np.sqrt(spread))
            alike &= np.abs(spread - variances[..., :-1]) <= _ALIKE * spread
        is_copy = np.zeros_like(dead)
        is_copy[..., 1:] |= alike
        is_copy[..., :-1] |= alike
        is_copy &= np.isfinite(means)
        return (dead.sum(2) / sizes).T, (is_copy.sum(2) / sizes).T

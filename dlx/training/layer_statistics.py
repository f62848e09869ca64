"""What passes through every layer of the runs of a cohort, on rows that stay the same.

# K runs, B rows that are looked at, O outputs of a layer
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from dlx.cohort import Cohort
from dlx.data.selection import Selection
from dlx.nn.network import Network
from dlx.nn.passes import Pass
from dlx.nn.products import product

_ROWS = 256  # the first training rows of each run
_POINTS = 18  # evaluations that are looked at between the first and the last one
_NEAR = 0.025  # of the range of a bounded activation: there the slope is a tenth of the largest
_ALIKE = 1e-3  # units whose means and variances differ by a smaller share are copies


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
def signals(network: Network, inputs: Selection) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return each layer's outputs, and what its activation is applied to: (K, B, O) each.

    They are of each run's first rows, in evaluation mode.
    """
    pass_ = _pass(network, _rows(network, inputs))
    return pass_.activations or {}, {name: z for name, (z, _) in (pass_.signals or {}).items()}


def _rows(network: Network, inputs: Selection) -> Tensor:
    """Return each run's first rows, (K, B, I)."""
    rows = inputs.chunk(0, _ROWS)
    return rows.expand(network.num_runs, *rows.shape[1:])


def _pass(network: Network, rows: Tensor) -> Pass:
    pass_ = Pass(activations={}, signals={})
    network.forward(rows, pass_)
    return pass_


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
    rows = _rows(cohort.network, inputs)
    pass_ = _pass(cohort.network, rows)
    values: dict[str, Tensor] = {
        "between_rows/input": _row_means(_moments(rows.flatten(2))[1][:, None])[:, 0]
    }
    bounds = _bounds(cohort)
    for layer, outputs in (pass_.activations or {}).items():
        means, variances = _moments(outputs)
        mean, between, std = _pooled(means, variances)
        values[f"between_rows/{layer}"] = between
        values[f"activation_mean/{layer}"] = mean
        values[f"activation_std/{layer}"] = std
        dead = outputs.amax(1) == outputs.amin(1)
        values[f"activation_dead/{layer}"] = _share(dead)
        values[f"copies/{layer}"] = _copies(means, variances, dead)
        if layer in (signals := pass_.signals or {}):
            z, a = signals[layer]
            of_z = (means, variances) if z is outputs else _moments(z)
            values[f"z_mean/{layer}"], _, values[f"z_std/{layer}"] = _pooled(*of_z)
            if layer in bounds:
                low, high = (bound.view(-1, 1, 1).to(a) for bound in bounds[layer])
                margin = _NEAR * (high - low)
                near = ((a < low + margin) | (a > high - margin)).flatten(1)
                share = _share(near)
                values[f"activation_saturated/{layer}"] = share.where(
                    bounds[layer][0].isfinite().to(share.device), math.nan
                )
    return {
        tag: [None if math.isnan(v) else v for v in own]  # type: ignore[misc]
        for tag, own in zip(values, torch.stack(list(values.values())).tolist(), strict=True)
    }


def _bounds(cohort: Cohort) -> Mapping[str, tuple[Tensor, Tensor]]:
    """Return the bounds of each layer's activation in every run (K,); NaN where it has none."""
    nothing = (math.nan, math.nan)
    by_layer: dict[str, list[tuple[float, float]]] = {}
    for row, member in enumerate(cohort.members):
        for part in member.design.parts:
            if len(part.activations) == 1:
                pairs = by_layer.setdefault(part.name, [nothing] * len(cohort.members))
                pairs[row] = part.activations[0].traits.bounds or nothing
    return {
        layer: (torch.tensor([low for low, _ in pairs]), torch.tensor([high for _, high in pairs]))
        for layer, pairs in by_layer.items()
        if any(not math.isnan(low) for low, _ in pairs)
    }


def _moments(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance over the rows, (K, B, O) to (K, O) each, in float64.

    Sums are matrix products, since those of a part of a tensor would depend on the runs beside it.
    """
    values = values.double()
    ones = values.new_full((len(values), 1, values.shape[1]), 1 / values.shape[1])
    means = product(ones, values)
    return means.squeeze(1), product(ones, (values - means).square()).squeeze(1)


def _pooled(means: Tensor, variances: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the mean, the mean variance of units, and the standard deviation of all: (K,) each.

    Means and variances are those of units, (K, O).
    """
    mean, within = _row_means(torch.stack([means, variances], 1)).unbind(1)
    [between] = _row_means((means - mean[:, None]).square().unsqueeze(1)).unbind(1)
    return mean, within, (within + between).sqrt()


def _row_means(values: Tensor) -> Tensor:
    """Return the means over the last dimension: (K, R, O) to (K, R)."""
    weights = values.new_full((len(values), values.shape[2], 1), 1 / values.shape[2])
    return product(values, weights).squeeze(2)


def _share(holds: Tensor) -> Tensor:
    """Return the share of what holds: (K, N) to (K,) float64."""
    return holds.sum(1).double() / holds.shape[1]


def _copies(means: Tensor, variances: Tensor, dead: Tensor) -> Tensor:
    """Return the share of units whose moments are those of another unit that is not dead: (K,)."""
    means, order = means.masked_fill(dead, math.inf).sort(1)
    variances = variances.gather(1, order)
    scale = means.abs() + variances.sqrt()
    alike = ((means[:, 1:] - means[:, :-1]).abs() <= _ALIKE * scale[:, 1:]) & (
        (variances[:, 1:] - variances[:, :-1]).abs() <= _ALIKE * variances[:, 1:]
    )
    is_copy = torch.zeros_like(dead)
    is_copy[:, 1:] |= alike
    is_copy[:, :-1] |= alike
    return _share(is_copy & means.isfinite())

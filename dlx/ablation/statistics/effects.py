"""Main effects of the factors of a grid, and interactions of two factors."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from dlx.ablation.statistics.intervals import mean_of_present
from dlx.ablation.statistics.multiple import holm
from dlx.ablation.statistics.paired import Difference, paired_t

# L levels of a factor, N units that are paired: seeds, or folds


@dataclass(frozen=True)
class Effect:
    """An effect of one factor, or an interaction of two."""

    factors: tuple[int, ...]  # numbers of the factors, one or two
    levels: tuple[int, ...]  # the number of each factor's level
    difference: Difference  # the effect, with the unadjusted p
    p: float  # Holm-adjusted over the main effects of the grid, or over its interactions


def main_effects(
    cells: NDArray[np.float64], reference: Sequence[int], *, overlap: float = 0.0
) -> list[Effect]:
    """Return the effect of every level against the baseline's level of the same factor.

    effect = mean of y(level, …) - y(reference, …) over the other factors' levels, within each seed,
    with its t interval over the seeds. A missing cell (excluded, diverged) leaves out only the
    differences that it is part of.

    Args:
        cells: (L1, L2, …, N), a value for each level of every factor and each seed; NaN if missing
        reference: the baseline's level of each factor
        overlap: see `intervals.standard_error`
    """
    return _effects(cells, reference, 1, overlap)


def interactions(
    cells: NDArray[np.float64], reference: Sequence[int], *, overlap: float = 0.0
) -> list[Effect]:
    """Return how much the effect of one factor's level depends on another factor's level.

    effect = mean of [y(a, b) - y(a0, b)] - [y(a, b0) - y(a0, b0)] over the other factors' levels,
    within each seed, with its t interval over the seeds; a0, b0 are the baseline's levels. It is 0
    where the two main effects add up. The arguments are those of `main_effects`.
    """
    return _effects(cells, reference, 2, overlap)


def _effects(
    cells: NDArray[np.float64], reference: Sequence[int], order: int, overlap: float
) -> list[Effect]:
    """Return the effects of all levels but the baseline's, of one factor or of two together."""
    places: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    tests: list[Difference] = []
    for factors in combinations(range(cells.ndim - 1), order):
        for levels in product(*(range(cells.shape[factor]) for factor in factors)):
            if any(level == reference[f] for f, level in zip(factors, levels, strict=True)):
                continue
            contrast = np.moveaxis(cells, factors, range(order))
            for factor, level in zip(factors, levels, strict=True):
                contrast = contrast[level] - contrast[reference[factor]]
            units = mean_of_present(contrast.reshape(-1, contrast.shape[-1]))
            places.append((factors, levels))
            tests.append(paired_t(units, overlap=overlap))
    adjusted = holm([test.p_coarse for test in tests])
    return [
        Effect(factors, levels, test, float(p))
        for (factors, levels), test, p in zip(places, tests, adjusted, strict=True)
    ]

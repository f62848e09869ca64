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


def joint_effects(
    cells: NDArray[np.float64], reference: Sequence[int], order: int, *, overlap: float = 0.0
) -> list[Effect]:
    """Return the effects of all levels but the baseline's: main effects, or interactions.

    Of order 1 an effect is the mean of y(level, …) - y(reference, …) over the other factors'
    levels, within each seed, with its t interval over the seeds. Of order 2 it is that of
    [y(a, b) - y(a0, b)] - [y(a, b0) - y(a0, b0)], where a0, b0 are the baseline's levels: how much
    the effect of one factor's level depends on another's, 0 where the two main effects add up. A
    missing cell (excluded, diverged) leaves out only the differences that it is part of.

    Args:
        cells: (L1, L2, …, N), a value for each level of every factor and each seed; NaN if missing
        reference: the baseline's level of each factor
        order: number of factors, 1 or 2
        overlap: see `intervals.standard_error`
    """
    places: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    tests: list[Difference] = []
    others = [
        [i for i in range(size) if i != own]
        for size, own in zip(cells.shape[:-1], reference, strict=True)
    ]
    for factors in combinations(range(cells.ndim - 1), order):
        for levels in product(*(others[factor] for factor in factors)):
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

"""What each factor of a grid does on average, and whether two depend on each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from dlx.ablation.statistics.multiple import holm
from dlx.ablation.statistics.paired import Difference, paired_t

# N units that are paired: seeds, or folds


@dataclass(frozen=True)
class Effect:
    """An effect of one factor, or an interaction of two.

    Attributes:
        factors: numbers of the factors, one or two
        levels: number of the level of each
        difference: the effect, with the unadjusted p
        p: Holm-adjusted over the main effects, or over the interactions, of the grid
    """

    factors: tuple[int, ...]
    levels: tuple[int, ...]
    difference: Difference
    p: float


def main_effects(
    cells: NDArray[np.float64],
    reference: Sequence[int],
    *,
    confidence: float = 0.95,
    overlap: float = 0.0,
) -> list[Effect]:
    """Return what each level does against the baseline's level of its factor.

    effect = mean over the other factors' levels of y(level, …) - y(reference, …), within each seed,
    and its t interval over the seeds. A cell that is missing (excluded, diverged) leaves out its
    difference alone.

    Args:
        cells: (L1, L2, …, N), a value for each level of every factor and each seed; NaN if missing
        reference: the baseline's level of each factor
        confidence: of the intervals
        overlap: see `intervals.standard_error`
    """
    found = []
    for factor in range(cells.ndim - 1):
        along = np.moveaxis(cells, factor, 0)
        for level in range(len(along)):
            if level != reference[factor]:
                contrast = along[level] - along[reference[factor]]
                found.append(((factor,), (level,), _over_units(contrast)))
    return _tested(found, confidence, overlap)


def interactions(
    cells: NDArray[np.float64],
    reference: Sequence[int],
    *,
    confidence: float = 0.95,
    overlap: float = 0.0,
) -> list[Effect]:
    """Return how much the effect of one factor's level changes with that of another.

    effect = mean of [y(a, b) - y(a0, b)] - [y(a, b0) - y(a0, b0)] over the other factors' levels,
    within each seed, and its t interval over the seeds; a0, b0 are the baseline's levels. 0: the
    two effects add up.

    Args:
        cells: (L1, L2, …, N), a value for each level of every factor and each seed; NaN if missing
        reference: the baseline's level of each factor
        confidence: of the intervals
        overlap: see `intervals.standard_error`
    """
    found = []
    for first, second in combinations(range(cells.ndim - 1), 2):
        along = np.moveaxis(cells, (first, second), (0, 1))
        start, other_start = reference[first], reference[second]
        for level in range(along.shape[0]):
            for other in range(along.shape[1]):
                if level == start or other == other_start:
                    continue
                contrast = along[level, other] - along[start, other]
                contrast = contrast - (along[level, other_start] - along[start, other_start])
                found.append(((first, second), (level, other), _over_units(contrast)))
    return _tested(found, confidence, overlap)


def _over_units(contrast: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over all axes but the last, of what is there: (N,)."""
    flat = contrast.reshape(-1, contrast.shape[-1])
    there = ~np.isnan(flat)
    total, count = np.where(there, flat, 0.0).sum(0), there.sum(0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _tested(
    found: Sequence[tuple[tuple[int, ...], tuple[int, ...], NDArray[np.float64]]],
    confidence: float,
    overlap: float,
) -> list[Effect]:
    tests = [paired_t(units, confidence=confidence, overlap=overlap) for *_, units in found]
    adjusted = holm([test.p_coarse for test in tests])
    return [
        Effect(factors, levels, test, float(p))
        for (factors, levels, _), test, p in zip(found, tests, adjusted, strict=True)
    ]

"""Main effects and interactions in a grid, and curves of numeric factors."""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from typing import Any

import numpy as np

from dlx.ablation.factors import DATA, Factor, same, setting_names
from dlx.ablation.outcomes import Outcomes
from dlx.ablation.results import Variant
from dlx.ablation.statistics.effects import Effect, joint_effects
from dlx.ablation.statistics.intervals import present
from dlx.nn.metrics import scale_of

MOST_LINES = 8
"""Curves of one factor, at the settings of the others, that can be told apart in one picture."""


def effects(
    outcomes: Outcomes,
    variants: Sequence[Variant],
    factors: Sequence[Factor],
    baseline: Variant,
    *,
    metric: str,
) -> dict[str, Any] | None:
    """Return main effects and two-way interactions, against the baseline's levels.

    None if no factor has two values, if the baseline is not in the grid, or if the data set varies
    and the metric has another scale on each.
    """
    factors = [factor for factor in factors if len(factor.values) > 1]
    levels = [factor.level(baseline) for factor in factors]
    is_comparable = scale_of(metric.partition(".")[2] or metric) or all(
        factor.key != DATA for factor in factors
    )
    if not factors or not is_comparable or None in levels:
        return None
    reference = [level for level in levels if level is not None]
    num_units = len(outcomes.units(outcomes.values(baseline.name, metric)))
    cells = np.full((*(len(factor.values) for factor in factors), num_units), np.nan)
    for variant in variants:
        place = tuple(factor.level(variant) for factor in factors)
        if None not in place:
            cells[place] = outcomes.units(outcomes.values(variant.name, metric))
    overlap = outcomes.overlap or outcomes.redrawn(baseline.name, metric)
    main = []
    for effect in joint_effects(cells, reference, 1, overlap=overlap):
        [number], [level] = effect.factors, effect.levels
        factor = factors[number]
        if factor.key != DATA:  # nobody chooses a data set for its accuracy
            names = {"factor": factor.key, "level": factor.values[level]}
            start = factor.values[reference[number]]
            main.append({**names, "reference": start, **_test_of(effect)})
    both = []
    for effect in joint_effects(cells, reference, 2, overlap=overlap):
        places = zip(effect.factors, effect.levels, strict=True)
        names = {
            "factors": [factors[number].key for number in effect.factors],
            "levels": [factors[number].values[level] for number, level in places],
        }
        both.append({**names, **_test_of(effect)})
    return {"main": main, "interactions": both}


def _test_of(effect: Effect) -> dict[str, Any]:
    test = effect.difference
    return {
        "effect": test.mean,
        "low": test.low,
        "high": test.high,
        "p": effect.p,
        "p_raw": test.p,
        "n": test.n,
    }


def curves_by_factor(
    outcomes: Outcomes,
    variants: Sequence[Variant],
    factors: Sequence[Factor],
    baseline: Variant,
    *,
    metric: str,
    design: str,
) -> list[dict[str, Any]]:
    """Return the judged metric on train and dev rows against each factor that has an axis.

    In a grid a point is the mean, within each seed, over the settings of the other factors that
    have a value at every point (`over`). With other settings at each point it would be no curve.
    In other designs the other factors are as in the baseline. `lines` has a curve for every
    setting of the other factors, if these are few.
    """
    splits = _splits(metric)

    def curve(groups: Sequence[Sequence[Sequence[Variant]]]) -> dict[str, Any]:
        points = [[*chain(*level)] for level in zip(*groups, strict=True)]
        return {
            split: [_point(outcomes, point, split_metric) for point in points]
            for split, split_metric in splits.items()
        }

    curves = []
    for factor in factors:
        if factor.axis is None:
            continue
        rest = [other for other in factors if other.key != factor.key]
        # By the settings of the other factors: the variants at each level of this one.
        groups: dict[str, list[list[Variant]]] = {}
        for variant in variants:
            group = groups.setdefault(_settings_key(variant, rest), [[] for _ in factor.values])
            level = factor.level(variant)
            if level is not None:
                group[level].append(variant)
        if design != "grid":
            key = _settings_key(baseline, rest)
            groups = {key: groups[key]}
        complete = [group for group in groups.values() if _is_complete(outcomes, group, metric)]
        lines = [
            {"settings": _settings_of(group, rest), **curve([group])}
            for group in groups.values()
            if rest and sum(map(bool, group)) > 1
        ]
        if complete or lines:
            curves.append(
                {
                    "key": factor.key,
                    "label": factor.axis_label,
                    "values": list(factor.axis),
                    "metric": metric.partition(".")[2] or metric,
                    "over": [_settings_of(group, rest) for group in complete],
                    **curve(complete or [[[] for _ in factor.values]]),
                    "lines": lines if len(lines) <= MOST_LINES else [],
                }
            )
    return curves


def _settings_key(variant: Variant, factors: Sequence[Factor]) -> str:
    return same({factor.key: variant.settings.get(factor.key) for factor in factors})


def _settings_of(levels: Sequence[Sequence[Variant]], factors: Sequence[Factor]) -> str:
    return setting_names(next(chain(*levels)).settings, factors)


def _is_complete(outcomes: Outcomes, levels: Sequence[Sequence[Variant]], metric: str) -> bool:
    return all(
        any(len(present(outcomes.values(variant.name, metric))) for variant in level)
        for level in levels
    )


def _splits(metric: str) -> dict[str, str]:
    """Return the metric of each curve by split; success has one curve alone, that of dev."""
    if metric == "success":
        return {"dev": metric}
    split, _, tag = metric.partition(".")
    return {"train": f"train.{tag}", "dev": metric if split == "test" else f"dev.{tag}"}


def _point(outcomes: Outcomes, variants: Sequence[Variant], metric: str) -> dict[str, Any]:
    if metric == "success":
        return asdict(outcomes.rate([variant.name for variant in variants]))
    values = [outcomes.values(variant.name, metric) for variant in variants]
    units = np.mean([outcomes.units(array) for array in values], axis=0) if values else []
    return asdict(outcomes.interval(units, metric.partition(".")[2]))

"""What each factor does: main effects and interactions of a grid, curves of numeric factors."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from dlx.ablation.factors import DATA, Factor, same, setting_names
from dlx.ablation.outcomes import Outcomes, is_share
from dlx.ablation.results import Variant
from dlx.ablation.statistics.effects import Effect, interactions, main_effects
from dlx.ablation.statistics.intervals import mean_interval, present, share_interval

MOST_LINES = 8
"""Curves of one factor at the settings of the others that can be told apart in one picture."""


def effects(
    outcomes: Outcomes,
    variants: Sequence[Variant],
    factors: Sequence[Factor],
    baseline: Variant,
    *,
    metric: str,
    confidence: float,
) -> dict[str, Any] | None:
    """Return main effects and two-way interactions, against the baseline's levels.

    None without a factor of two values, where the baseline is not in the grid, or where the data
    set varies and the metric has another scale on each.
    """
    factors = [each for each in factors if len(each.values) > 1]
    reference = [each.level(baseline) for each in factors]
    is_comparable = is_share(metric.partition(".")[2] or metric) or all(
        each.key != DATA for each in factors
    )
    if not factors or not is_comparable or None in reference:
        return None
    start = [level for level in reference if level is not None]
    num_units = len(outcomes.units(outcomes.values(baseline.name, metric)))
    cells = np.full((*(len(each.values) for each in factors), num_units), np.nan)
    for each in variants:
        place = tuple(factor.level(each) for factor in factors)
        if None not in place:
            cells[place] = outcomes.units(outcomes.values(each.name, metric))
    options = {"confidence": confidence, "overlap": outcomes.overlap}
    main = [
        _main(each, factors, start)
        for each in main_effects(cells, start, **options)
        if factors[each.factors[0]].key != DATA  # data sets are no choice that helps
    ]
    both = [_interaction(each, factors) for each in interactions(cells, start, **options)]
    return {"main": main, "interactions": both}


def _main(effect: Effect, factors: Sequence[Factor], start: Sequence[int]) -> dict[str, Any]:
    [factor], [level] = effect.factors, effect.levels
    return {
        "factor": factors[factor].key,
        "level": factors[factor].values[level],
        "reference": factors[factor].values[start[factor]],
        "effect": effect.difference.mean,
        **_tested(effect),
    }


def _interaction(effect: Effect, factors: Sequence[Factor]) -> dict[str, Any]:
    return {
        "factors": [factors[i].key for i in effect.factors],
        "levels": [
            factors[i].values[level] for i, level in zip(effect.factors, effect.levels, strict=True)
        ],
        "effect": effect.difference.mean,
        **_tested(effect),
    }


def _tested(effect: Effect) -> dict[str, Any]:
    found = effect.difference
    return {"low": found.low, "high": found.high, "p": effect.p, "p_raw": found.p, "n": found.n}


def curves_by_factor(
    outcomes: Outcomes,
    variants: Sequence[Variant],
    factors: Sequence[Factor],
    baseline: Variant,
    *,
    metric: str,
    design: str,
    confidence: float,
) -> list[dict[str, Any]]:
    """Return train and dev of the judged metric against each factor whose values are numbers.

    In a grid a point is the mean, within each seed, over the settings of the other factors that
    have a value at every point (`over`): a mean of other settings at each point would be no curve.
    In other designs the others are as in the baseline. `lines` has a curve for each setting of the
    others, where there are few.
    """
    found = []
    for factor in factors:
        if factor.axis is None:
            continue
        rest = [each for each in factors if each.key != factor.key]
        groups: dict[str, list[list[Variant]]] = {}
        for each in variants:
            fixed = same({other.key: each.settings.get(other.key) for other in rest})
            own = groups.setdefault(fixed, [[] for _ in factor.values])
            level = factor.level(each)
            if level is not None:
                own[level].append(each)
        if design != "grid":
            mine = same({other.key: baseline.settings.get(other.key) for other in rest})
            groups = {mine: groups[mine]}
        whole = [own for own in groups.values() if _is_whole(outcomes, own, metric)]
        splits = _splits(metric)

        def curve(groups: list[list[list[Variant]]], splits: Mapping[str, str] = splits) -> Any:
            points = [[*chain(*level)] for level in zip(*groups, strict=True)]
            return {
                split: [_point(outcomes, point, tag, confidence) for point in points]
                for split, tag in splits.items()
            }

        lines = [
            {"settings": setting_names(_first(own).settings, rest), **curve([own])}
            for own in groups.values()
            if rest and sum(map(bool, own)) > 1
        ]
        if not whole and not lines:
            continue
        found.append(
            {
                "key": factor.key,
                "label": factor.axis_label,
                "values": list(factor.axis),
                "metric": metric.partition(".")[2] or metric,
                "over": [setting_names(_first(own).settings, rest) for own in whole],
                **curve(whole or [[[] for _ in factor.values]]),
                "lines": lines if len(lines) <= MOST_LINES else [],
            }
        )
    return found


def _is_whole(outcomes: Outcomes, levels: Sequence[Sequence[Variant]], metric: str) -> bool:
    return all(
        any(len(present(outcomes.values(each.name, metric))) for each in level) for level in levels
    )


def _first(levels: Sequence[Sequence[Variant]]) -> Variant:
    return next(each for level in levels for each in level)


def _splits(metric: str) -> dict[str, str]:
    """Return the metric of each curve; success is of the dev curve, there being one alone."""
    if metric == "success":
        return {"dev": metric}
    split, _, tag = metric.partition(".")
    return {"train": f"train.{tag}", "dev": metric if split == "test" else f"dev.{tag}"}


def _point(
    outcomes: Outcomes, variants: Sequence[Variant], metric: str, confidence: float
) -> dict[str, Any]:
    values = [outcomes.values(each.name, metric) for each in variants]
    if metric == "success":
        held = present(np.concatenate(values)) if values else np.empty(0)
        found = share_interval(int(held.sum()), len(held), confidence=confidence)
    elif not values:
        found = mean_interval([])
    else:
        units = np.mean([outcomes.units(each) for each in values], axis=0)
        found = mean_interval(units, confidence=confidence, overlap=outcomes.overlap)
        if is_share(metric.partition(".")[2]):
            found = found.within(0, 1)
    return {"mean": found.mean, "low": found.low, "high": found.high, "n": found.n}

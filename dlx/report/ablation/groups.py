"""The grouping of variants into panels, and their colours.

Up to seven variants are in one panel. More variants of a grid have a panel for each combination of
some factors' values, with the other factors' values as lines; of one-at-a-time a panel for each
factor; of other designs panels of neighbours in rank.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dlx.ablation.variants import show
from dlx.report.ablation import reading
from dlx.report.ablation.reading import Summary
from dlx.report.ablation.style import INK, shades

MOST_LINES = 7
_MOST_ORDERED = 10  # lines whose colours have an order
MOST_PANELS = 12
_MISSING = object()


@dataclass(frozen=True)
class Line:
    """A variant in a panel."""

    variant: str
    label: str
    color: str


@dataclass(frozen=True)
class Group:
    """A panel: its heading, its variants, and the factor whose values their labels are, if any."""

    title: str
    lines: tuple[Line, ...]
    factor: str = ""


def groups(summary: Summary) -> list[Group]:
    """Return the panels in their order."""
    variants = summary["variants"]
    if len(variants) <= MOST_LINES:
        return [Group("", _named(variants))]
    if summary["design"] == "one_at_a_time":
        return _by_change(summary)
    return _by_values(summary) or _by_rank(summary)


def _by_change(summary: Summary) -> list[Group]:
    base = next(
        (v for v in summary["variants"] if v["name"] in ("base", summary["baseline"])),
        summary["variants"][0],
    )
    panels = []
    for factor in summary["factors"]:
        key = factor["key"]
        unchanged = base["settings"].get(key, _MISSING)
        changed = [
            variant
            for variant in summary["variants"]
            if variant is not base and variant["settings"].get(key, unchanged) != unchanged
        ]
        lines = [Line(base["name"], base["name"], INK)]
        colors = shades(len(changed), factor["numeric"] and len(changed) > 2)
        for variant, color in zip(changed, colors, strict=True):
            lines.append(Line(variant["name"], show(variant["settings"][key]), color))
        if changed:
            panels.append(Group(factor["label"], tuple(lines)))
    return panels


def _by_values(summary: Summary) -> list[Group]:
    """Return as few panels as there can be, one for each combination of some factors' values."""
    factors, variants = summary["factors"], summary["variants"]
    best: list[Group] = []
    for size in range(1, len(factors)):
        for of_panels in itertools.combinations(factors, size):
            of_lines = [factor for factor in factors if factor not in of_panels]
            is_ordered = _is_ordered(of_lines)
            panels: dict[str, list[str]] = {}
            for variant in variants:
                title = " ".join(f"{f['label']}={_value(variant, f)}" for f in of_panels)
                panels.setdefault(title, []).append(variant["name"])
            labels = {variant["name"]: _label(variant, of_lines) for variant in variants}
            count = len(set(labels.values()))
            fits = count <= (_MOST_ORDERED if is_ordered else MOST_LINES)
            if fits and (not best or len(panels) < len(best)):
                distinct = dict.fromkeys(labels.values())
                colors = dict(zip(distinct, shades(count, is_ordered), strict=True))
                lines = {name: Line(name, label, colors[label]) for name, label in labels.items()}
                factor = of_lines[0]["label"] if len(of_lines) == 1 else ""
                best = [
                    Group(title, tuple(lines[name] for name in names), factor)
                    for title, names in panels.items()
                ]
    return best if len(best) <= len(variants) / 2 else []


def _by_rank(summary: Summary) -> list[Group]:
    ranked = reading.best_first(summary)
    panels = []
    for start in range(0, len(ranked), MOST_LINES):
        part = ranked[start : start + MOST_LINES]
        last = f" to {start + len(part)}" if len(part) > 1 else ""
        panels.append(Group(f"rank {start + 1}{last}", _named(part)))
    return panels


def _named(variants: Sequence[Mapping[str, Any]]) -> tuple[Line, ...]:
    colors = shades(len(variants))
    return tuple(Line(v["name"], v["name"], c) for v, c in zip(variants, colors, strict=True))


def _is_ordered(factors: Sequence[Mapping[str, Any]]) -> bool:
    return len(factors) == 1 and factors[0]["numeric"] and len(factors[0]["values"]) > 2


def _value(variant: Mapping[str, Any], factor: Mapping[str, Any]) -> str:
    return show(variant["settings"].get(factor["key"], "–"))


def _label(variant: Mapping[str, Any], factors: Sequence[Mapping[str, Any]]) -> str:
    """Return the values of factors in words; a single factor needs no name."""
    if len(factors) == 1:
        return _value(variant, factors[0])
    return " ".join(f"{factor['label']}={_value(variant, factor)}" for factor in factors)

"""Which variants are drawn together, and in which colours.

Up to seven variants are one picture. More are small multiples: of a grid a panel for each value of
some factors, the others' values being lines; of one-at-a-time a panel for each factor; of anything
else panels of neighbours in rank.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dlx.ablation.variants import show
from dlx.report.ablation import reading
from dlx.report.ablation.reading import Summary
from dlx.report.ablation.style import shades

MOST_LINES = 7
_MOST_ORDERED = 10  # lines whose colours have an order
MOST_PANELS = 12
_MISSING = object()


@dataclass(frozen=True)
class Line:
    """A variant as it is drawn in a panel."""

    variant: str
    label: str
    color: str


@dataclass(frozen=True)
class Group:
    """A panel: its heading, the variants that stand out, the factor that their labels are of."""

    title: str
    lines: tuple[Line, ...]
    factor: str = ""


def groups(summary: Summary) -> list[Group]:
    """Return the panels, in an order that a person would look for."""
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
    found = []
    for factor in summary["factors"]:
        key = factor["key"]
        mine = base["settings"].get(key, _MISSING)
        changed = [
            v for v in summary["variants"] if v is not base and v["settings"].get(key, mine) != mine
        ]
        lines = [Line(base["name"], base["name"], "#222222")]
        colors = shades(len(changed), factor["numeric"] and len(changed) > 2)
        for variant, color in zip(changed, colors, strict=True):
            lines.append(Line(variant["name"], show(variant["settings"][key]), color))
        if changed:
            found.append(Group(factor["label"], tuple(lines)))
    return found


def _by_values(summary: Summary) -> list[Group]:
    factors = summary["factors"]
    variants = summary["variants"]
    best: list[Group] = []
    for size in range(1, len(factors)):
        for apart in itertools.combinations(factors, size):
            together = [each for each in factors if each not in apart]
            most = _MOST_ORDERED if _ordered(together) else MOST_LINES
            panels = _split(variants, apart)
            within = list(dict.fromkeys(_name(v, together) for v in variants))
            if len(within) <= most and (not best or len(panels) < len(best)):
                colors = dict(zip(within, shades(len(within), _ordered(together)), strict=True))
                factor = together[0]["label"] if len(together) == 1 else ""
                best = [
                    Group(title, tuple(_line(v, together, colors) for v in members), factor)
                    for title, members in panels.items()
                ]
    return best if len(best) <= len(variants) / 2 else []


def _by_rank(summary: Summary) -> list[Group]:
    ranked = reading.best_first(summary)
    found = []
    for start in range(0, len(ranked), MOST_LINES):
        part = ranked[start : start + MOST_LINES]
        found.append(Group(f"rank {start + 1} to {start + len(part)}", _named(part)))
    return found


def _named(variants: Sequence[Mapping[str, Any]]) -> tuple[Line, ...]:
    colors = shades(len(variants))
    return tuple(Line(v["name"], v["name"], c) for v, c in zip(variants, colors, strict=True))


def _ordered(factors: Sequence[Mapping[str, Any]]) -> bool:
    return len(factors) == 1 and factors[0]["numeric"] and len(factors[0]["values"]) > 2


def _split(
    variants: Sequence[Mapping[str, Any]], factors: Sequence[Mapping[str, Any]]
) -> dict[str, list[Mapping[str, Any]]]:
    panels: dict[str, list[Mapping[str, Any]]] = {}
    for variant in variants:
        panels.setdefault(_name(variant, factors, full=True), []).append(variant)
    return panels


def _name(
    variant: Mapping[str, Any], factors: Sequence[Mapping[str, Any]], full: bool = False
) -> str:
    settings = variant["settings"]
    parts = [(f["label"], show(settings.get(f["key"], "–"))) for f in factors]
    if len(parts) == 1 and not full:
        return parts[0][1]
    return " ".join(f"{label}={text}" for label, text in parts)


def _line(
    variant: Mapping[str, Any], factors: Sequence[Mapping[str, Any]], colors: Mapping[str, str]
) -> Line:
    name = _name(variant, factors)
    return Line(variant["name"], name, colors[name])

"""What an ablation can decide before it is trained, in words."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dlx.ablation.comparisons import HALF_A_POINT
from dlx.report.ablation import reading
from dlx.report.ablation.verdict_table import Table

Prospects = Mapping[str, Any]
"""What `dlx.ablation.prospects` says; with the parameters of each variant, that of a preview."""


def same(document: Prospects) -> list[str]:
    """Return a sentence on each group of variants that train alike."""
    return [
        f"{', '.join(map(repr, names[:-1]))} and {names[-1]!r} train alike: their runs do not use "
        "what differs; leave all but one of them out"
        for names in document["same_variants"]
    ]


def sentences(document: Prospects) -> Iterator[str]:
    """Give which variant is the baseline, and what the comparisons with it can find."""
    if not document["comparisons"]:
        return
    differs, name = document["baseline_differs"], document["baseline"]
    yield (
        f"the baseline {name!r} differs from the config in {_count(differs, 'value')}, as few as "
        "any variant; ablation.baseline names another"
        if differs
        else f"the baseline {name!r} is the variant with the values of the config"
    )
    start, unit = _count(document["comparisons"], "comparison"), _unit(document)
    if document["smallest_effect"] is None:
        fewest = document["fewest_seeds"]
        yield f"{start}: nothing can be decided; it takes at least {fewest} {unit}s"
    else:
        effect = f"{document['smallest_effect']:.1f} times its standard deviation over the {unit}s"
        yield f"{start}: a difference of {effect} is found in four of five ablations"
    if looks := document["looks"]:
        yield (
            f"variants are looked at after {looks[0]} seeds, and {len(looks)} times at most; who "
            f"has what is asked for leaves, and the others get up to {looks[-1]:,}"
        )
    for what, p in document["smallest_p"].items():
        n = _count(document["most_seeds"], unit)
        yield f"the smallest p that {n} reach is {p:.2g}, of {what}, adjusted for {start}"
    if document["variances"]:
        yield found(document)


def found(document: Prospects) -> str:
    """Return which differences are found, and how many seeds others take."""
    metric, variances = document["metric"], document["variances"]
    rows = variances["variants"].values()
    where = f"{variances['ablation'] or 'the pilot'} ({_count(variances['seeds'], 'seed')})"
    facts = [f"as differences vary in {where}"]
    ends = [row["found"] for row in rows if row["found"] is not None]
    if ends:
        size = _range(_size(metric, end) for end in (min(ends), max(ends)))
        n = _count(document["most_seeds"], "seed")
        unit = reading.difference_unit(metric)
        facts.append(f"{n} find one of {size}{unit} in four of five ablations")
    for target, words in _targets(document).items():
        counts = [row["enough_seeds"].get(target) for row in rows]
        known = [count for count in counts if count is not None]
        if known:
            most = f"{max(known):,}" if len(known) == len(counts) else "more than 10,000"
            facts.append(f"{words} takes {_range((f'{min(known):,}', most))} seeds")
        else:
            facts.append(f"{words} takes more judged rows, or more than 10,000 seeds")
    return "; ".join(facts)


def table(document: Prospects) -> Table:
    """Return a table of the variants: parameters, where they are known, and what is found."""
    metric, variances = document["metric"], document["variances"] or {"variants": {}}
    unit = " (points)" if reading.difference_unit(metric) else ""
    parameters = {v["name"]: f"{v['parameters']:,}" for v in document.get("variants", ())}
    targets = _targets(document)
    headings = ["variant", *(["parameters"] if parameters else [])]
    if variances["variants"]:
        n = _count(document["most_seeds"], "seed")
        headings += [f"deviation{unit}", f"{n} find{unit}"]
        headings += [f"seeds for {words}" for words in targets.values()]
    rows = []
    for name in parameters or variances["variants"]:
        row = [name, *([parameters[name]] if parameters else [])]
        if shown := variances["variants"].get(name):
            row += [_size(metric, shown["deviation"]), _size(metric, shown["found"])]
            row += [_seeds(shown["enough_seeds"].get(target)) for target in targets]
        rows.append(row + [""] * (len(headings) - len(row)))
    return Table(headings, rows, " " + "r" * (len(headings) - 1))


def _targets(document: Prospects) -> dict[str, str]:
    """Return the differences that seeds are reckoned for, in words; equal ones once."""
    variances, metric = document["variances"], document["metric"]
    if not variances:
        return {}
    unit, margin = reading.difference_unit(metric), variances["margin"]
    targets = {"half_a_point": "half a point"} if unit else {}
    if margin and not (unit and math.isclose(margin, HALF_A_POINT)):
        targets["margin"] = f"the margin of {_size(metric, margin)}{unit}"
    return targets


def _size(metric: str, number: float | None) -> str:
    return reading.difference(metric, number).lstrip("+")


def _range(ends: Iterable[str]) -> str:
    return " to ".join(dict.fromkeys(ends))


def _seeds(count: int | None) -> str:
    return "–" if count is None else f"{count:,}"


def _unit(document: Prospects) -> str:
    return "fold" if document["folds"] else "seed"


def _count(number: int, unit: str) -> str:
    return f"{number:,} {unit}{'s' * (number != 1)}"

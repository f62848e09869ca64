"""How two factors work together: lines over one factor for each value of the other, or a map."""

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dlx.ablation.results import RunResult
from dlx.ablation.variants import show
from dlx.report.ablation import reading, style
from dlx.report.ablation.reading import Summary
from dlx.report.ablation.style import Drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LINES = 6  # of the factor with fewer values; with more it is a map
_MOST_PAIRS = 3
_HEIGHT = 3.1

Factor = Mapping[str, Any]


def draw(summary: Summary, results: Sequence[RunResult]) -> list[Drawing]:
    """Draw the pairs of factors of a grid, those that interact most first.

    Nothing if fewer than two factors vary together.
    """
    pairs = _pairs(summary)
    if not pairs:
        return []
    drawings = []
    for number, (one, other) in enumerate(pairs):
        across, lines = _roles(one, other)
        cells = _cells(summary, across, lines)
        if not any(cell is not None for row in cells for cell in row):
            continue
        drawings.append(_draw(summary, across, lines, cells, number))
    return drawings


def _pairs(summary: Summary) -> list[tuple[Factor, Factor]]:
    if summary["design"] == "one_at_a_time":
        return []
    factors = [each for each in summary["factors"] if len(each["values"]) > 1]
    pairs = [
        pair for pair in itertools.combinations(factors, 2) if _crossed(summary["variants"], *pair)
    ]
    smallest: dict[frozenset[str], float] = {}
    for each in (summary.get("effects") or {}).get("interactions", []):
        if each.get("p") is not None:
            both = frozenset(each["factors"])
            smallest[both] = min(each["p"], smallest.get(both, 1.0))

    def p_of(pair: tuple[Factor, Factor]) -> float:
        keys = [frozenset(each[name] for each in pair) for name in ("key", "label")]
        return min(smallest.get(key, 2.0) for key in keys)

    return sorted(pairs, key=p_of)[:_MOST_PAIRS]


def _crossed(variants: Sequence[Mapping[str, Any]], one: Factor, other: Factor) -> bool:
    """Say whether some value of one factor meets several of the other."""
    met: dict[str, set[str]] = {}
    for variant in variants:
        settings = variant["settings"]
        if one["key"] in settings and other["key"] in settings:
            met.setdefault(show(settings[one["key"]]), set()).add(show(settings[other["key"]]))
    return len(met) > 1 and any(len(values) > 1 for values in met.values())


def _roles(one: Factor, other: Factor) -> tuple[Factor, Factor]:
    """Return the factor along the axis and that of the lines: numbers, then more values, across."""
    if one["numeric"] != other["numeric"]:
        return (one, other) if one["numeric"] else (other, one)
    return (one, other) if len(one["values"]) >= len(other["values"]) else (other, one)


def _cells(summary: Summary, across: Factor, lines: Factor) -> list[list[Mapping[str, Any] | None]]:
    """Return mean, low and high by the values of `lines`, then of `across`.

    Where other factors vary too, a cell is the mean over them and has no interval.
    """
    found = []
    for mine in lines["values"]:
        row: list[Mapping[str, Any] | None] = []
        for place in across["values"]:
            members = [
                reading.judged(variant, summary)
                for variant in summary["variants"]
                if show(variant["settings"].get(lines["key"])) == show(mine)
                and show(variant["settings"].get(across["key"])) == show(place)
            ]
            members = [each for each in members if each.get("mean") is not None]
            if len(members) == 1:
                row.append(members[0])
            elif members:
                mean = float(np.mean([each["mean"] for each in members]))
                row.append({"mean": mean, "low": None, "high": None})
            else:
                row.append(None)
        found.append(row)
    return found


def _draw(
    summary: Summary,
    across: Factor,
    lines: Factor,
    cells: Sequence[Sequence[Mapping[str, Any] | None]],
    number: int,
) -> Drawing:
    factor = reading.factor_of(summary["metric"])
    if min(len(across["values"]), len(lines["values"])) > MOST_LINES:
        figure, how = _map(summary, across, lines, cells, factor)
    else:
        figure, how = _lines(summary, across, lines, cells, factor)
    others = [f for f in summary["factors"] if f["key"] not in (across["key"], lines["key"])]
    if any(len(each["values"]) > 1 for each in others):
        how += f" Means over {_list([each['label'] for each in others])}."
    title = f"{across['label']} and {lines['label']} together"
    name = "interaction" if number == 0 else f"interaction_{number + 1}"
    return Drawing(name, title, how, figure)


def _lines(
    summary: Summary,
    across: Factor,
    lines: Factor,
    cells: Sequence[Sequence[Mapping[str, Any] | None]],
    factor: float,
) -> tuple[Any, str]:
    labels = [style.wrapped(f"{lines['label']}={show(each)}", 30) for each in lines["values"]]
    left, right = 0.75, 0.25 + style.inches(labels) * style.SMALL / style.NORMAL
    figure = style.sheet(_HEIGHT + 1.05)
    axes = style.panel(figure, left, 0.4, style.WIDTH - left - right, _HEIGHT)
    style.heading(axes, reading.axis_label(summary["metric"]))
    ordered = lines["numeric"] and len(lines["values"]) > 2
    colors = style.shades(len(labels), ordered)
    ends = []
    for place, (row, color) in enumerate(zip(cells, colors, strict=True)):
        # Side by side, so that intervals at the same value do not hide each other.
        shift = 0.035 * (place - (len(cells) - 1) / 2)
        known = [(x + shift, cell) for x, cell in enumerate(row) if cell is not None]
        means = [factor * cell["mean"] for _, cell in known]
        spots = [x for x, _ in known]
        axes.plot(spots, means, "o-", color=color, linewidth=1.4, markersize=5, zorder=3)
        for x, cell in known:
            if cell["low"] is not None and cell["high"] is not None:
                ends_of = [factor * cell["low"], factor * cell["high"]]
                axes.plot([x, x], ends_of, color=color, linewidth=1.2, zorder=2)
        ends.append((means[-1] if means else float("nan"), labels[place], color))
    _name_places(axes, across, style.WIDTH - left - right)
    axes.set_xlim(-0.25, len(across["values"]) - 0.75)
    style.keep_shares(axes.set_ylim, axes.get_ylim(), factor)
    style.label_ends(axes, ends)
    share = f"{100 * summary['confidence']:g} %"
    return figure, (
        f"Mean {reading.in_words(summary['metric'])} and {share} intervals. Where the lines run "
        "side by side, the two choices work independently; where they cross or part, the best "
        f"{lines['label']} depends on {across['label']}."
    )


def _map(
    summary: Summary,
    across: Factor,
    lines: Factor,
    cells: Sequence[Sequence[Mapping[str, Any] | None]],
    factor: float,
) -> tuple[Any, str]:
    values = np.array(
        [[np.nan if cell is None else factor * cell["mean"] for cell in row] for row in cells]
    )
    names = [style.shortened(f"{lines['label']}={show(each)}", 40) for each in lines["values"]]
    left = 0.55 + style.inches(names)
    width = style.WIDTH - left - 0.9
    height = 0.34 * len(names)
    figure = style.sheet(height + 1.1)
    axes = style.panel(figure, left, 0.4, width, height)
    axes.grid(visible=False)
    axes.imshow(values, cmap="cividis", aspect="auto")
    style.heading(axes, reading.axis_label(summary["metric"]))
    axes.set_yticks(range(len(names)), names, fontsize=style.SMALL)
    _name_places(axes, across, width)
    middle = (np.nanmin(values) + np.nanmax(values)) / 2
    for row, column in np.argwhere(np.isfinite(values)):
        shown = values[row, column]
        axes.text(
            column,
            row,
            f"{shown:.1f}" if factor == 100 else f"{shown:.3g}",
            ha="center",
            va="center",
            fontsize=style.SMALL,
            color="white" if shown < middle else "black",
        )
    return figure, (
        f"Mean {reading.in_words(summary['metric'])} of every pair of values. Rows that differ in "
        f"their pattern mean that the best {across['label']} depends on {lines['label']}."
    )


def _name_places(axes: "Axes", factor: Factor, width: float) -> None:
    names = [show(each) for each in factor["values"]]
    room = width / len(names)
    shown = [style.wrapped(name, max(8, int(room / 0.075)), 2) for name in names]
    axes.set_xticks(range(len(names)), shown, fontsize=style.SMALL)
    style.label_below(axes, factor["label"])


def _list(names: Sequence[str]) -> str:
    return " and ".join(names) if len(names) < 3 else f"{', '.join(names[:-1])} and {names[-1]}"

"""The pictures of a search: verdict, history, parallel coordinates, importance, the front."""

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from dlx.ablation.variants import short_labels, show
from dlx.report.ablation import reading, style
from dlx.report.ablation.style import BLUE, FAINT, GREY, INK, SMALL, VERMILLION, Drawing
from dlx.report.figures import log_scale
from dlx.report.search.words import Summary, in_words, judged_words
from dlx.search.space import Dimension, dimensions
from dlx.texts import shortened

_LEFT = 0.9  # inches, of axes with a label
_LOST = {"pruned": (GREY, "|"), "diverged": (VERMILLION, "x"), "failed": (INK, "x")}
_SPREAD = 3.0  # quartile ranges below the median: worse values leave the picture
_AT_THE_EDGE = "Values far worse than the others are drawn at the edge."
_MOST_LINES = 400  # of parallel coordinates: the best ones


def draw_all(summary: Summary) -> list[Drawing]:
    """Return the pictures, the most important one first."""
    kinds = (_verdict, _front, _history, _parallel, _importances)
    return [drawing for kind in kinds for drawing in kind(summary)]


def _verdict(summary: Summary) -> list[Drawing]:
    """Draw the judged values of both configs at every seed, and their difference."""
    verdict = summary["verdict"]
    if verdict is None or verdict["versus"]["difference"] is None:
        return []
    metric, versus = summary["metric"], verdict["versus"]
    factor = reading.factor_of(metric)
    pairs = [verdict["values"][name]["values"] for name in ("default", "best")]
    values = factor * np.array(pairs, float)  # (2, seeds); None becomes NaN
    figure = style.sheet(3.5)
    axes = style.panel(figure, _LEFT, 0.45, 3.6, 2.5)
    style.heading(axes, f"{judged_words(summary)} at {values.shape[1]} fresh seeds")
    axes.plot([0, 1], values, color=FAINT, linewidth=1)
    for place, color in ((0, GREY), (1, BLUE)):
        axes.plot(np.full(values.shape[1], place), values[place], "o", color=color, markersize=4)
        mean = float(np.nanmean(values[place]))
        axes.plot([place - 0.12, place + 0.12], [mean, mean], color=color, linewidth=2.5)
    axes.set_xlim(-0.4, 1.4)
    axes.set_xticks([0, 1], ["config's own", "best"])
    axes.set_ylabel(f"{judged_words(summary)}{' (%)' if factor == 100 else ''}", fontsize=9)
    axes = style.panel(figure, 5.6, 0.45, 3.5, 2.5, "x")
    better = "right" if _rises(summary) else "left"
    style.heading(axes, f"best less config's own (better is {better})")
    margin = factor * (versus["equivalence"]["margin"] or 0.0)
    axes.axvspan(-margin, margin, color="#ececec", linewidth=0)
    axes.axvline(0, color=INK, linewidth=0.9)
    differences = values[1] - values[0]
    axes.plot(differences, np.linspace(0.62, 0.95, len(differences)), "o", color=GREY, markersize=4)
    color, shape = style.VERDICTS[versus["verdict"]]
    if versus["low"] is not None:
        axes.plot(
            [factor * versus["low"], factor * versus["high"]], [0.3, 0.3], color=INK, linewidth=1.6
        )
    axes.plot(
        [factor * versus["difference"]],
        [0.3],
        shape,
        color=color,
        markeredgecolor=INK,
        markersize=8,
    )
    axes.set_ylim(0, 1)
    axes.set_yticks([0.3, 0.78], ["mean, 95 %", "by seed"])
    unit = "percentage points" if factor == 100 else judged_words(summary)
    style.label_below(axes, f"difference ({unit})")
    caption = (
        f"Both configs trained anew at {len(verdict['seeds'])} seeds that no trial had, and were "
        f"judged on {verdict['rows']:,} rows. A line joins the two runs of a seed. The interval on "
        "the right is that of the mean difference for other seeds and other rows; the grey zone is "
        "the margin, within which both count as equivalent."
    )
    return [Drawing("verdict", "Is it better?", caption, figure)]


def _history(summary: Summary) -> list[Drawing]:
    """Draw the first objective of every trial in order, and the best one so far."""
    from matplotlib.ticker import MaxNLocator

    name, factor = summary["objectives"][0], _factor(summary["objectives"][0])
    done = [trial for trial in summary["trials"] if trial["state"] == "completed"]
    if not done:
        return []
    numbers = np.array([trial["number"] for trial in done])
    values = factor * np.array([trial["values"][0] for trial in done])
    fits = np.array([all(v <= 0 for v in trial["violations"].values()) for trial in done])
    low, high = _limits(values, summary["rising"][0])
    figure = style.sheet(3.9)
    axes = style.panel(figure, _LEFT, 0.45, 8.3, 2.75)
    style.heading(axes, f"{in_words(name)} of every trial")
    for trial, before in zip(summary["trials"][1:], summary["trials"], strict=False):
        if trial["batch"] != before["batch"]:
            axes.axvline(trial["number"] - 0.5, color=FAINT, linewidth=0.8)
    shown = np.clip(values, low, high)
    axes.plot(numbers[fits], shown[fits], "o", color=BLUE, alpha=0.55, markersize=4, label="trial")
    if not fits.all():
        bad = ~fits
        axes.plot(numbers[bad], shown[bad], "o", color=GREY, mfc="none", label="breaks a bound")
    if fits.any():
        better = np.maximum if summary["rising"][0] else np.minimum
        best = better.accumulate(values[fits])
        ends = [*numbers[fits], summary["trials"][-1]["number"]]
        axes.step(ends, [*best, best[-1]], where="post", color=VERMILLION, label="best so far")
    edge = low if summary["rising"][0] else high
    for state, (color, shape) in _LOST.items():
        lost = [trial["number"] for trial in summary["trials"] if trial["state"] == state]
        if lost:
            axes.plot(lost, np.full(len(lost), edge), shape, color=color, label=state)
    room = 0.06 * (high - low or 1.0)
    axes.set_ylim(low - room, high + room)
    axes.set_xlim(0.5, len(summary["trials"]) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel(_axis_label(name), fontsize=9)
    style.label_below(axes, "trial")
    # Above: in any corner there may be trials.
    axes.legend(fontsize=SMALL, loc="lower right", bbox_to_anchor=(1, 1), ncols=9, frameon=False)
    caption = (
        "Each dot is a trial, the mean over its seeds; the line is the best so far. The thin lines "
        "divide batches: the trials of a batch were chosen together, from what was known before. "
        f"{_AT_THE_EDGE}"
    )
    return [Drawing("history", "How the search went", caption, figure)]


def _parallel(summary: Summary) -> list[Drawing]:
    """Draw every completed trial as a line through its values."""
    done = [
        trial
        for trial in summary["trials"]
        if trial["state"] == "completed" and trial["same_as"] is None
    ]
    if len(done) < 2:
        return []
    rising, name = summary["rising"][0], summary["objectives"][0]
    done.sort(key=lambda trial: -trial["values"][0] if rising else trial["values"][0])
    done = done[:_MOST_LINES][::-1]  # the best ones are drawn last
    scales = [_scale(own, done) for own in dimensions(summary["space"])]
    keys = list(summary["space"])
    values = _factor(name) * np.array([trial["values"][0] for trial in done])
    low, high = _limits(values, rising)
    last = (np.clip(values, low, high) - low) / (high - low or 1.0)
    lines = np.column_stack([*(places for places, _ in scales), last])  # (trials, axes)
    figure = style.sheet(3.65)
    axes = style.panel(figure, 0.95, 0.2, 7.7, 3.0, "x")
    colors = style.shades(len(done), ordered=True)
    for line, color in zip(lines, colors, strict=True):
        axes.plot(range(lines.shape[1]), line, color=color, linewidth=0.9, alpha=0.6)
    winner = (summary["best"] or {}).get("number")
    best = next((place for place, own in enumerate(done) if own["number"] == winner), None)
    if best is not None:
        axes.plot(range(lines.shape[1]), lines[best], color=VERMILLION, linewidth=2.4)
    labels = short_labels(keys)
    axes.set_xlim(0, lines.shape[1] - 1)
    axes.set_ylim(-0.05, 1.05)
    axes.set_xticks(range(lines.shape[1]), [*(labels[key] for key in keys), in_words(name)])
    axes.set_yticks([])
    unit = " %" * (_factor(name) == 100)
    ends = [(0.0, _number(low) + unit), (1.0, _number(high) + unit)]
    for place, ticks in enumerate([*(ticks for _, ticks in scales), ends]):
        axes.axvline(place, color=GREY, linewidth=1)
        for height, text in ticks:
            style.write(
                axes,
                text,
                (place, height),
                (4, 0),
                "data",
                va="center",
                fontsize=SMALL,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.8},
            )
    caption = (
        "A line is a trial: it crosses each axis at the trial's value, and ends at its "
        f"{in_words(name)}. The lighter the line, the better the trial; the thick one is the best. "
        f"Where light lines meet, a value matters; where they spread, it does not. {_AT_THE_EDGE}"
    )
    return [Drawing("parallel", "Which values do well", caption, figure)]


def _scale(
    own: Dimension, trials: Sequence[Mapping[str, Any]]
) -> tuple[np.ndarray, list[tuple[float, str]]]:
    """Return where each trial crosses the axis of a key, from 0 to 1, and the axis's ticks."""
    values = [trial["settings"][own.key] for trial in trials]
    if own.values is not None:
        texts = [json.dumps(value) for value in own.values]
        step = max(len(texts) - 1, 1)
        places = np.array([texts.index(json.dumps(value)) / step for value in values])
        shown = [(place / step, shortened(show(v), 14)) for place, v in enumerate(own.values)]
        return places, shown if len(shown) <= 12 else [shown[0], shown[-1]]
    change = np.log if own.is_log else np.asarray
    low, high = change(own.low), change(own.high)
    places = (change(np.array(values, float)) - low) / (high - low)
    return places, [(0.0, _number(own.low)), (1.0, _number(own.high))]


def _importances(summary: Summary) -> list[Drawing]:
    """Draw what share of the best tenth each key explains."""
    shares = summary["importances"]
    if not shares:
        return []
    names = list(shares)[::-1]
    left = 0.4 + style.inches(names)
    height = 0.3 * len(names) + 0.2
    figure = style.sheet(height + 1.05)
    axes = style.panel(figure, left, 0.4, style.WIDTH - left - 0.7, height, "x")
    style.heading(axes, "share of what sets the best tenth apart")
    axes.barh(names, [100 * shares[name] for name in names], color=BLUE, height=0.6)
    for place, name in enumerate(names):
        text = f"{100 * shares[name]:.0f} %"
        style.write(axes, text, (100 * shares[name], place), (4, 0), "data", va="center")
    style.label_below(axes, "importance (%)")
    caption = (
        "PED-ANOVA: how far the values of the best tenth of the trials differ from those of all "
        "trials, key by key. A key with a small share may be set to what is cheapest. It is about "
        "the values that were searched: over a wider range a key may matter more."
    )
    return [Drawing("importance", "What mattered", caption, figure)]


def _front(summary: Summary) -> list[Drawing]:
    """Draw the trials by two objectives, for each pair of neighbours among them."""
    if len(summary["objectives"]) < 2:
        return []
    done = [
        trial
        for trial in summary["trials"]
        if trial["state"] == "completed" and all(v <= 0 for v in trial["violations"].values())
    ]
    if not done:
        return []
    pairs = list(pairwise(range(len(summary["objectives"]))))
    figure = style.sheet(3.9)
    width = (style.WIDTH - _LEFT * len(pairs) - 0.3) / len(pairs)
    for column, (down, across) in enumerate(pairs):
        left = _LEFT + column * (width + _LEFT)
        axes = style.panel(figure, left, 0.45, width, 2.75, "both")
        names = [summary["objectives"][place] for place in (across, down)]
        points = np.array(
            [[_factor(n) * trial["measured"][n] for n in names] for trial in done], float
        )
        is_front = np.array([trial["number"] in summary["front"] for trial in done])
        low, high = _limits(points[:, 1], summary["rising"][down])
        # A small network may be far worse than most and not be beaten: it is never left out.
        low = min([low, *points[is_front, 1]])
        high = max([high, *points[is_front, 1]])
        points[:, 1] = np.clip(points[:, 1], low, high)
        axes.plot(*points[~is_front].T, "o", color=GREY, alpha=0.5, markersize=4, label="trial")
        axes.plot(*points[is_front].T, "o", color=BLUE, markersize=6, label="not beaten")
        if len(pairs) == 1:
            front = points[is_front]
            front = front[np.argsort(front[:, 0])]
            where = "post" if summary["rising"][0] or not summary["rising"][1] else "pre"
            axes.step(*front.T, where=where, color=BLUE, linewidth=1)
        judged = [trial["number"] == (summary["best"] or {}).get("number") for trial in done]
        axes.plot(*points[judged].T, "*", color=VERMILLION, markersize=13, label="judged")
        if points[:, 0].min() > 0 and points[:, 0].max() > 20 * points[:, 0].min():
            log_scale(axes, "x")
        room = 0.06 * (high - low or 1.0)
        axes.set_ylim(low - room, high + room)
        style.label_below(axes, _axis_label(names[0]))
        axes.set_ylabel(_axis_label(names[1]), fontsize=9)
        if column == 0:
            style.heading(axes, f"{in_words(names[1])} against {in_words(names[0])}")
            axes.legend(fontsize=SMALL, loc="best", framealpha=0.9)
    caption = (
        "A dot is a trial within all bounds. No trial is at least as good as a blue one in every "
        "objective, and better in one (the Pareto front): which of these to take is a question of "
        "taste. The star is judged: it has the best "
        f"{in_words(summary['metric'])} of them. {_AT_THE_EDGE}"
    )
    return [Drawing("front", "The trials that no other one beats", caption, figure)]


def _limits(values: np.ndarray, rising: bool) -> tuple[float, float]:
    """Return the ends of an axis that leaves out what is far worse than most."""
    low, high = float(values.min()), float(values.max())
    first, middle, third = np.percentile(values, [25, 50, 75])
    spread = _SPREAD * (third - first)
    if spread > 0 and rising:
        low = max(low, float(middle - spread))
    elif spread > 0:
        high = min(high, float(middle + spread))
    return low, high


def _rises(summary: Summary) -> bool:
    return summary["rising"][summary["objectives"].index(summary["metric"])]


def _factor(objective: str) -> float:
    return reading.factor_of(objective) if "." in objective else 1.0


def _axis_label(objective: str) -> str:
    return in_words(objective) + (" (%)" if _factor(objective) == 100 else "")


def _number(value: float) -> str:
    return f"{value:.4g}"

"""Learning curves: the mean of each variant's runs with its interval, on train and dev rows."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dlx.ablation.bands import Band, bands
from dlx.ablation.results import RunResult
from dlx.report.ablation import reading, style
from dlx.report.ablation.groups import Group, Line, groups
from dlx.report.ablation.multiples import small_multiples
from dlx.report.ablation.reading import Summary
from dlx.report.ablation.style import Drawing
from dlx.report.figures import log_scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HEIGHT = 2.2  # inches
_SETTLED = 0.05  # share of the steps; the curves before it do not decide the height of the axes
_WORTH = 4  # failed variants are left out of the axes if these become so many times lower

Bands = Mapping[str, Band]  # by variant


def draw(summary: Summary, results: Sequence[RunResult]) -> list[Drawing]:
    """Draw the curves of the judged metric and of the cost; nothing if no run has any."""
    panels = groups(summary)
    metrics = [m for m in _metrics(summary) if any(result.curve.of(m) for result in results)]
    if len(panels) > 1:  # for many variants the judged metric alone
        metrics = [m for m in metrics if reading.tag_of(m) == reading.tag_of(metrics[0])]
    curves = {metric: bands(results, metric, summary["confidence"]) for metric in metrics}
    curves = {metric: by_variant for metric, by_variant in curves.items() if by_variant}
    if not curves:
        return []
    if len(panels) == 1:
        return [_together(summary, panels[0], curves)]
    return [_multiples(summary, panels, metric, curves[metric]) for metric in curves]


def _metrics(summary: Summary) -> list[str]:
    split, _, tag = summary["metric"].partition(".")
    other = split if split in ("dev", "test") else "dev"
    tags = list(dict.fromkeys([tag or "accuracy", "cost"]))
    judged = [f"{split}.{tag}" for tag in tags for split in ("train", other)]
    return list(dict.fromkeys([*judged, *summary.get("show", ())]))


def _together(summary: Summary, group: Group, curves: Mapping[str, Bands]) -> Drawing:
    """Draw a row of panels for each tag: train, the judged split, and its second half enlarged."""
    tags = list(dict.fromkeys(map(reading.tag_of, curves)))
    splits = list(dict.fromkeys(metric.partition(".")[0] for metric in curves))
    names = [style.wrapped(_label(line, summary), 26) for line in group.lines]
    right = 0.2 + style.inches(names, style.SMALL)
    left, gap, pitch = 0.6, 0.5, _HEIGHT + 0.75
    columns = len(splits) + 1
    figure = style.sheet(len(tags) * pitch + 0.1, max(style.WIDTH, left + right + columns * 2.4))
    width = (figure.get_figwidth() - left - right - gap * (columns - 1)) / columns
    for row, tag in enumerate(tags):
        metrics = [metric for metric in (f"{split}.{tag}" for split in splits) if metric in curves]
        factor = reading.factor_of(metrics[0])
        limits = _limits([band for m in metrics for band in curves[m].values()], factor)
        for column, metric in enumerate([*metrics, metrics[-1]]):
            by_variant = curves[metric]
            left_side, top = left + column * (width + gap), 0.3 + row * pitch
            axes = style.panel(figure, left_side, top, width, _HEIGHT)
            is_enlarged = column == len(metrics)
            heading = reading.axis_label(metric)
            style.heading(axes, f"{heading}, second half" if is_enlarged else heading)
            _draw(axes, group.lines, by_variant, factor)
            _set_limits(axes, limits, by_variant)
            if is_enlarged:
                _enlarge(axes, by_variant, factor)
                drawn = [by_variant.get(line.variant) for line in group.lines]
                ends = [factor * float(band.mean[-1]) if band else math.nan for band in drawn]
                colors = [line.color for line in group.lines]
                style.label_ends(axes, list(zip(ends, names, colors, strict=True)))
            axes.locator_params(axis="x", nbins=4)
            if row == len(tags) - 1:
                style.label_below(axes, "optimizer steps")
    return Drawing("curves", "Learning curves", _caption(summary), figure)


def _enlarge(axes: "Axes", curves: Bands, factor: float) -> None:
    last = _last_step(curves)
    shown = [(band, band.steps >= last / 2) for band in curves.values()]
    means = factor * np.concatenate([band.mean[late] for band, late in shown])
    ends = [factor * line[late] for band, late in shown for line in (band.low, band.high)]
    values = np.concatenate([means, *ends])
    values = values[np.isfinite(values)]
    if not len(values) or not last:
        return
    axes.set_xlim(last / 2, last)
    low, high, is_logarithmic = _around(means[np.isfinite(means)], factor)
    if is_logarithmic:
        axes.set_ylim(low, high)
        return
    room = 0.06 * np.ptp(values) or 0.05 * abs(values[0]) or 1.0
    axes.set(yscale="linear", ylim=(values.min() - room, values.max() + room))
    style.keep_shares(axes.set_ylim, axes.get_ylim(), factor)


def _multiples(summary: Summary, panels: Sequence[Group], metric: str, curves: Bands) -> Drawing:
    factor = reading.factor_of(metric)
    shown = _best(summary, curves)
    limits = _limits(list(shown.values()), factor)

    def paint(axes: "Axes", group: Group) -> None:
        _draw_others(axes, group.lines, curves, factor)
        _draw(axes, group.lines, curves, factor)
        _set_limits(axes, limits, curves)

    figure, left_out = small_multiples(summary, panels, paint)
    caption = f"{reading.axis_label(metric).capitalize()} against optimizer steps. "
    caption += f"{_caption(summary)} Grey: the other variants.{left_out}"
    if outside := [name for name in curves if name not in shown]:
        unit = "" if factor == 1 else " %"
        ends = [f"{name} ({factor * curves[name].mean[-1]:.3g}{unit})" for name in outside]
        caption += f" Far from the others, and mostly outside of the axes: {', '.join(ends)}."
    title = f"Learning curves: {reading.in_words(metric)}"
    return Drawing(f"curves_{metric.replace('.', '_')}", title, caption, figure)


def _best(summary: Summary, curves: Bands) -> Bands:
    """Return all curves or, if a few that failed would leave little height to them, the others."""
    last = _last_step(curves)
    names = [v["name"] for v in reading.best_first(summary) if v["name"] in curves]
    late = [curves[name].mean[curves[name].steps >= _SETTLED * last] for name in names]
    late = [values[np.isfinite(values)] for values in late]
    whole = np.ptp(np.concatenate(late))
    for count in range(len(names) - 1, len(names) // 2, -1):
        if 0 < _WORTH * np.ptp(np.concatenate(late[:count])) < whole:
            return {name: curves[name] for name in curves if name in names[:count]}
    return curves


def _draw_others(axes: "Axes", lines: Sequence[Line], curves: Bands, factor: float) -> None:
    from matplotlib.collections import LineCollection

    drawn = {line.variant for line in lines}
    shown = [band for name, band in curves.items() if name not in drawn]
    others = [np.column_stack([band.steps, factor * band.mean]) for band in shown]
    axes.add_collection(LineCollection(others, colors=style.FAINT, linewidths=0.8, zorder=1))


def _draw(axes: "Axes", lines: Sequence[Line], curves: Bands, factor: float) -> None:
    for line in lines:
        if (band := curves.get(line.variant)) is None:
            continue
        steps, mean, low, high = band.steps, *(factor * x for x in (band.mean, band.low, band.high))
        if np.isfinite(low).any():
            axes.fill_between(steps, low, high, color=line.color, alpha=0.18, linewidth=0, zorder=2)
        whole, marker = slice(band.whole), "o" if len(steps) == 1 else None
        look = {"color": line.color, "zorder": 3}
        point = {"label": line.variant, "marker": marker, "markersize": 4}
        axes.plot(steps[whole], mean[whole], linewidth=1.5, **point, **look)
        if band.whole < len(steps):
            rest = slice(band.whole - 1, None)
            axes.plot(steps[rest], mean[rest], ":", linewidth=1.2, **look)


def _limits(curves: Sequence[Band], factor: float) -> tuple[float, float, bool]:
    """Return the ends of the vertical axis, and whether it is logarithmic."""
    last = max(int(band.steps[-1]) for band in curves)
    late = [band.mean[band.steps >= _SETTLED * last] for band in curves]
    return _around(factor * np.concatenate(late), factor)


def _around(values: np.ndarray, factor: float) -> tuple[float, float, bool]:
    """Return the ends of an axis around values, and whether it is logarithmic."""
    low, high = float(values.min()), float(values.max())
    if factor == 1 and low > 0 and high > style.WIDE * low:
        return low / 1.3, high * 1.3, True
    room = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    return low - room, high + room, False


def _set_limits(axes: "Axes", limits: tuple[float, float, bool], curves: Bands) -> None:
    low, high, is_logarithmic = limits
    if is_logarithmic:
        log_scale(axes, "y")
    axes.set_ylim(low, high)
    axes.set_xlim(0, max(_last_step(curves), 1))


def _last_step(curves: Bands) -> int:
    return max(int(band.steps[-1]) for band in curves.values())


def _label(line: Line, summary: Summary) -> str:
    variant = next(v for v in summary["variants"] if v["name"] == line.variant)
    lost = reading.lost_of(variant)
    return f"{line.label} ({lost})" if lost else line.label


def _caption(summary: Summary) -> str:
    text = f"Lines: mean over the runs; bands: {reading.percent(summary)} interval of the mean."
    if any(variant["stopped_early"] for variant in summary["variants"]):
        text += " Dotted: some runs have stopped; the mean is that of the others."
    if any(map(reading.lost, summary["variants"])):
        text += " Runs that diverged or failed are left out of the mean."
    return text

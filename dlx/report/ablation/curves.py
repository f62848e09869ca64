"""Learning curves: the mean of each variant's runs with its interval, train beside dev."""

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

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HEIGHT = 2.2  # inches
_SETTLED = 0.05  # of the steps: what lies before does not decide how high the axes reach
_LOGARITHMIC = 30  # a falling metric whose means span more than that factor
_WORTH = 4  # how many times wider all curves lie than the best ones, for these to fill the axes


def draw(summary: Summary, results: Sequence[RunResult]) -> list[Drawing]:
    """Draw the curves of the judged metric and of the cost; nothing if no run has any."""
    panels = groups(summary)
    metrics = [each for each in _metrics(summary) if any(r.curve.of(each) for r in results)]
    if len(panels) > 1:  # of many variants the metric alone
        metrics = [each for each in metrics if reading.tag_of(each) == reading.tag_of(metrics[0])]
    found = {each: bands(results, each, summary["confidence"]) for each in metrics}
    found = {metric: families for metric, families in found.items() if families}
    if not found:
        return []
    if len(panels) == 1:
        return [_together(summary, panels[0], found)]
    return [_multiples(summary, panels, metric, each) for metric, each in found.items()]


def _metrics(summary: Summary) -> list[str]:
    split, _, tag = summary["metric"].partition(".")
    others = [split] if split in ("dev", "test") else ["dev"]
    tags = list(dict.fromkeys([tag or "accuracy", "cost"]))
    return [f"{each}.{tag}" for tag in tags for each in ["train", *others]]


def _together(summary: Summary, group: Group, found: Mapping[str, Mapping[str, Band]]) -> Drawing:
    """Draw a row of panels for each tag: train, the judged split, and its second half nearer."""
    tags = list(dict.fromkeys(map(reading.tag_of, found)))
    splits = list(dict.fromkeys(metric.partition(".")[0] for metric in found))
    names = [style.wrapped(_label(line, summary), 26) for line in group.lines]
    right = 0.2 + style.inches(names) * style.SMALL / style.NORMAL
    left, gap, pitch = 0.6, 0.5, _HEIGHT + 0.75
    columns = len(splits) + 1
    figure = style.sheet(len(tags) * pitch + 0.1, max(style.WIDTH, left + right + columns * 2.4))
    width = (figure.get_figwidth() - left - right - gap * (columns - 1)) / columns
    for row, tag in enumerate(tags):
        metrics = [each for each in (f"{split}.{tag}" for split in splits) if each in found]
        limits = _limits([found[metric] for metric in metrics], tag)
        for column, metric in enumerate([*metrics, metrics[-1]]):
            families = found[metric]
            top = 0.3 + row * pitch
            axes = style.panel(figure, left + column * (width + gap), top, width, _HEIGHT)
            is_near = column == len(metrics)
            heading = reading.axis_label(metric)
            style.heading(axes, f"{heading}, second half" if is_near else heading)
            _draw(axes, group.lines, families, reading.factor_of(metric))
            _frame(axes, limits, families)
            if is_near:
                _look_nearer(axes, families, reading.factor_of(metric))
                style.label_ends(axes, _ends(group.lines, names, families, metric))
            axes.locator_params(axis="x", nbins=4)
            if row == len(tags) - 1:
                style.label_below(axes, "optimizer steps")
    return Drawing("curves", "Learning curves", _caption(summary), figure)


def _look_nearer(axes: "Axes", families: Mapping[str, Band], factor: float) -> None:
    last = max(int(band.steps[-1]) for band in families.values())
    late = [
        factor * line[band.steps >= last / 2]
        for band in families.values()
        for line in (band.mean, band.low, band.high)
    ]
    values = np.concatenate(late)
    values = values[np.isfinite(values)]
    if len(values) and last:
        room = 0.06 * np.ptp(values) or 0.05 * abs(values[0]) or 1.0
        axes.set_yscale("linear")
        axes.set(xlim=(last / 2, last), ylim=(values.min() - room, values.max() + room))
        style.keep_shares(axes.set_ylim, axes.get_ylim(), factor)


def _multiples(
    summary: Summary, panels: Sequence[Group], metric: str, families: Mapping[str, Band]
) -> Drawing:
    shown = _best(summary, families)
    limits = _limits([shown], reading.tag_of(metric))

    def paint(axes: "Axes", group: Group) -> None:
        _draw(axes, group.lines, families, reading.factor_of(metric), grey=True)
        _frame(axes, limits, families)

    figure, left_out = small_multiples(summary, panels, paint)
    caption = f"{reading.axis_label(metric).capitalize()} against optimizer steps. "
    caption += f"{_caption(summary)} Grey: the other variants.{left_out}"
    if outside := [name for name in families if name not in shown]:
        factor, unit = reading.factor_of(metric), "" if reading.factor_of(metric) == 1 else " %"
        ends = [f"{name} ({factor * families[name].mean[-1]:.3g}{unit})" for name in outside]
        caption += f" Far off, and outside the axes for most of the way: {', '.join(ends)}."
    title = f"Learning curves: {reading.in_words(metric)}"
    return Drawing(f"curves_{metric.replace('.', '_')}", title, caption, figure)


def _best(summary: Summary, families: Mapping[str, Band]) -> Mapping[str, Band]:
    """Return all curves or, where a few that failed would press these together, the others."""
    last = max(int(band.steps[-1]) for band in families.values())
    order = [each["name"] for each in reading.best_first(summary) if each["name"] in families]
    late = [families[name].mean[families[name].steps >= _SETTLED * last] for name in order]
    late = [each[np.isfinite(each)] for each in late]
    whole = np.ptp(np.concatenate(late))
    for count in range(len(order) - 1, len(order) // 2, -1):
        its = np.concatenate(late[:count])
        if 0 < _WORTH * np.ptp(its) < whole:
            return {name: families[name] for name in families if name in order[:count]}
    return families


def _draw(
    axes: "Axes",
    lines: Sequence[Line],
    families: Mapping[str, Band],
    factor: float,
    grey: bool = False,
) -> None:
    if grey:
        from matplotlib.collections import LineCollection

        mine = {line.variant for line in lines}
        others = [
            np.column_stack([band.steps, factor * band.mean])
            for name, band in families.items()
            if name not in mine
        ]
        axes.add_collection(LineCollection(others, colors=style.FAINT, linewidths=0.8, zorder=1))
    for line in lines:
        if (band := families.get(line.variant)) is None:
            continue
        if np.isfinite(band.low).any():
            axes.fill_between(
                band.steps,
                factor * band.low,
                factor * band.high,
                color=line.color,
                alpha=0.18,
                linewidth=0,
                zorder=2,
            )
        whole = band.whole
        axes.plot(
            band.steps[:whole],
            factor * band.mean[:whole],
            color=line.color,
            linewidth=1.5,
            zorder=3,
            label=line.variant,
            marker="o" if len(band.steps) == 1 else None,
            markersize=4,
        )
        if whole < len(band.steps):
            axes.plot(
                band.steps[whole - 1 :],
                factor * band.mean[whole - 1 :],
                ":",
                color=line.color,
                linewidth=1.2,
                zorder=3,
            )


def _limits(found: Sequence[Mapping[str, Band]], tag: str) -> tuple[float, float, bool]:
    """Return the ends of the axis, and whether it is logarithmic."""
    factor = reading.factor_of(f"dev.{tag}")
    bands_of = [band for families in found for band in families.values()]
    last = max(int(band.steps[-1]) for band in bands_of)
    late = [band.mean[band.steps >= _SETTLED * last] for band in bands_of]
    values = factor * np.concatenate(late)
    low, high = float(values.min()), float(values.max())
    if factor == 1 and low > 0 and high > _LOGARITHMIC * low:
        return low / 1.3, high * 1.3, True
    room = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    return low - room, high + room, False


def _frame(axes: "Axes", limits: tuple[float, float, bool], families: Mapping[str, Band]) -> None:
    low, high, logarithmic = limits
    if logarithmic:
        axes.set_yscale("log")
        axes.minorticks_off()
    axes.set_ylim(low, high)
    last = max(int(band.steps[-1]) for band in families.values())
    axes.set_xlim(0, max(last, 1))


def _ends(
    lines: Sequence[Line], names: Sequence[str], families: Mapping[str, Band], metric: str
) -> list[tuple[float, str, str]]:
    factor = reading.factor_of(metric)
    ends = []
    for line, name in zip(lines, names, strict=True):
        band = families.get(line.variant)
        ends.append((factor * float(band.mean[-1]) if band else math.nan, name, line.color))
    return ends


def _label(line: Line, summary: Summary) -> str:
    variant = next(each for each in summary["variants"] if each["name"] == line.variant)
    gone = reading.lost(variant)
    return line.label + (f" ({gone} of {variant['runs']} lost)" if gone else "")


def _caption(summary: Summary) -> str:
    share = f"{100 * summary['confidence']:g} %"
    text = f"Lines: mean over the runs; bands: {share} interval of the mean."
    if any(each["stopped_early"] for each in summary["variants"]):
        text += " Dotted: some of the runs have stopped already, the mean is of the others."
    if any(map(reading.lost, summary["variants"])):
        text += " Runs that diverged or failed are left out of the mean."
    return text

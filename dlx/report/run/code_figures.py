"""Figures of autoencoders: reconstructions, filters, codes, and errors by class.

# N rows, I inputs, U units, S steps, C classes
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from dlx.cohort import Cohort
from dlx.report.figures import short
from dlx.report.run import pictures
from dlx.report.run.reconstruction import MOST_CODES, SIDE, Codes, Look, Sample

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_COLUMNS = 12  # of a table
_MOST_BARS = 64
_NAMED = 20  # classes, and units, at most whose names fit
_LITTLE = 0.01  # nats
_MOST_MOVED = 128  # units of a code: one of more units changes hardly anything


def draw(sample: Sample, cohort: Cohort, title: str) -> dict[str, Figure]:
    """Return all figures of a trained autoencoder, a cohort of one, by name."""
    task, codes, look = sample.task, sample.codes(cohort, MOST_CODES), sample.look(cohort)
    of_rows = f"{title}, {sample.split} rows"
    figures: dict[str, Figure] = {}
    if pictures.is_image(task.input_shape):
        figures["reconstruction"] = reconstructed_images(look.lines, task.input_shape, of_rows)
        found = {
            "filters": pictures.encoder_filters(cohort.network, task),
            "decoder_filters": pictures.decoder_filters(cohort.network, task),
        }
        for name, filters in found.items():
            if filters is not None:
                figures[name] = filter_sheet(name, filters, task.input_shape, title)
    else:
        figures["reconstruction"] = _reconstructed_numbers(sample, look, of_rows)
    figures["code"] = code_units(codes, of_rows)
    if sample.classes:
        errors = sample.error_per_class(cohort)
        figures["error_per_class"] = _error_per_class(errors, sample.classes, of_rows)
    if codes.values.shape[1] <= _MOST_MOVED:
        figures["traversal"] = _traversal(sample, *sample.traversals(cohort, codes), of_rows)
    if codes.values.shape[1] == 2:
        figures["code_map"] = _code_map(codes, of_rows)
        if pictures.is_image(task.input_shape):
            ends, decoded = sample.manifold(cohort, codes)
            figures["manifold"] = _manifold(ends, decoded, task.input_shape, of_rows)
    return figures


def reconstructed_images(lines: Sequence[np.ndarray], shape: tuple[int, ...], title: str) -> Figure:
    """Draw images over their reconstructions.

    The lines are (N, I) each: the images, corrupted ones if there are any, the reconstructions.
    """
    sheet, middles = pictures.lines_of_images(lines, shape)
    names = ["input", *["corrupted"] * (len(lines) > 2), "reconstruction"]
    figure, axes = picture(sheet, f"{title}: reconstructions", len(lines[0]))
    axes.set_yticks(middles, names * (len(middles) // len(names)))
    axes.set_xticks([])
    return figure


def _reconstructed_numbers(sample: Sample, look: Look, title: str) -> Figure:
    shown = min(look.inputs.shape[1], _MOST_COLUMNS)
    columns = min(4, shown)
    lines = -(-shown // columns)
    figure = Figure(figsize=(2.6 * columns, 2.5 * lines + 0.6), dpi=110, layout="constrained")
    for place, name in enumerate(_columns(sample, shown)):
        axes = figure.add_subplot(lines, columns, place + 1)
        inputs, outputs = look.inputs[:, place], look.outputs[:, place]
        axes.scatter(inputs, outputs, s=8, alpha=0.6, linewidths=0)
        axes.axline((inputs.mean(), inputs.mean()), slope=1, color="black", linewidth=0.7)
        axes.set_title(name, fontsize=9)
        axes.tick_params(labelsize=7)
    given = "corrupted inputs" if look.corrupted is not None else "inputs"
    of = f", the first {shown} of {look.inputs.shape[1]}" if shown < look.inputs.shape[1] else ""
    figure.suptitle(
        f"{title}: reconstructions of {given}{of}\n(across: the input, up: the reconstruction; on "
        "the line they are equal)",
        fontsize=10,
    )
    return figure


def filter_sheet(
    name: str, filters: pictures.Filters, shape: tuple[int, ...], title: str
) -> Figure:
    """Draw the weights of each unit as an image, under the name `filters` or `decoder_filters`."""
    units = filters.weights.shape[1]
    meaning = "looks for" if name == "filters" else "adds to an image"
    of = f"the first 64 of {units:,} units" if units > 64 else f"{units} units"
    words = f"{title}: weights of layer {filters.layer}, what each unit {meaning}"
    sheet = pictures.weight_images(filters.weights, shape)
    figure, axes = picture(sheet, f"{words}\n({of}; grey is 0)")
    axes.set_axis_off()
    return figure


def code_units(codes: Codes, title: str) -> Figure:
    """Draw the histogram of a code's values, and how much each unit varies and is used."""
    # In float64: in float32 the bins of a code that hardly varies would have no width.
    values, units = codes.values.astype(np.float64), codes.values.shape[1]
    used = codes.divergence if codes.divergence is not None else codes.active
    figure = Figure(figsize=(10 if used is None else 14, 4), dpi=110, layout="constrained")
    panels = figure.subplots(1, 2 if used is None else 3)
    panels[0].hist(values.ravel(), bins=80, color="#4c72b0")
    panels[0].set(xlabel="value of a unit", ylabel="rows x units", title="values of the code")
    _bars(panels[1], values.std(0), "standard deviation")
    if codes.divergence is not None:
        informed, nats = int((codes.divergence > _LITTLE).sum()), codes.divergence.sum()
        _bars(panels[2], codes.divergence, "divergence from N(0, 1) in nats")
        panels[2].set_title(
            f"{informed} of {units} units hold more than {_LITTLE} nats, all {nats:.3g}"
        )
    elif codes.active is not None:
        _bars(panels[2], codes.active, "share of rows on which it is on")
        panels[2].set(ylim=(0, 1.02), title=f"active: {codes.active.mean():.1%} of rows x units")
    figure.suptitle(f"{title}: a code of {units} unit{'s' * (units > 1)}")
    return figure


def _bars(axes: "Axes", heights: np.ndarray, what: str) -> None:
    order = np.arange(len(heights))
    if len(heights) > _MOST_BARS:
        heights = np.sort(heights)[::-1]
        axes.fill_between(order + 1, heights, color="#4c72b0", step="mid")
        axes.set_xlabel("units, the highest first")
    else:
        axes.bar(order + 1, heights, color="#4c72b0")
        axes.set_xlabel("unit")
        if len(heights) <= _NAMED:
            axes.set_xticks(order + 1)
            axes.tick_params(axis="x", labelsize=10 if len(heights) <= _NAMED // 2 else 7)
    axes.set_ylabel(what)


def _error_per_class(errors: Sequence[np.ndarray], names: Sequence[str], title: str) -> Figure:
    """Draw the mean squared error of each class's rows (N,), summed over a row's inputs."""
    by_class = {name: rows for name, rows in zip(short(names), errors, strict=True) if len(rows)}
    places, labels = range(len(by_class)), list(by_class)
    means = [rows.mean() for rows in by_class.values()]
    halves = [
        1.96 * rows.std(ddof=min(1, len(rows) - 1)) / len(rows) ** 0.5 for rows in by_class.values()
    ]
    width = min(6 + 0.3 * len(by_class), 14)
    figure, axes = _figure(width, 4.2)
    axes.bar(places, means, yerr=halves, capsize=3, color="#4c72b0")
    mean = np.concatenate(list(by_class.values())).mean()
    axes.axhline(mean, color="black", linewidth=0.8, linestyle="--", label=f"all: {mean:.4g}")
    rotation = 90 if max(map(len, labels)) * len(labels) > 60 else 0
    axes.set_xticks(places, labels, rotation=rotation)
    axes.set(xlabel="class", ylabel="squared error per row")
    axes.set_title(
        f"{title}: squared error by class\n(summed over the inputs as the network sees them; mean "
        "and its 95 % interval)",
        fontsize=10,
    )
    axes.legend()
    return figure


def _traversal(
    sample: Sample, units: np.ndarray, values: np.ndarray, decoded: np.ndarray, title: str
) -> Figure:
    """Draw the outputs (U, S, I) for a code in which one unit is moved; see `Sample.traversals`."""
    names = [
        f"unit {unit + 1}: {steps[0]:.3g} to {steps[-1]:.3g}"
        for unit, steps in zip(units, values, strict=True)
    ]
    title = f"{title}: one row's code, one unit moved at a time"
    count, steps, _ = decoded.shape
    shape = sample.task.input_shape
    if pictures.is_image(shape):
        sheet, middles = pictures.lines_of_images(
            [decoded.reshape(count * steps, -1)], shape, steps
        )
        figure, axes = picture(sheet, title)
        axes.set_yticks(middles, names)
        axes.set_xticks([])
        return figure
    figure = Figure(figsize=(9, 1.6 * count + 1.2), dpi=110, layout="constrained")
    away = decoded - decoded[:, steps // 2 : steps // 2 + 1]
    scale = np.maximum(sample.inputs(MOST_CODES).std(0), 1e-12)
    panels = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
    for axes, name, lines in zip(panels, names, away / scale, strict=True):
        for step, line in enumerate(lines):
            tint = (pictures.COLORS[1] if step > steps // 2 else pictures.COLORS[0]) / 255
            pale = 1 - abs(step - steps // 2) / max(steps // 2, 1)
            axes.plot(line, color=1 - (1 - tint) * (1 - 0.8 * pale), marker=".", linewidth=0.8)
        axes.set_title(name, fontsize=9)
    width = decoded.shape[-1]
    if width <= _NAMED:
        panels[-1].set_xticks(range(width), _columns(sample, width), rotation=90)
    figure.suptitle(
        f"{title}\n(change of each reconstructed input, in standard deviations of the rows; blue: "
        "down, orange: up)",
        fontsize=10,
    )
    return figure


def _code_map(codes: Codes, title: str) -> Figure:
    figure, axes = _figure(7.5, 6.5)
    style = {"s": 9, "alpha": 0.75, "linewidths": 0}
    if codes.classes is None:
        axes.scatter(*codes.values.T, **style)
    for number, name in enumerate(short(codes.names)):
        points = codes.values[codes.classes == number]
        color = pictures.COLORS[number % len(pictures.COLORS)] / 255
        axes.scatter(*points.T, color=color, label=name if number < _NAMED else None, **style)
    if codes.names:
        axes.legend(markerscale=2.5, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    axes.set(xlabel="unit 1", ylabel="unit 2", title=f"{title}: codes")
    return figure


def _manifold(ends: np.ndarray, decoded: np.ndarray, shape: tuple[int, ...], title: str) -> Figure:
    """Draw the images that points of the plane of a code are decoded to; see `Sample.manifold`."""
    flat = decoded[::-1].reshape(SIDE * SIDE, -1)
    images = pictures.as_tiles(flat, shape, *pictures.shades(flat))
    height, width, channels = images.shape[1:]
    grid = images.reshape(SIDE, SIDE, height, width, channels).transpose(0, 2, 1, 3, 4)
    figure, axes = _figure(8.5, 8.8)
    pixels = grid.reshape(SIDE * height, SIDE * width, channels)
    (left, right), (bottom, top) = ends.tolist()
    # matplotlib refuses an extent without width, that of a unit that never changes.
    extent = (left, max(right, left + 1e-6), bottom, max(top, bottom + 1e-6))
    axes.imshow(_colors(pixels), extent=extent, aspect="auto")
    axes.set(xlabel="unit 1", ylabel="unit 2", title=f"{title}: the plane of codes, decoded")
    return figure


def picture(sheet: np.ndarray, title: str, columns: int = 10) -> tuple[Figure, "Axes"]:
    """Return a figure of pixels (H, W, 1 or 3) uint8, and its axes.

    `columns` are the images side by side; up to ten have the same size.
    """
    height, width = sheet.shape[:2]
    across = max(0.8 * min(columns, 10), 3.2)
    figure, axes = _figure(across, across * height / width + 0.8)
    axes.imshow(_colors(sheet), interpolation="nearest")
    axes.set_title(title, fontsize=10)
    axes.tick_params(length=0, labelsize=8)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure, axes


def _figure(width: float, height: float) -> tuple[Figure, "Axes"]:
    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    return figure, figure.add_subplot()


def _colors(pixels: np.ndarray) -> np.ndarray:
    """Return grey (H, W, 1) or coloured pixels (H, W, 3) as (H, W, 3)."""
    return pixels.repeat(3, 2) if pixels.shape[2] == 1 else pixels


def _columns(sample: Sample, count: int) -> list[str]:
    return short((sample.features or [f"input {place + 1}" for place in range(count)])[:count])

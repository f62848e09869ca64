"""Pictures as arrays of pixels, and confusion matrices as figures.

# H height, W width, in pixels; I inputs, O units, C classes, T labels
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dlx.data.dataset import Task
from dlx.nn.network import Network
from dlx.report.figures import short
from dlx.report.run.regions import Panel, Plane, Shade, shade_units

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Of the classes, from the eleventh on the same again.
COLORS = np.array(
    [
        *((31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40), (148, 103, 189)),
        *((140, 86, 75), (227, 119, 194), (127, 127, 127), (188, 189, 34), (23, 190, 207)),
    ]
)
_REGION_DEPTH = 0.6  # so that the training rows stand out
_MOST_UNITS = 64
MOST_IMAGES = 100  # on a sheet
_BETWEEN = 2  # pixels between two pictures
_BETWEEN_BLOCKS = 8
_CAPTION = 12  # pixels high
_SAME = 1e-3  # of a unit's largest output: less it does not vary
_MOST_NAMES = 20  # with more classes, names and counts would overlap


def is_image(shape: tuple[int, ...]) -> bool:
    """Return whether rows of this shape are images: (H, W), or (3, H, W) with colours."""
    return len(shape) == 2 or (len(shape) == 3 and shape[0] == 3)


def confusion_figure(counts: np.ndarray, classes: tuple[str, ...], title: str = "") -> "Figure":
    """Return a figure of a confusion matrix: a square is the darker the larger its share of a row.

    The counts are (C, C) with a line for each true class; or of labels (T, 2, 2), of which the
    first 20 are drawn.
    """
    from matplotlib.figure import Figure

    figure = Figure(dpi=100, layout="constrained")
    names = short(classes)
    if counts.ndim == 2:
        size = 3 + 0.4 * min(len(names), _MOST_NAMES)
        figure.set_size_inches(size, size)
        _draw_counts(figure.add_subplot(), counts, names)
    else:
        shown = min(len(names), _MOST_NAMES)
        columns = int(np.ceil(np.sqrt(shown)))
        lines = -(-shown // columns)
        figure.set_size_inches(2.4 * columns, 2.6 * lines)
        for place in range(shown):
            axes = figure.add_subplot(lines, columns, place + 1, title=names[place])
            _draw_counts(axes, counts[place], ("no", "yes"))
    if title:
        figure.suptitle(title)
    return figure


def _draw_counts(axes: "Axes", counts: np.ndarray, names: Sequence[str]) -> None:
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="classified as", ylabel="true class")
    if len(names) > _MOST_NAMES:
        return
    places = range(len(names))
    axes.set_xticks(places, names, rotation=90 if max(map(len, names)) > 3 else 0)
    axes.set_yticks(places, names)
    for truth, predicted in np.argwhere(counts):
        shade = "white" if shares[truth, predicted] > 0.5 else "black"
        text = f"{counts[truth, predicted]:,}"
        axes.text(predicted, truth, text, ha="center", va="center", color=shade, fontsize=7)


class Filters(NamedTuple):
    """The weights of a layer, (I, O), and its name."""

    layer: str
    weights: np.ndarray


def encoder_filters(network: Network, task: Task) -> Filters | None:
    """Return the first layer's weights, of a cohort of one; None if they multiply no inputs."""
    first = next(p for p in network.buffer.parameters if p.is_weight)
    if first.value.shape[1] != task.num_inputs:
        return None
    return Filters(first.layer, first.value[0].detach().cpu().numpy())


def decoder_filters(network: Network, task: Task) -> Filters | None:
    """Return the last layer's weights of a cohort of one: what each unit adds to an output.

    None if the last layer has no weights of its own: tied ones are those of the encoder.
    """
    output = network.layer_names[-1]
    last = [p for p in network.buffer.parameters if p.is_weight and p.layer == output]
    if not last or last[0].value.ndim != 3 or last[0].value.shape[2] != task.num_inputs:
        return None
    return Filters(output, last[0].value[0].detach().T.cpu().numpy())


def weight_images(weights: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Draw the weights (I, O) of the first 64 units as images side by side: (H, W, 1 or 3) uint8.

    Middle grey is zero, and a unit's largest weight is black or white.
    """
    images = _channels_last(weights.T[:_MOST_UNITS], shape)
    largest = np.abs(images).max(axis=(1, 2, 3), keepdims=True)
    grey = (127.5 * (1 + images / np.maximum(largest, 1e-12))).round().astype(np.uint8)
    return _sheet(_enlarged(grey))


def images(rows: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Draw the first 100 rows of pixels (N, I) as images side by side: (H, W, 1 or 3) uint8."""
    values = rows[:MOST_IMAGES]
    return _sheet(as_tiles(values, shape, *shades(values)))


def shades(values: np.ndarray) -> tuple[float, float]:
    """Return the values of black and white pixels: 0 and 1, or the extremes if these lie beyond."""
    return min(0.0, float(values.min())), max(1.0, float(values.max()))


def as_tiles(rows: np.ndarray, shape: tuple[int, ...], low: float, high: float) -> np.ndarray:
    """Draw rows of pixels (N, I) as pictures of 32 pixels or more: (N, H, W, 1 or 3) uint8.

    Values up to `low` are black, from `high` on white.
    """
    shares = (rows - low) / (high - low)
    pixels = (255 * np.clip(shares, 0, 1)).round().astype(np.uint8)
    return _enlarged(_channels_last(pixels, shape))


def lines_of_images(
    lines: Sequence[np.ndarray], shape: tuple[int, ...], per_line: int = 10
) -> tuple[np.ndarray, np.ndarray]:
    """Draw several lines of images, (N, I) each, one under another.

    The first line decides what is black and white. Of more images than fit side by side the next
    ones follow in a block of lines below.

    Returns:
        (H, W, 1 or 3) uint8, and the middles of the lines, block by block, in pixels from the top
    """
    low_high = shades(lines[0])
    drawn = [as_tiles(line, shape, *low_high) for line in lines]
    count, height, width, channels = drawn[0].shape
    num_blocks = -(-count // per_line)
    pitch, block = height + _BETWEEN, len(lines) * (height + _BETWEEN) + _BETWEEN_BLOCKS
    across = min(count, per_line) * (width + _BETWEEN) - _BETWEEN
    sheet = np.full((num_blocks * block - _BETWEEN_BLOCKS, across, channels), 255, np.uint8)
    for place, images in enumerate(drawn):
        for number, image in enumerate(images):
            top = number // per_line * block + place * pitch
            left = number % per_line * (width + _BETWEEN)
            sheet[top : top + height, left : left + width] = image
    starts = block * np.arange(num_blocks)[:, None] + pitch * np.arange(len(lines))
    return sheet[:-_BETWEEN], (starts + height / 2).ravel()


def _channels_last(rows: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return rows (N, I) as images (N, H, W, 1 or 3)."""
    images = rows.reshape(-1, *shape)
    return images[..., None] if len(shape) == 2 else images.transpose(0, 2, 3, 1)


def _enlarged(pictures: np.ndarray) -> np.ndarray:
    """Repeat the pixels of pictures (N, H, W, channels) until they are 32 high or more."""
    times = -(-32 // pictures.shape[1])
    return pictures.repeat(times, axis=1).repeat(times, axis=2)


def colored(shade: Shade, depth: float = 1.0) -> np.ndarray:
    """Return the colors of shades: (..., 3) uint8, the paler the less certain.

    At strength 1 a depth of 0 is white, and of 1 the class's own color. A strength that is not a
    number, a diverged network's, is white.
    """
    away = 255 - COLORS[shade.number % len(COLORS)]
    strength = np.nan_to_num(shade.strength, nan=0.0)
    return (255 - away * (depth * strength[..., None])).round().astype(np.uint8)


def regions(shade: Shade) -> np.ndarray:
    """Draw regions of the plane (..., H, W) and the lines between them: (..., H, W, 3) uint8.

    The second input increases upwards.
    """
    number, pixels = shade.number, colored(shade, _REGION_DEPTH)
    border = np.zeros(number.shape, dtype=bool)
    border[..., 1:, :] = number[..., 1:, :] != number[..., :-1, :]
    border[..., 1:] |= number[..., 1:] != number[..., :-1]
    pixels[border] = 40
    return pixels[..., ::-1, :, :]


def decision(panels: list[Panel], plane: Plane) -> np.ndarray:
    """Draw the regions of every output side by side, with training rows: (H, W, 3) uint8."""
    from PIL import Image, ImageDraw

    left, right, bottom, top = plane.extent
    across = (plane.rows[:, 0] - left) / (right - left)
    down = (top - plane.rows[:, 1]) / (top - bottom)
    tiles = []
    for panel in panels:
        image = Image.fromarray(regions(panel.regions))
        pen = ImageDraw.Draw(image)
        colors = colored(panel.rows).tolist()
        radius = 3 if len(across) > 50 else 6
        for x, y, color in zip(across * image.width, down * image.height, colors, strict=True):
            box = (x - radius, y - radius, x + radius, y + radius)
            pen.ellipse(box, fill=tuple(color), outline=(40, 40, 40))
        tiles.append(np.asarray(image))
    return _sheet(np.stack(tiles))


def unit_regions(values: np.ndarray) -> np.ndarray:
    """Draw each hidden unit's outputs over the plane: (H, W, 3) uint8.

    The values are (U, H, W). Blue is a unit's lowest output and orange its highest, with a line
    half-way; both numbers stand below it. A unit whose outputs agree to three digits everywhere is
    grey.
    """
    tiles = regions(shade_units(values))
    low, high = values.min((1, 2)), values.max((1, 2))
    tiles[high - low <= _SAME * np.maximum(abs(low), abs(high))] = 225
    ranges = [
        _caption(f"{a:.3g} to {b:.3g}", tiles.shape[2]) for a, b in zip(low, high, strict=True)
    ]
    return _sheet(np.concatenate([tiles, np.stack(ranges)], axis=1))


def _caption(text: str, width: int) -> np.ndarray:
    """Return a line of text in black on white: (H, width, 3) uint8."""
    from PIL import Image, ImageDraw, ImageFont

    line = Image.new("RGB", (width, _CAPTION), "white")
    font = ImageFont.load_default(_CAPTION - 3)
    ImageDraw.Draw(line).text((width / 2, 0), text, "black", font, anchor="ma")
    return np.asarray(line)


def _sheet(tiles: np.ndarray) -> np.ndarray:
    """Return one picture of pictures (U, H, W, channels) side by side, line after line."""
    columns = int(np.ceil(np.sqrt(len(tiles))))
    height, width, channels = tiles.shape[1:]
    lines = -(-len(tiles) // columns)
    down, across = height + _BETWEEN, width + _BETWEEN
    sheet = np.full((lines * down, columns * across, channels), 255, np.uint8)
    for place, tile in enumerate(tiles):
        top, left = place // columns * down, place % columns * across
        sheet[top : top + height, left : left + width] = tile
    return sheet[:-_BETWEEN, :-_BETWEEN]

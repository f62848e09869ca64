"""Pictures for TensorBoard, as pixels.

# H height, W width, in pixels; I inputs, O units, C classes
"""

import numpy as np

_MOST_UNITS = 64
_MOST_NAMES = 20  # with more classes, names and counts would overlap


def is_image(shape: tuple[int, ...]) -> bool:
    """Say whether rows of this shape are images: (H, W), or (3, H, W) with colours."""
    return len(shape) == 2 or (len(shape) == 3 and shape[0] == 3)


def confusion_matrix(counts: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    """Draw how the rows of each class are classified.

    Args:
        counts: (C, C), the true class in a row
        classes: their names

    Returns:
        (H, W, 3) uint8; a square's darkness is the share of its class's rows
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    size = 3 + 0.4 * min(len(classes), _MOST_NAMES)
    figure = Figure(figsize=(size, size), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="classified as", ylabel="true class")
    if len(classes) <= _MOST_NAMES:
        places = range(len(classes))
        axes.set_xticks(places, classes, rotation=90 if max(map(len, classes)) > 3 else 0)
        axes.set_yticks(places, classes)
        for truth, said in np.argwhere(counts):
            shade = "white" if shares[truth, said] > 0.5 else "black"
            text = f"{counts[truth, said]:,}"
            axes.text(said, truth, text, ha="center", va="center", color=shade, fontsize=7)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def weight_images(weights: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Draw what each unit of the first layer looks for: its weights, laid out as the pixels are.

    Args:
        weights: (I, O); at most 64 units are drawn
        shape: of the images, (H, W) or (3, H, W)

    Returns:
        (H, W, 1 or 3) uint8, units side by side; middle grey is zero, and a unit's largest weight
        is black or white
    """
    units = weights.T[:_MOST_UNITS].reshape(-1, *shape)
    images = units[..., None] if len(shape) == 2 else units.transpose(0, 2, 3, 1)
    largest = np.abs(images).max(axis=(1, 2, 3), keepdims=True)
    grey = (127.5 * (1 + images / np.maximum(largest, 1e-12))).round().astype(np.uint8)
    enlarged = -(-32 // grey.shape[1])
    grey = grey.repeat(enlarged, axis=1).repeat(enlarged, axis=2)
    columns = int(np.ceil(np.sqrt(len(grey))))
    height, width, channels = grey.shape[1:]
    lines = -(-len(grey) // columns)
    sheet = np.full((lines * (height + 2), columns * (width + 2), channels), 255, np.uint8)
    for place, tile in enumerate(grey):
        top, left = (place // columns) * (height + 2), (place % columns) * (width + 2)
        sheet[top : top + height, left : left + width] = tile
    return sheet[:-2, :-2]

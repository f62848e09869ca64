"""Where the channels of images in arrays stand: first as in torch, or last as in image files.

# N images, C channels, H height, W width
"""

from typing import Literal

import numpy as np

from dlx.errors import DataError

Channels = Literal["auto", "first", "last"]
_USUAL = ((1, 3), (4,))  # numbers of channels that images have, the likelier ones before


def recognised(shape: tuple[int, ...]) -> Literal["first", "last", "either"] | None:
    """Return where the channels of an array of images stand; None: it holds no images.

    It has four axes, and as many channels as images have: 1 (grey), 3 (colours) or 4 (with alpha).
    """
    if len(shape) != 4:
        return None
    for counts in _USUAL:
        is_first, is_last = shape[1] in counts, shape[3] in counts
        if is_first and is_last:
            return "either"
        if is_first or is_last:
            return "first" if is_first else "last"
    return None


def arranged(name: str, array: np.ndarray, channels: Channels) -> tuple[np.ndarray, str]:
    """Return images as (N, C, H, W), or (N, H, W) with one channel, and a note; others as they are.

    Raises:
        DataError: the channels may stand first or last
    """
    place = recognised(array.shape) if channels == "auto" else channels
    shape = ("N", *array.shape[1:])
    shown = f"({', '.join(map(str, shape))})"
    if place == "either":
        raise DataError(
            f"{name}: inputs of shape {shown} may be images with channels first or last; write "
            "data.channels: first or data.channels: last"
        )
    if place is None or array.ndim != 4:
        return array, ""
    other = "last" if place == "first" else "first"
    note = (
        f"{name}: inputs of shape {shown} are images with channels {place}; data.channels: "
        f"{other} would take them otherwise"
    )
    array = np.moveaxis(array, 3, 1) if place == "last" else array
    return array[:, 0] if array.shape[1] == 1 else array, note if channels == "auto" else ""


def fitting(array: np.ndarray, shape: tuple[int, ...], channels: Channels) -> np.ndarray:
    """Return an array of images, or of one, with rows of a shape; as it is where none fits."""
    for images in (array, array[np.newaxis]):
        is_clear = channels != "auto" or recognised(images.shape) != "either"
        if images.ndim == 4 and is_clear:
            rows = arranged("", images, channels)[0]
            if rows.shape[1:] == shape:
                return rows
    return array

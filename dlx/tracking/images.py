"""Pixels as the contents of a file."""

import io

import numpy as np


def png(pixels: np.ndarray) -> bytes:
    """Return pixels uint8 (height, width, channels) as the contents of a PNG file.

    Args:
        pixels: of 1 (grey), 3 (RGB) or 4 (and opacity) channels
    """
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).save(file, "PNG")
    return file.getvalue()

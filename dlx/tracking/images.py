"""Pixels as the contents of a file."""

import io

import numpy as np


def png(pixels: np.ndarray) -> bytes:
    """Return pixels uint8 (height, width, 1 grey, 3 RGB or 4 RGBA) as the bytes of a PNG file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).save(file, "PNG")
    return file.getvalue()

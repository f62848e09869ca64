"""Pixels as the contents of a file."""

import io

import numpy as np

COMPRESSION = 3  # of a PNG file; the smallest files take four times as long to write


def png(pixels: np.ndarray) -> bytes:
    """Return pixels uint8 (height, width, 1 grey, 3 RGB or 4 RGBA) as the bytes of a PNG file."""
    from PIL import Image

    file = io.BytesIO()
    image = Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)
    image.save(file, "PNG", compress_level=COMPRESSION)
    return file.getvalue()


def of_png(content: bytes) -> np.ndarray:
    """Return the pixels of a PNG file: (height, width, 3) uint8."""
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))

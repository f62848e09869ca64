"""The user's image files as pixels."""

# H height, W width

import warnings
from pathlib import Path

import numpy as np

from dlx.errors import DataError


def read_image(path: Path, *, grey: bool, size: tuple[int, ...] = ()) -> np.ndarray:
    """Return the pixels of an image, uint8: (H, W) in grey, (3, H, W) in colour.

    It is scaled to `size`, height and width, if that is given.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                if image.mode[0] in "IF":
                    raise DataError(f"{path}: more than 8 bits per pixel; save it with 8")
                converted = image.convert("L" if grey else "RGB")
                if size and converted.size != size[::-1]:
                    converted = converted.resize((size[1], size[0]), Image.Resampling.BILINEAR)
                pixels = np.asarray(converted)
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise DataError(f"{path}: not an image that can be read ({error})") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{path}: {error}") from error
    return pixels if grey else pixels.transpose(2, 0, 1)

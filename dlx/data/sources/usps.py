"""USPS: digits of American post codes, as libsvm's text file keeps them."""

import bz2
import io
import warnings
from pathlib import Path

import numpy as np

from dlx.data.dataset import Dataset, with_own_test
from dlx.data.source_files import damaged, read_bytes
from dlx.registry import register

FILES = ("usps.bz2", "usps.t.bz2")
SIDE = 16
_MOST = 2**28  # bytes of a file, unpacked; 7,291 rows of 257 numbers are about 30 million


@register("data")
def usps(data_dir: Path) -> Dataset:
    """Digits of post codes, grey images of 16 × 16: 7,291 and its own test part of 2,007.

    Reference:
        Hull (1994), A database for handwritten text recognition research
    """
    return with_own_test("usps", [_read(data_dir / name) for name in FILES], tuple("0123456789"))


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return images (N, 16, 16) float32 in [0, 1] and classes (N,) int64.

    The lines are `label 1:value … 256:value`, labels 1 to 10, values -1 to 1.
    """
    content = read_bytes(path, "usps")
    try:
        with bz2.open(io.BytesIO(content)) as file:
            text = file.read(_MOST + 1)
    except (EOFError, OSError, ValueError) as error:
        raise damaged(path, f"damaged bz2 data ({error})") from error
    if len(text) > _MOST:
        raise damaged(path, f"unpacked it has more than {_MOST:,} bytes, so it is not USPS")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # NumPy only warns of text that is not a number
            numbers = np.fromstring(text.replace(b":", b" "), dtype=np.float64, sep=" ")
    except (ValueError, DeprecationWarning) as error:
        raise damaged(path, f"not numbers ({error})") from error
    pixels = SIDE * SIDE
    if len(numbers) == 0 or len(numbers) % (1 + 2 * pixels):
        raise damaged(path, f"{len(numbers)} numbers do not make rows of {pixels} pixels")
    table = numbers.reshape(-1, 1 + 2 * pixels)
    labels, places, values = table[:, 0], table[:, 1::2], table[:, 2::2]
    if (places != np.arange(1, pixels + 1)).any():
        raise damaged(path, f"the pixels of a row are not numbered 1 to {pixels}")
    if not np.isin(labels, np.arange(1, 11)).all() or not (np.abs(values) <= 1).all():
        raise damaged(path, "a label is not 1 to 10, or a pixel not -1 to 1")
    images = ((values + 1) / 2).astype(np.float32).reshape(-1, SIDE, SIDE)
    return images, labels.astype(np.int64) - 1

"""A folder that holds a folder of images for each class."""

import math
import os
from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import Gt, MaxLen, MinLen

from dlx.data.dataset import Dataset
from dlx.data.images import read_image
from dlx.errors import DataError, MemoryLimitError
from dlx.registry import register

Pixels = Annotated[int, Gt(0)]
Size = Pixels | Annotated[list[Pixels], MinLen(2), MaxLen(2)] | None


@register("data")
def image_folder(
    data_dir: Path,
    *,
    path: Path,
    test_path: Path | None = None,
    size: Size = None,
    grey: bool = False,
) -> Dataset:
    """Your own images, those of each class in a folder of the class's name.

    Args:
        path: of the folder that holds the classes' folders, relative to the config
        test_path: of such a folder for the test part; null: there is no test part
        size: height and width to which images are scaled, such as [28, 20], or 28 for both; null:
            all images have one size already
        grey: convert images to grey; otherwise they are red, green and blue

    Raises:
        DataError: no such folder or no images in it, an image that is broken or has another size,
            a class that only the test part has
        MemoryLimitError: the images do not fit into the machine's memory
    """
    files, labels, classes = _listed(path)
    test_rows = 0
    if test_path is not None:
        more, more_labels, more_classes = _listed(test_path)
        unknown = [name for name in more_classes if name not in classes]
        if unknown:
            raise DataError(
                f"{test_path}: class {unknown[0]!r} has no folder in {path}, which has "
                f"{', '.join(map(repr, classes))}"
            )
        labels += [classes.index(more_classes[label]) for label in more_labels]
        files, test_rows = files + more, len(more)
    height_width = (size, size) if isinstance(size, int) else tuple(size or ())
    return Dataset(
        name=path.name,
        inputs=_read_all(files, height_width, grey),
        targets=np.array(labels, dtype=np.int64),
        classes=tuple(classes),
        test_rows=test_rows,
    )


def _listed(path: Path) -> tuple[list[Path], list[int], list[str]]:
    """Return the images, the class numbers and the classes of a folder, in order of their names."""
    from torchvision.datasets import ImageFolder

    try:
        folder = ImageFolder(str(path))
    except OSError as error:
        reason = str(error).splitlines()[0].rstrip(".") if error.errno is None else error.strerror
        raise DataError(
            f"{path}: {reason}; it should hold a folder of images for each class"
        ) from error
    files = [Path(name) for name, _ in folder.samples]
    return files, [label for _, label in folder.samples], folder.classes


def _read_all(files: list[Path], size: tuple[int, ...], grey: bool) -> np.ndarray:
    """Return the images as (N, height, width) or (N, 3, height, width) uint8."""
    if size:
        _check_memory(len(files), size if grey else (3, *size))
    first = read_image(files[0], grey=grey, size=size)
    _check_memory(len(files), first.shape)
    images = np.empty((len(files), *first.shape), dtype=np.uint8)
    for row, file in enumerate(files):
        pixels = read_image(file, grey=grey, size=size)
        if pixels.shape != first.shape:
            height, width = pixels.shape[-2:]
            raise DataError(
                f"{file}: the image is {width} wide and {height} high, {files[0].name} is "
                f"{first.shape[-1]} × {first.shape[-2]}; give data.size to scale all to one"
            )
        images[row] = pixels
    return images


def _check_memory(count: int, shape: tuple[int, ...]) -> None:
    """Refuse images that do not fit into memory as the float32 numbers that networks see."""
    if not hasattr(os, "sysconf"):  # Windows, where the allocation itself fails
        return
    needed = 4 * count * math.prod(shape)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > memory:
        raise MemoryLimitError(
            f"data.size: {count:,} images of {shape[-2]:,} × {shape[-1]:,} pixels take "
            f"{needed / 2**30:,.0f} GiB as numbers, but the machine has {memory / 2**30:,.0f}; "
            "lower data.size, or use grey: true"
        )

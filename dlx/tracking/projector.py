"""Points for TensorBoard's Projector.

<directory>/projector_config.pbtxt
<directory>/projector/code.tsv, metadata.tsv, sprite.png

# N points, D numbers each
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from google.protobuf import text_format

from dlx import texts
from dlx.runs import make_directory, write_atomic
from dlx.tracking.images import png
from dlx.tracking.protos import ProjectorConfig

CONFIG = "projector_config.pbtxt"
_FOLDER = "projector"
_LEAST = 3  # numbers of a point
_WIDEST = 8192  # pixels of a picture that any browser takes


def write_projector(
    directory: Path,
    values: np.ndarray,
    columns: Mapping[str, Sequence[object]],
    images: np.ndarray | None = None,
) -> None:
    """Write points with what is known of each, and the image that stands for it.

    Args:
        directory: of the run, in which it has an event file
        values: (N, D); of less than three numbers they are written with zeros for the third one,
            without which TensorBoard draws nothing
        columns: two or more, by heading, a value for each point
        images: (N, H, W, 1 or 3) uint8; None: points are dots
    """
    assert len(columns) > 1  # a file of one column is taken for one without a heading
    values = np.pad(values, ((0, 0), (0, max(0, _LEAST - values.shape[1]))))
    folder = directory / _FOLDER
    make_directory(folder)
    config = ProjectorConfig()
    points = config.embeddings.add(
        tensor_name="code",
        tensor_path=f"{_FOLDER}/code.tsv",
        metadata_path=f"{_FOLDER}/metadata.tsv",
    )
    numbers = io.StringIO()
    np.savetxt(numbers, values, fmt="%.6g", delimiter="\t")
    write_atomic(folder / "code.tsv", numbers.getvalue().encode())
    rows = [list(columns), *zip(*columns.values(), strict=True)]
    lines = ["\t".join(" ".join(str(cell).split()) for cell in row) + "\n" for row in rows]
    write_atomic(folder / "metadata.tsv", texts.encoded("".join(lines)))
    if images is not None:
        sheet, size = _sprite(images)
        write_atomic(folder / "sprite.png", png(sheet))
        points.sprite.image_path = f"{_FOLDER}/sprite.png"
        points.sprite.single_image_dim.extend(size)
    # Last: what it names is there.
    write_atomic(directory / CONFIG, text_format.MessageToString(config).encode())


def _sprite(images: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """Return images in lines of equal length from the top left, and width and height of one."""
    columns = int(np.ceil(np.sqrt(len(images))))
    apart = -(-columns * max(images.shape[1:3]) // _WIDEST)
    images = images[:, ::apart, ::apart]
    count, height, width, channels = images.shape
    lines = -(-count // columns)
    sheet = np.zeros((lines * columns, height, width, channels), np.uint8)
    sheet[:count] = images
    grid = sheet.reshape(lines, columns, height, width, channels).transpose(0, 2, 1, 3, 4)
    return grid.reshape(lines * height, columns * width, channels), (width, height)

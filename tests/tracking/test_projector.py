"""What TensorBoard's Projector is given."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format
from PIL import Image

from dlx.errors import StorageError
from dlx.tracking.projector import write_projector
from dlx.tracking.protos import ProjectorConfig

COLUMNS = {"class": ["a", "two\twords", "c", "d", "e"], "row": [3, 1, 4, 1, 5]}


def config(directory: Path) -> Any:
    text = (directory / "projector_config.pbtxt").read_text()
    return text_format.Parse(text, ProjectorConfig()).embeddings[0]


def test_points_labels_and_images_are_named_by_the_config(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    images = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 6, 1), np.uint8)
    write_projector(tmp_path, values, COLUMNS, images)
    its = config(tmp_path)
    assert np.loadtxt(tmp_path / its.tensor_path) == pytest.approx(values, rel=1e-5)
    lines = (tmp_path / its.metadata_path).read_text().splitlines()
    assert lines == ["class\trow", "a\t3", "two words\t1", "c\t4", "d\t1", "e\t5"]
    assert list(its.sprite.single_image_dim) == [6, 4]  # width first
    with Image.open(tmp_path / its.sprite.image_path) as image:
        sheet = np.asarray(image)
    assert sheet.shape == (2 * 4, 3 * 6)
    for point in range(5):
        line, column = divmod(point, 3)
        tile = sheet[line * 4 : line * 4 + 4, column * 6 : column * 6 + 6]
        assert (tile == point).all()


@pytest.mark.parametrize("width", [1, 2])
def test_points_have_three_numbers(width: int, tmp_path: Path) -> None:
    write_projector(tmp_path, np.ones((5, width)), COLUMNS)
    points = np.loadtxt(tmp_path / config(tmp_path).tensor_path)
    assert points.shape == (5, 3) and points.sum(0).tolist() == [5] * width + [0] * (3 - width)


def test_rows_without_images_are_dots(tmp_path: Path) -> None:
    write_projector(tmp_path, np.zeros((5, 2)), COLUMNS)
    its = config(tmp_path)
    assert not its.sprite.image_path and not (tmp_path / "projector" / "sprite.png").exists()


def test_a_sprite_sheet_is_no_larger_than_a_browser_takes(tmp_path: Path) -> None:
    images = np.zeros((9, 3000, 2800, 3), np.uint8)
    columns = {"class": ["x"] * 9, "row": range(9)}
    write_projector(tmp_path, np.zeros((9, 2)), columns, images)
    its = config(tmp_path)
    with Image.open(tmp_path / its.sprite.image_path) as sheet:
        assert sheet.size == (3 * 1400, 3 * 1500)
    assert list(its.sprite.single_image_dim) == [1400, 1500]


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "projector").write_text("a file")
    with pytest.raises(StorageError, match="projector"):
        write_projector(tmp_path, np.zeros((5, 2)), COLUMNS)

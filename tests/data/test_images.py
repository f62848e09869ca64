"""Image files as pixels."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dlx.data.images import read_image
from dlx.errors import DataError


@pytest.fixture
def red(tmp_path: Path) -> Path:
    path = tmp_path / "red.png"
    Image.new("RGB", (4, 2), (255, 0, 0)).save(path)
    return path


def test_pixels_have_height_before_width_and_colours_first(red: Path) -> None:
    pixels = read_image(red, grey=False)
    assert (pixels.shape, pixels.dtype) == ((3, 2, 4), np.uint8)
    assert (pixels[0] == 255).all() and (pixels[1:] == 0).all()
    assert read_image(red, grey=True).shape == (2, 4)
    assert read_image(red, grey=False, size=(6, 5)).shape == (3, 6, 5)


def test_what_cannot_be_read_is_named(tmp_path: Path, red: Path) -> None:
    (tmp_path / "text.png").write_text("text")
    Image.new("I;16", (4, 2)).save(tmp_path / "deep.png")
    for name, said in (
        ("missing", r"not an image that can be read \(.*No such file"),
        ("text", r"not an image that can be read"),
        ("deep", "more than 8 bits per pixel; save it with 8"),
    ):
        with pytest.raises(DataError, match=rf"{name}\.png: {said}"):
            read_image(tmp_path / f"{name}.png", grey=True)


def test_an_image_that_would_fill_the_memory(red: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5)
    with pytest.raises(DataError, match=r"red\.png: .*exceeds limit"):
        read_image(red, grey=True)

"""Image files as pixels, and which files of a folder are images."""

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dlx.data.images import SUFFIXES, Conversion, LeftOut, images_below, read_images
from dlx.errors import ConfigError, DataError

GREY, COLOUR = Conversion(grey=True), Conversion(grey=False)


@pytest.fixture
def red(tmp_path: Path) -> Path:
    path = tmp_path / "red.png"
    Image.new("RGB", (4, 2), (255, 0, 0)).save(path)
    return path


def read(path: Path, conversion: Conversion = GREY) -> np.ndarray:
    pixels, remarks = read_images([path], conversion)
    assert not remarks
    return pixels[0]


def test_pixels_have_height_before_width_and_colours_first(red: Path) -> None:
    pixels = read(red, COLOUR)
    assert (pixels.shape, pixels.dtype) == ((3, 2, 4), np.uint8)
    assert (pixels[0] == 255).all() and (pixels[1:] == 0).all()
    assert read(red).shape == (2, 4)
    assert read(red, Conversion(grey=False, size=[5, 6])).shape == (3, 5, 6)
    assert read(red, Conversion(grey=True, size=3)).shape == (3, 3)


STROKE = np.zeros((4, 6), bool)
STROKE[1:3, 2:4] = True


def _rgba() -> Image.Image:
    pixels = np.zeros((4, 6, 4), np.uint8)
    pixels[..., 3] = 255 * STROKE
    return Image.fromarray(pixels)


def _palette() -> Image.Image:
    """Both colours of the palette are black; the first is transparent."""
    image = Image.fromarray(STROKE.astype(np.uint8), "L").convert("P")
    image.putpalette([0, 0, 0] * 2)
    image.putdata(STROKE.astype(int).ravel().tolist())
    image.info["transparency"] = b"\x00\xff"
    return image


def _key(mode: str, black: Any, key: Any) -> Image.Image:
    """A black stroke on a ground of another value, which the file says is transparent."""
    image = Image.new(mode, (6, 4), key)
    for y, x in np.argwhere(STROKE).tolist():
        image.putpixel((x, y), black)
    image.info["transparency"] = key
    return image


# A black stroke on a transparent ground, as programs save it.
TRANSPARENT: dict[str, Callable[[], Image.Image]] = {
    "RGBA": _rgba,
    "LA": lambda: _rgba().convert("LA"),
    "P": _palette,
    "RGB with a key": lambda: _key("RGB", (0, 0, 0), (1, 2, 3)),
    "L with a key": lambda: _key("L", 0, 7),
    "1 with a key": lambda: _key("1", 0, 1),
    "16 bits with a key": lambda: _key("I;16", 0, 700),
}


@pytest.mark.parametrize("kind", TRANSPARENT)
def test_what_is_transparent_shows_the_background(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "stroke.png"
    image = TRANSPARENT[kind]()
    options = {"transparency": image.info["transparency"]} if "transparency" in image.info else {}
    image.save(path, **options)
    scale = 1 if "16" in kind else 255
    np.testing.assert_array_equal(read(path), np.where(STROKE, 0, scale))
    for colour in read(path, COLOUR):
        np.testing.assert_array_equal(colour, np.where(STROKE, 0, scale))
    assert (read(path, Conversion(grey=True, background="black")) == 0).all()
    blue = read(path, Conversion(grey=False, background="#0000ff"))
    np.testing.assert_array_equal(blue[2], np.where(STROKE, 0, scale))
    assert (blue[:2] == 0).all()


def test_half_transparent_pixels_are_mixed_with_the_background(tmp_path: Path) -> None:
    Image.new("RGBA", (2, 2), (200, 0, 0, 128)).save(tmp_path / "half.webp", lossless=True)
    pixel = read(tmp_path / "half.webp", COLOUR)[:, 0, 0].astype(int)
    assert abs(pixel - [200 * 128 / 255 + 127, 127, 127]).max() <= 1


def test_a_background_that_is_no_colour(red: Path) -> None:
    Image.new("RGBA", (2, 2)).save(red)
    with pytest.raises(ConfigError, match=r"data\.background: no colour is called 'wite'; use a"):
        read(red, Conversion(grey=True, background="wite"))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_a_photo_is_turned_as_the_camera_was_held(
    orientation: int, suffix: str, tmp_path: Path
) -> None:
    held = np.zeros((8, 16), np.uint8)
    held[:4, :8] = 255  # as it should be seen: white at the top left
    undone = [
        *(lambda x: x, lambda x: x[:, ::-1], lambda x: x[::-1, ::-1], lambda x: x[::-1]),
        *(lambda x: x.T, lambda x: np.rot90(x), lambda x: x[::-1, ::-1].T),
        lambda x: np.rot90(x, -1),
    ]
    stored = Image.fromarray(np.ascontiguousarray(undone[orientation - 1](held)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, Any] = {"lossless": True} if suffix == ".webp" else {}
    stored.save(tmp_path / f"photo{suffix}", exif=exif, **options)
    pixels = read(tmp_path / f"photo{suffix}")
    np.testing.assert_array_equal(pixels > 127, held > 127)


def test_exif_that_is_broken_turns_nothing(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    Image.new("L", (4, 2), 200).save(path, exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff")
    assert read(path).shape == (2, 4)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_16_bits_of_grey_are_kept(suffix: str, tmp_path: Path) -> None:
    values = np.array([[0, 1, 255], [256, 40000, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / f"deep{suffix}")
    pixels = read(tmp_path / f"deep{suffix}")
    assert pixels.dtype == np.float32
    np.testing.assert_array_equal(pixels, (values / 65535).astype(np.float32))
    colours = read(tmp_path / f"deep{suffix}", COLOUR)
    assert colours.shape == (3, 2, 3) and (colours == pixels).all()
    assert read(tmp_path / f"deep{suffix}", Conversion(grey=True, size=[4, 6])).shape == (4, 6)


def test_16_bits_beside_8(tmp_path: Path) -> None:
    """Images of both kinds have the same values as they have alone."""
    Image.new("L", (2, 2), 51).save(tmp_path / "a.png")
    Image.fromarray(np.full((2, 2), 13107, np.uint16)).save(tmp_path / "b.png")
    pixels, _ = read_images([tmp_path / "a.png", tmp_path / "b.png", tmp_path / "a.png"], GREY)
    np.testing.assert_array_equal(pixels, np.full((3, 2, 2), np.float32(0.2)))


def test_other_ways_to_store_colours(tmp_path: Path) -> None:
    Image.new("CMYK", (2, 2), (0, 255, 255, 0)).save(tmp_path / "print.tif")
    assert read(tmp_path / "print.tif", COLOUR)[:, 0, 0].tolist() == [255, 0, 0]
    Image.fromarray(STROKE).save(tmp_path / "bits.png")
    np.testing.assert_array_equal(read(tmp_path / "bits.png"), 255 * STROKE)
    Image.new("RGB", (2, 2), (9, 8, 7)).quantize().save(tmp_path / "palette.gif")
    assert read(tmp_path / "palette.gif", COLOUR)[:, 1, 1].tolist() == [9, 8, 7]


def test_of_several_images_in_a_file_the_first_is_used_and_said(tmp_path: Path) -> None:
    frames = [Image.new("L", (2, 2), value) for value in (10, 200, 90)]
    for suffix in (".gif", ".png", ".tif", ".webp"):
        path = tmp_path / f"moving{suffix}"
        options: dict[str, Any] = {"lossless": True} if suffix == ".webp" else {}
        frames[0].save(path, save_all=True, append_images=frames[1:], **options)
        pixels, remarks = read_images([path], GREY)
        assert (pixels == 10).all()
        assert remarks == [f"{path.name}: the file holds several images; the first one is used"]
    _, remarks = read_images([tmp_path / "moving.gif"] * 5, GREY)
    assert remarks == [
        "moving.gif, moving.gif, moving.gif and 2 more: the file holds several images; the first "
        "one is used"
    ]


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("text")
    (tmp_path / "program.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    for suffix in ("png", "jpg", "gif", "bmp", "webp"):
        Image.fromarray(noise).save(tmp_path / f"whole.{suffix}")
        content = (tmp_path / f"whole.{suffix}").read_bytes()
        (tmp_path / f"cut.{suffix}").write_bytes(content[: len(content) // 2])
    Image.new("F", (4, 2)).save(tmp_path / "real.tif")
    Image.new("I", (4, 2)).save(tmp_path / "deep.tif")
    for name, said in (
        ("missing.png", r"not an image that can be read \(.*No such file"),
        ("text.png", r"not an image that can be read"),
        ("program.png", r"not an image that can be read"),
        ("cut.png", r"not an image that can be read"),
        ("cut.jpg", r"not an image that can be read"),
        ("cut.gif", r"not an image that can be read"),
        ("cut.bmp", r"not an image that can be read"),
        ("cut.webp", r"not an image that can be read"),
        ("real.tif", "a pixel has 32 bits, .*; save it with 8 or 16"),
        ("deep.tif", "a pixel has 32 bits, .*; save it with 8 or 16"),
    ):
        with pytest.raises(DataError, match=rf"{name}: {said}"):
            read(tmp_path / name)


def test_a_hundred_million_pixels_are_refused_by_the_size_in_the_header(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 10_000, 10_000, 8, 0, 0, 0, 0)
    check = struct.pack(">I", zlib.crc32(b"IHDR" + header))
    content = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + header + check
    # There is nothing that could be decoded.
    (tmp_path / "huge.png").write_bytes(content + struct.pack(">I", 99) + b"IDAT")
    message = r"huge\.png: Image size \(100000000 pixels\) exceeds .*, so it was not opened; make"
    with pytest.raises(DataError, match=message):
        read(tmp_path / "huge.png")


def test_hidden_files_special_files_and_what_is_no_image_are_counted(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", ".c.png", "notes.txt", "more.txt", "README", "d.heic"):
        (tmp_path / name).touch()
    for folder in ("__MACOSX", ".ipynb_checkpoints", "inner"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "e.webp").touch()
    os.mkfifo(tmp_path / "wait.png")
    (tmp_path / "inner/back").symlink_to(tmp_path)
    (tmp_path / "gone.png").symlink_to(tmp_path / "nothing.png")
    left_out = LeftOut()
    found = images_below(tmp_path, left_out)
    assert [str(path.relative_to(tmp_path)) for path in found] == ["a.jpg", "b.PNG", "inner/e.webp"]
    assert left_out.sentences(Path("set")) == [
        "set: left out 1 .heic files, 2 .txt files, 1 files without a suffix, 3 hidden files or "
        f"folders, 2 special files; images are read from {', '.join(SUFFIXES)} files"
    ]
    assert LeftOut().sentences(tmp_path) == []

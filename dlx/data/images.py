"""The user's image files: which ones a folder holds, and their pixels.

# N images, H height, W width
"""

import contextlib
import math
import os
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Gt, MaxLen, MinLen

from dlx.capacity import check_fits
from dlx.config.types import Text
from dlx.errors import ConfigError, DataError

if TYPE_CHECKING:
    from PIL.Image import Image

# What Pillow may open. Other formats that it knows run programs (EPS) or hold no pixels.
_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "DIB", "TIFF", "PPM", "WEBP")
SUFFIXES = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".dib", ".tif", ".tiff"),
    *(".webp", ".ppm", ".pgm", ".pbm", ".pnm"),
)
_DEEP_SUFFIXES = (".png", ".tif", ".tiff", ".ppm", ".pgm", ".pnm")  # of what may have 16 bits
# Folders that programs leave behind, beside those whose name begins with a dot.
_OF_PROGRAMS = ("__MACOSX", "__pycache__", "@eaDir", "lost+found", "$RECYCLE.BIN")
_ORIENTATION = 0x0112  # the tag of EXIF
DEEPEST = 65535  # white in 16 bits
_DEPTHS = (8, 10, 12, 14)  # bits that cameras and scanners may have, whose files have 16
_NAMED = 3  # files in a sentence

Side = Annotated[int, Gt(0)]
Size = Side | Annotated[list[Side], MinLen(2), MaxLen(2)] | None
Background = Annotated[
    str,
    Text("[a-zA-Z]+|#[0-9a-fA-F]{6}", "a colour such as white or '#rrggbb'", ("white", "black")),
]


@dataclass(frozen=True)
class Conversion:
    """How image files become pixels, the same for training and for prediction."""

    grey: bool  # whether they become grey; otherwise they are red, green and blue
    size: Size = None  # height and width that they are scaled to, or a number for both; None: none
    background: str = "white"  # the colour that shows through where they are transparent
    white: int = DEEPEST  # what is white in grey images of 16 bits

    @property
    def height_width(self) -> tuple[int, ...]:
        """The size as two numbers, or none."""
        return (self.size, self.size) if isinstance(self.size, int) else tuple(self.size or ())

    @property
    def colour(self) -> tuple[int, int, int]:
        """The background as red, green and blue, 0 to 255."""
        from PIL import ImageColor

        try:
            return ImageColor.getrgb(self.background)[:3]
        except ValueError:
            raise ConfigError(
                f"data.background: no colour is called {self.background!r}; use a name such as "
                "white or black, or '#rrggbb'"
            ) from None


@dataclass
class LeftOut:
    """What a folder holds that is no image, to be said."""

    counts: Counter[str] = field(default_factory=Counter)  # by kind

    def sentences(self, folder: Path) -> list[str]:
        """Return a sentence, or none."""
        if not self.counts:
            return []
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(self.counts.items()))
        return [f"{folder}: left out {kinds}; images are read from {', '.join(SUFFIXES)} files"]


def look_into(folder: Path, left_out: LeftOut) -> tuple[list[Path], list[Path]]:
    """Return the folders and the image files in a folder, in order of their names.

    Hidden files and folders, folders that programs leave behind, files of other kinds, and what is
    no ordinary file (which could wait for ever to be read) are left out.
    """
    try:
        paths = sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror or error})") from error
    folders: list[Path] = []
    files: list[Path] = []
    for path in paths:
        suffix = path.suffix.lower()
        if path.name.startswith(".") or path.name in _OF_PROGRAMS:
            left_out.counts["hidden files or folders"] += 1
        elif path.is_dir():
            folders.append(path)
        elif not path.is_file():
            left_out.counts["special files"] += 1
        elif suffix in SUFFIXES:
            files.append(path)
        else:
            left_out.counts[f"{suffix} files" if suffix else "files without a suffix"] += 1
    return folders, files


def images_below(folder: Path, left_out: LeftOut) -> list[Path]:
    """Return the image files in a folder and in its folders, in order of their paths."""
    found: list[Path] = []
    seen: set[str] = set()  # a link may lead back
    folders = [folder]
    while folders:
        current = folders.pop()
        if os.path.realpath(current) not in seen:
            seen.add(os.path.realpath(current))
            inner, files = look_into(current, left_out)
            folders += inner
            found += files
    return sorted(found, key=lambda path: (str(path.parent), path.name))


def read_images(files: Sequence[Path], conversion: Conversion) -> tuple[np.ndarray, list[str]]:
    """Return the pixels of images, and sentences for the user.

    They are (N, H, W) in grey, (N, 3, H, W) in colour: uint8 or, if a grey image has 16 bits,
    float32 in [0, 1], which keeps all of them.

    Raises:
        DataError: an image that is broken, too large or of another size than the first
        MemoryLimitError: they do not fit into the machine's memory as float32
    """
    if conversion.size:
        sides = conversion.height_width
        _check_memory(len(files), sides if conversion.grey else (3, *sides))
    images = np.empty(0)
    moving = []
    for row, file in enumerate(files):
        pixels, frames = _read(file, conversion)
        if frames > 1:
            moving.append(file.name)
        if row == 0:
            _check_memory(len(files), pixels.shape)
            images = np.empty((len(files), *pixels.shape), pixels.dtype)
        if pixels.shape != images.shape[1:]:
            sizes = [f"{array.shape[-1]} × {[*array.shape][-2]}" for array in (pixels, images)]
            raise DataError(
                f"{file}: the image is {sizes[0]} (width × height), {files[0].name} is {sizes[1]}; "
                f"give data.size to scale all to one"
            )
        if pixels.dtype != images.dtype:
            images, pixels = _in_unit_interval(images), _in_unit_interval(pixels)
        images[row] = pixels
    return images, _first_frames(moving)


def white_of(files: Sequence[Path]) -> int:
    """Return what is white in grey images of 16 bits, by the bits that the brightest of them uses.

    Of a camera these may be 10, 12 or 14. Images of other kinds are left aside.
    """
    brightest = 0
    for file in files:
        if file.suffix.lower() in _DEEP_SUFFIXES:
            with contextlib.suppress(Exception), _opened(file) as image:
                if _is_deep(image):
                    brightest = max(brightest, int(np.asarray(image).max()))
    bits = next((bits for bits in _DEPTHS if 0 < brightest < 2**bits), 16)
    return 2**bits - 1


def _is_deep(image: "Image") -> bool:
    """Say whether the pixels of a grey image have 16 bits."""
    return image.mode.startswith("I;16") or (image.mode, image.format) == ("I", "PPM")


def _first_frames(files: Sequence[str]) -> list[str]:
    if not files:
        return []
    more = f" and {len(files) - _NAMED:,} more" if len(files) > _NAMED else ""
    return [
        f"{', '.join(files[:_NAMED])}{more}: the file holds several images; the first one is used"
    ]


@contextlib.contextmanager
def _opened(path: Path) -> "Iterator[Image]":
    """Open an image; of one that is too large, a warning becomes an error."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        # As an open file: of a path, Pillow scrambles the rows of a TIFF that lies on its side.
        with path.open("rb") as file, Image.open(file, formats=_FORMATS) as image:
            yield image


def _read(path: Path, conversion: Conversion) -> tuple[np.ndarray, int]:
    """Return the pixels of an image, and how many images its file holds."""
    from PIL import Image, UnidentifiedImageError

    try:
        with _opened(path) as image:
            # A JPEG of several is a photo and what a phone keeps beside it.
            frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
            return _pixels(path, image, conversion), frames
    except (DataError, MemoryError, ConfigError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(
            f"{path}: {str(error).split(',', 1)[0]}, so it was not opened; make the image smaller"
        ) from error
    except Exception as error:  # of any of Pillow's decoders
        why = "of no known format" if isinstance(error, UnidentifiedImageError) else str(error)
        raise DataError(f"{path}: not an image that can be read ({why})") from error


def _pixels(path: Path, image: "Image", conversion: Conversion) -> np.ndarray:
    from PIL import Image

    image.load()
    is_deep = _is_deep(image)
    if image.mode in ("I", "F") and not is_deep:
        raise DataError(
            f"{path}: a pixel has 32 bits, of which nothing says what is white; save it with 8 or "
            "16, or give the numbers as an npy file"
        )
    image = _turned(image)
    if is_deep:
        return _of_16_bits(image, conversion)
    if image.mode == "1":
        transparent = image.info.get("transparency")
        image = image.convert("L")
        if transparent is not None:
            image.info["transparency"] = 255 * bool(transparent)
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, (*conversion.colour, 255))
        image = Image.alpha_composite(ground, image.convert("RGBA"))
    image = image.convert("RGB" if image.mode != "L" else "L").convert(
        "L" if conversion.grey else "RGB"
    )
    pixels = np.asarray(_scaled(image, conversion))
    return pixels if conversion.grey else pixels.transpose(2, 0, 1)


def _of_16_bits(image: "Image", conversion: Conversion) -> np.ndarray:
    """Return the pixels of a grey image of 16 bits as float32 in [0, 1]."""
    from PIL import Image

    values = np.asarray(image)
    levels = [(values / conversion.white).astype(np.float32)]
    transparent = image.info.get("transparency")
    colour = conversion.colour
    if isinstance(transparent, int) and (values == transparent).any():
        if conversion.grey:
            colour = np.asarray(Image.new("RGB", (1, 1), colour).convert("L")).ravel().tolist()
        levels = [np.where(values == transparent, np.float32(c / 255), levels[0]) for c in colour]
    channels = levels * (3 if len(levels) == 1 and not conversion.grey else 1)
    scaled = [np.asarray(_scaled(Image.fromarray(channel), conversion)) for channel in channels]
    return scaled[0] if conversion.grey else np.stack(scaled)


def _scaled(image: "Image", conversion: Conversion) -> "Image":
    from PIL.Image import Resampling

    size = conversion.height_width
    if not size or image.size == size[::-1]:
        return image
    return image.resize((size[1], size[0]), Resampling.BILINEAR)


def _turned(image: "Image") -> "Image":
    """Return an image as its camera was held, by its EXIF orientation; broken EXIF turns nothing.

    Not Pillow's `exif_transpose`, which writes the other tags anew, and fails where one is odd.
    """
    from PIL.Image import Transpose

    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:
        return image
    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(turns[orientation]) if orientation in turns else image


def _in_unit_interval(pixels: np.ndarray) -> np.ndarray:
    return pixels / np.float32(255) if pixels.dtype == np.uint8 else pixels


def _check_memory(count: int, shape: tuple[int, ...]) -> None:
    """Refuse images that do not fit into memory as the float32 numbers that networks see."""
    pixels = f"{shape[-2]:,} × {shape[-1]:,} pixels"
    what = f"data.size: {count:,} images of {pixels} take too much as numbers"
    check_fits(what, 4 * count * math.prod(shape), "lower data.size, or use grey: true")

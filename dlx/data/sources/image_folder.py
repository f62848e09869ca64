"""A folder that holds a folder of images for each class."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dlx.data.dataset import Dataset
from dlx.data.images import (
    DEEPEST,
    Background,
    Conversion,
    LeftOut,
    Size,
    images_below,
    look_into,
    read_images,
    white_of,
)
from dlx.errors import DataError
from dlx.registry import register

# What folders of parts are called, where they stand in the place of classes.
_PARTS = {
    "train": ("train", "training"),
    "dev": ("dev", "val", "valid", "validation"),
    "test": ("test", "testing"),
}
_LISTED = 5  # classes in a sentence


@register("data")
def image_folder(
    data_dir: Path,
    *,
    path: Path,
    dev_path: Path | None = None,
    test_path: Path | None = None,
    size: Size = None,
    grey: bool = False,
    background: Background = "white",
) -> Dataset:
    """Your own images, those of each class in a folder of the class's name.

    Args:
        path: of the folder that holds the classes' folders, relative to the config
        dev_path: of such a folder for the dev part; null: dev rows are taken from path
        test_path: of such a folder for the test part; null: test rows are taken from path
        size: height and width to which images are scaled, such as [28, 20], or 28 for both; null:
            all images have one size already
        grey: convert images to grey; otherwise they are red, green and blue
        background: the colour that transparent pixels show, a name or '#rrggbb'

    Raises:
        ConfigError: no such colour
        DataError: no such folder or no images in it, an image that is broken or has another size,
            folders that are parts and not classes, a class that only dev or test has
        MemoryLimitError: the images do not fit into the machine's memory
    """
    paths = {"train": path, "dev": dev_path, "test": test_path}
    folders = {part: list_folder(folder) for part, folder in paths.items() if folder is not None}
    classes = tuple(folders["train"].classes)
    white = white_of(folders["train"].files)
    conversion = Conversion(grey, size, background, white)
    files = [file for folder in folders.values() for file in folder.files]
    labels = [label for folder in folders.values() for label in folder.labels(classes, path)]
    images, remarks = read_images(files, conversion)
    are_same = len(images) > 1 and bool((images == images[0]).all())
    cure = f"if they are drawn in the colour of data.background, {background}, choose another"
    same = f"{path}: all {len(images):,} images are the same; {cure}"
    plain = [file.name for file, image in zip(files, images, strict=True) if _is_plain(image)]
    if plain and not are_same:
        remarks.append(
            f"{path}: images that show one colour throughout: {len(plain):,} of {len(images):,}, "
            f"such as {plain[0]}; {cure}"
        )
    if white < DEEPEST:
        remarks.append(
            f"{path}: images of 16 bits use {white.bit_length()} of them: {white:,} is white, here "
            "and for new images"
        )
    rows = {part: len(folder.files) for part, folder in folders.items()}
    return Dataset(
        name=path.name,
        inputs=images,
        targets=np.array(labels, dtype=np.int64),
        classes=classes,
        dev_rows=rows.get("dev", 0),
        test_rows=rows.get("test", 0),
        warnings=(*([same] if are_same else []), *folders["train"].doubts),
        white=white,
        notes=(*(s for folder in folders.values() for s in folder.notes), *remarks),
    )


def _is_plain(image: np.ndarray) -> bool:
    return bool((image == image[..., :1, :1]).all())


@dataclass(frozen=True)
class ClassFolders:
    """The images of a folder, by class."""

    path: Path
    by_class: dict[str, list[Path]]
    left_out: tuple[str, ...]  # sentences
    doubts: tuple[str, ...] = ()  # sentences that say what may be no class

    @property
    def classes(self) -> list[str]:
        """The classes' names, in order."""
        return list(self.by_class)

    @property
    def files(self) -> list[Path]:
        """All images, class by class."""
        return [file for files in self.by_class.values() for file in files]

    def labels(self, classes: tuple[str, ...], known: Path | str) -> list[int]:
        """Return the number of each image's class among `classes`, those of `known`."""
        for name in self.by_class:
            if name not in classes:
                raise DataError(
                    f"{self.path}: class {name!r} has no folder in {known}, which has "
                    f"{', '.join(map(repr, classes))}"
                )
        return [classes.index(name) for name, files in self.by_class.items() for _ in files]

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence that names the classes, and those about what is left out."""
        counts = [f"{name} ({len(files):,})" for name, files in self.by_class.items()]
        more = f" and {len(counts) - _LISTED:,} more" if len(counts) > _LISTED else ""
        summary = (
            f"{self.path} holds {len(self.files):,} images of {len(counts)} classes: "
            f"{', '.join(counts[:_LISTED])}{more}"
        )
        return summary, *self.left_out


def list_folder(path: Path) -> ClassFolders:
    """Return the images in the folders of a folder, each of which is a class.

    Raises:
        DataError: no such folder, no folder with images in it, or folders called train and test
    """
    if not path.is_dir():
        problem = "not a folder" if path.exists() else "no such folder"
        raise DataError(f"{path}: {problem}; it should hold a folder of images for each class")
    left_out = LeftOut()
    folders, beside = look_into(path, left_out)
    by_class = {folder.name: images_below(folder, left_out) for folder in folders}
    without = [name for name, files in by_class.items() if not files]
    by_class = {name: files for name, files in by_class.items() if files}
    said = left_out.sentences(path)
    if not by_class:
        found = f"it holds {len(beside):,} images but " if beside else ""
        raise DataError(
            f"{path}: {found}no folder of images; the images of each class belong into a folder of "
            f"the class's name{''.join(f' ({sentence})' for sentence in said)}"
        )
    _refuse_parts(path, by_class)
    if without:
        shown = ", ".join(map(repr, without[:_LISTED]))
        more = f" and {len(without) - _LISTED:,} more" if len(without) > _LISTED else ""
        said.append(f"{path}: no images in {shown}{more}, so it is no class")
    if beside:
        said.append(
            f"{path}: left out {len(beside):,} images that are in no class's folder, such as "
            f"{beside[0].name}"
        )
    return ClassFolders(path, by_class, tuple(said), _alike(path, by_class))


def _alike(path: Path, by_class: dict[str, list[Path]]) -> tuple[str, ...]:
    """Return a warning if classes hold folders of the same names, as parts with classes would."""
    inner: dict[tuple[str, ...], list[str]] = {}  # classes by the names of their folders
    for name, files in by_class.items():
        places = [file.relative_to(path / name).parts for file in files]
        names = tuple(sorted({place[0] for place in places if len(place) > 1}))
        if len(names) > 1 and all(len(place) > 1 for place in places):
            inner.setdefault(names, []).append(name)
    shown = lambda names: ", ".join(map(repr, names[:_LISTED])) + " …" * (len(names) > _LISTED)
    return tuple(
        f"{path}: the classes {shown(alike)} hold folders of the same names ({shown(names)}), "
        f"which tell nothing; if these are the classes, write data.path: {path / alike[0]}, and "
        "the other folders as data.dev_path or data.test_path"
        for names, alike in inner.items()
        if len(alike) > 1
    )


def _refuse_parts(path: Path, by_class: dict[str, list[Path]]) -> None:
    """Refuse folders that are parts of the data, or one that holds the classes' folders."""
    part_of = {name: part for part, names in _PARTS.items() for name in names}
    parts = {part_of[name.lower()]: name for name in by_class if name.lower() in part_of}
    keys = {"train": "data.path", "dev": "data.dev_path", "test": "data.test_path"}
    if parts and (len(parts) == len(by_class) or len(parts) > 1):
        cures = [f"{keys[part]}: {path / parts[part]}" for part in keys if part in parts]
        raise DataError(
            f"{path}: its folders are parts, not classes ({', '.join(by_class)}); write "
            f"{', '.join(cures)}"
        )
    [only, *more] = by_class
    if not more and all(file.parent != path / only for file in by_class[only]):
        raise DataError(
            f"{path} holds one folder, {only!r}, whose own folders hold the images; write "
            f"data.path: {path / only}"
        )

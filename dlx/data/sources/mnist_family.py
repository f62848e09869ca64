"""MNIST and the sets made in its image: IDX files in the folders that torchvision fills."""

import string
from pathlib import Path
from typing import Literal

import numpy as np

from dlx.data import idx
from dlx.data.dataset import Dataset, with_own_test
from dlx.data.source_files import damaged
from dlx.registry import register

DIGITS = tuple(string.digits)
LETTERS = tuple(string.ascii_lowercase)
# Small letters that look like their capitals count as these in `balanced` and `bymerge`.
DISTINCT_LETTERS = tuple("abdefghnqrt")
CLOTHES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
KANA = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")

EMNIST_CLASSES = {
    "balanced": (*DIGITS, *string.ascii_uppercase, *DISTINCT_LETTERS),
    "byclass": (*DIGITS, *string.ascii_uppercase, *LETTERS),
    "bymerge": (*DIGITS, *string.ascii_uppercase, *DISTINCT_LETTERS),
    "letters": LETTERS,
    "digits": DIGITS,
    "mnist": DIGITS,
}
PARTS = ("train", "t10k")


@register("data")
def mnist(data_dir: Path) -> Dataset:
    """Handwritten digits, grey images of 28 × 28: 60,000 and its own test part of 10,000.

    Reference:
        LeCun, Bottou, Bengio, Haffner (1998), Gradient-based learning applied to document
        recognition
    """
    return _read("mnist", data_dir / "MNIST/raw", PARTS, DIGITS)


@register("data")
def fashion_mnist(data_dir: Path) -> Dataset:
    """Articles of clothing in the format of MNIST: 60,000 and its own test part of 10,000.

    Reference:
        Xiao, Rasul, Vollgraf (2017), Fashion-MNIST: a novel image dataset for benchmarking
        machine learning algorithms, arXiv:1708.07747
    """
    return _read("fashion_mnist", data_dir / "FashionMNIST/raw", PARTS, CLOTHES)


@register("data")
def kmnist(data_dir: Path) -> Dataset:
    """Cursive Japanese characters in the format of MNIST: 60,000 and its own test part of 10,000.

    Reference:
        Clanuwat et al. (2018), Deep learning for classical Japanese literature, arXiv:1812.01718
    """
    return _read("kmnist", data_dir / "KMNIST/raw", PARTS, KANA)


@register("data")
def qmnist(data_dir: Path) -> Dataset:
    """MNIST rebuilt from its NIST sources: 60,000 and its own test part of all 60,000.

    Reference:
        Yadav, Bottou (2019), Cold case: the lost MNIST digits, arXiv:1905.10498
    """
    parts = ("qmnist-train", "qmnist-test")
    return _read("qmnist", data_dir / "QMNIST/raw", parts, DIGITS, labels="labels-idx2-int")


@register("data")
def emnist(
    data_dir: Path,
    *,
    subset: Literal["balanced", "byclass", "bymerge", "letters", "digits", "mnist"] = "balanced",
) -> Dataset:
    """Handwritten letters and digits in the format of MNIST, with its own test part.

    Args:
        subset: balanced (47 classes, 131,600 rows), byclass (62, 814,255), bymerge (47, 814,255),
            letters (26, 145,600), digits (10, 280,000) or mnist (10, 70,000).

    Reference:
        Cohen, Afshar, Tapson, van Schaik (2017), EMNIST: an extension of MNIST to handwritten
        letters, arXiv:1702.05373
    """
    return _read(
        "emnist",
        data_dir / "EMNIST/raw",
        (f"emnist-{subset}-train", f"emnist-{subset}-test"),
        EMNIST_CLASSES[subset],
        first_label=1 if subset == "letters" else 0,
        transposed=True,
    )


def _read(
    name: str,
    folder: Path,
    parts: tuple[str, str],
    classes: tuple[str, ...],
    *,
    labels: str = "labels-idx1-ubyte",
    first_label: int = 0,
    transposed: bool = False,
) -> Dataset:
    """Read the training part and the test part, and return the rows of both in this order.

    Args:
        parts: the beginnings of the names of training files and test files.
        labels: the end of the names of label files.
        first_label: the label of the first class.
        transposed: whether files hold each image column by column, as those of EMNIST do.
    """
    kinds = ("images-idx3-ubyte", labels)
    paths = [[idx.find(name, folder / f"{part}-{kind}") for kind in kinds] for part in parts]
    (train_path, _), (test_path, _) = paths
    images = [_read_images(path) for path, _ in paths]
    train_size, test_size = (f"{part.shape[1]} × {part.shape[2]}" for part in images)
    if train_size != test_size:
        problem = f"its images are {test_size}, those of {train_path.name} {train_size}"
        raise damaged(test_path, problem)
    targets = [
        _read_labels(path, len(part), len(classes), first_label)
        for part, (_, path) in zip(images, paths, strict=True)
    ]
    if transposed:
        images = [part.transpose(0, 2, 1) for part in images]
    return with_own_test(name, list(zip(images, targets, strict=True)), classes)


def _read_images(path: Path) -> np.ndarray:
    images = idx.read(path)
    if images.dtype != np.uint8 or images.ndim != 3:
        raise damaged(path, f"not images but {images.dtype} of shape {images.shape}")
    return images


def _read_labels(path: Path, num_images: int, num_classes: int, first_label: int) -> np.ndarray:
    labels = idx.read(path)
    if labels.ndim == 2 and labels.shape[1] == 8:
        labels = labels[:, 0]  # QMNIST: the class, then where the image comes from in NIST
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise damaged(path, f"not labels but {labels.dtype} of shape {labels.shape}")
    if len(labels) != num_images:
        raise damaged(path, f"{len(labels)} labels for {num_images} images")
    classes = labels.astype(np.int64) - first_label
    wrong = np.flatnonzero((classes < 0) | (classes >= num_classes))
    if len(wrong):
        raise damaged(
            path,
            f"label {labels[wrong[0]]} of row {wrong[0]} (the first is 0) is out of range "
            f"{first_label} to {first_label + num_classes - 1}",
        )
    return classes

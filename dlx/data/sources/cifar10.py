"""CIFAR-10: small colour photographs, in the pickles that its authors published."""

from pathlib import Path

import numpy as np

from dlx.data.dataset import Dataset, with_own_test
from dlx.data.source_files import damaged, read_pickle
from dlx.registry import register

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
# MD5 as torchvision publishes them; the last file is the test part.
DIGESTS = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}


@register("data")
def cifar10(data_dir: Path) -> Dataset:
    """Photographs of ten kinds, colour, 3 × 32 × 32: 50,000 and its own test part of 10,000.

    Reference:
        Krizhevsky (2009), Learning multiple layers of features from tiny images
    """
    folder = data_dir / "cifar-10-batches-py"
    parts = [_read(folder / name, md5) for name, md5 in DIGESTS.items()]
    return with_own_test("cifar10", parts, CLASSES)


def _read(path: Path, md5: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images (N, 3, 32, 32) uint8 and classes (N,) int64."""
    batch = read_pickle(path, "cifar10", md5)
    try:
        images, labels = batch["data"].reshape(-1, 3, 32, 32), np.array(batch["labels"], np.int64)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise damaged(path, f"not a batch of CIFAR-10 ({error})") from error
    return images, labels

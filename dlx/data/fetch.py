"""Downloading data sets, the only place where dlx uses the network.

Of torchvision, only the addresses, the digests and the download are used; its data set classes
would unpickle and parse the files. Files are checked against the digests and kept as they come,
mostly gzipped.
"""

import errno
import http.client
import shutil
import socket
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dlx.data.dataset import Dataset
from dlx.errors import DataError, StorageError

NAMES = ("mnist", "fashion_mnist", "kmnist", "qmnist", "emnist", "usps", "cifar10")
TIMEOUT_SECONDS = 60  # without an answer; torchvision alone would wait for ever
UNWRITABLE = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT),
    *(errno.EEXIST, errno.ENOTDIR),  # a file stands where the folder should be
}
FAILURES = (
    OSError,  # includes urllib.error.URLError and timeouts
    http.client.HTTPException,
    RuntimeError,  # torchvision's own, for a wrong digest
    tarfile.TarError,
    zipfile.BadZipFile,
)


@dataclass(frozen=True)
class Download:
    """A file to download: its path under the data directory, its MD5 and its addresses."""

    path: str
    md5: str
    urls: tuple[str, ...]


def fetch(name: str, data_dir: Path) -> Dataset:
    """Download a data set, unless that has been done, and read it."""
    from dlx.data.pipeline import load_dataset  # imports torch, which lists of names do without

    try:
        return load_dataset(name, data_dir)
    except DataError:
        if name not in NAMES:
            raise
    try:
        with _timeout():
            for download in downloads(name):
                _download(download, data_dir)
        _unpack(name, data_dir)
    except FAILURES as error:
        if isinstance(error, OSError) and error.errno in UNWRITABLE:
            raise StorageError(f"{data_dir}: cannot be written ({error.strerror})") from error
        raise DataError(
            f"data set {name!r} could not be downloaded to {data_dir}: {error}; check the network "
            "connection and try again, or copy the files there yourself"
        ) from error
    return load_dataset(name, data_dir)


def downloads(name: str) -> list[Download]:
    """Return the files of a data set, as torchvision publishes them."""
    from torchvision import datasets

    if name == "usps":
        parts = datasets.USPS.split_list.values()
        return [Download(file, md5, (url,)) for url, file, md5 in parts]
    if name == "cifar10":
        cifar = datasets.CIFAR10
        return [Download(cifar.filename, cifar.tgz_md5, (cifar.url,))]
    if name == "emnist":
        return [Download("EMNIST/raw/gzip.zip", datasets.EMNIST.md5, (datasets.EMNIST.url,))]
    if name == "qmnist":
        parts = [*datasets.QMNIST.resources["train"], *datasets.QMNIST.resources["test"]]
        return [Download(f"QMNIST/raw/{Path(url).name}", md5, (url,)) for url, md5 in parts]
    folder = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "kmnist": "KMNIST"}[name]
    family = getattr(datasets, folder)
    return [
        Download(f"{folder}/raw/{file}", md5, tuple(mirror + file for mirror in family.mirrors))
        for file, md5 in family.resources
    ]


def _download(download: Download, data_dir: Path) -> None:
    """Download a file from the first address that has it, unless it exists with the right MD5."""
    from torchvision.datasets.utils import download_url

    path = data_dir / download.path
    for url in download.urls:
        try:
            download_url(url, path.parent, path.name, download.md5)
            return
        except FAILURES as error:
            if url == download.urls[-1] or getattr(error, "errno", None) in UNWRITABLE:
                raise


def _unpack(name: str, data_dir: Path) -> None:
    if name == "cifar10":
        with tarfile.open(data_dir / "cifar-10-python.tar.gz") as batches:
            for member in batches:
                source = batches.extractfile(member)
                if source:
                    _write(source, data_dir / "cifar-10-batches-py" / Path(member.name).name)
    if name == "emnist":
        folder = data_dir / "EMNIST/raw"
        with zipfile.ZipFile(folder / "gzip.zip") as archive:
            for file in archive.namelist():
                if file.endswith("-ubyte.gz"):
                    _write(archive.open(file), folder / Path(file).name)


def _write(source: IO[bytes], path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    with source, path.open("wb") as target:
        shutil.copyfileobj(source, target)


@contextmanager
def _timeout() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)

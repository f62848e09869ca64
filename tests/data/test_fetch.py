import bz2
import hashlib
import io
import subprocess
import sys
import tarfile
import threading
import urllib.error
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torchvision.datasets
from torchvision.datasets import CIFAR10, EMNIST, MNIST, QMNIST, USPS

from dlx.data import fetch
from dlx.data.sources.mnist_family import EMNIST_CLASSES
from dlx.errors import ConfigError, DataError, StorageError
from tests.guarded import IMPORTS


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A web server: its address and the folder that it serves."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    folder = tmp_path / "served"
    folder.mkdir()
    handler = partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", folder
        server.shutdown()
        thread.join()


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def write_family(folder, write_idx, parts, num_classes=10, labels="labels-idx1-ubyte"):
    """Write the four files of a small set and return them."""
    values = np.arange(num_classes, dtype=np.uint8)
    if labels.endswith("int"):
        values = np.repeat(values[:, np.newaxis], 8, axis=1).astype(np.int32)
    return [
        write_idx(folder / f"{part}-{kind}.gz", content)
        for part in parts
        for kind, content in (
            ("images-idx3-ubyte", np.zeros((num_classes, 2, 2), dtype=np.uint8)),
            (labels, values),
        )
    ]


@pytest.mark.parametrize(
    ("name", "family"),
    [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST"), ("kmnist", "KMNIST")],
)
def test_the_mnist_family_is_fetched_from_a_mirror(
    name, family, served, write_idx, monkeypatch, tmp_path
):
    url, folder = served
    files = write_family(folder, write_idx, ("train", "t10k"))
    published = getattr(torchvision.datasets, family)
    monkeypatch.setattr(published, "resources", [(file.name, md5(file)) for file in files])
    monkeypatch.setattr(published, "mirrors", [url + "gone/", url])
    data_dir = tmp_path / "data"
    assert len(fetch.fetch(name, data_dir).inputs) == 20
    assert sorted(path.name for path in (data_dir / family / "raw").iterdir()) == sorted(
        file.name for file in files
    )

    damaged = data_dir / family / "raw" / files[0].name
    damaged.write_bytes(damaged.read_bytes()[:-9])  # as a killed download leaves it
    assert len(fetch.fetch(name, data_dir).inputs) == 20


def test_qmnist(served, write_idx, monkeypatch, tmp_path):
    url, folder = served
    parts = ("qmnist-train", "qmnist-test")
    files = write_family(folder, write_idx, parts, labels="labels-idx2-int")
    published = [(url + file.name, md5(file)) for file in files]
    monkeypatch.setattr(QMNIST, "resources", {"train": published[:2], "test": published[2:]})
    assert len(fetch.fetch("qmnist", tmp_path / "data").inputs) == 20


def test_emnist_is_unpacked(served, write_idx, monkeypatch, tmp_path):
    url, folder = served
    parts = ("emnist-balanced-train", "emnist-balanced-test")
    files = write_family(tmp_path / "gzip", write_idx, parts, len(EMNIST_CLASSES["balanced"]))
    with zipfile.ZipFile(folder / "gzip.zip", "w") as archive:
        for file in files:
            archive.write(file, f"gzip/{file.name}")
    monkeypatch.setattr(EMNIST, "url", url + "gzip.zip")
    monkeypatch.setattr(EMNIST, "md5", md5(folder / "gzip.zip"))
    assert len(fetch.fetch("emnist", tmp_path / "data").inputs) == 94


def test_usps(served, monkeypatch, tmp_path):
    url, folder = served
    line = " ".join(f"{i}:0" for i in range(1, 257))
    published = {}
    for name in ("usps.bz2", "usps.t.bz2"):
        (folder / name).write_bytes(bz2.compress(f"1 {line}\n2 {line}\n".encode()))
        published[name] = [url + name, name, md5(folder / name)]
    monkeypatch.setattr(USPS, "split_list", published)
    assert len(fetch.fetch("usps", tmp_path / "data").inputs) == 4


def test_what_cifar10_brings_is_checked_before_it_is_opened(served, monkeypatch, tmp_path):
    url, folder = served
    path = folder / CIFAR10.filename
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
        member.size = 7
        archive.addfile(member, io.BytesIO(b"garbage"))
    monkeypatch.setattr(CIFAR10, "url", url + path.name)
    monkeypatch.setattr(CIFAR10, "tgz_md5", md5(path))
    with pytest.raises(DataError, match=r"data_batch_1: MD5 is .* so it was not opened"):
        fetch.fetch("cifar10", tmp_path / "data")


def test_a_file_with_another_digest_is_refused(served, write_idx, monkeypatch, tmp_path):
    url, folder = served
    files = write_family(folder, write_idx, ("train", "t10k"))
    monkeypatch.setattr(MNIST, "resources", [(file.name, "0" * 32) for file in files])
    monkeypatch.setattr(MNIST, "mirrors", [url])
    with pytest.raises(DataError, match="File not found or corrupted"):
        fetch.fetch("mnist", tmp_path / "data")


def test_a_set_that_is_there_is_not_fetched(tmp_path, write_idx):
    write_family(tmp_path / "MNIST/raw", write_idx, ("train", "t10k"))
    assert len(fetch.fetch("mnist", tmp_path).inputs) == 20
    assert fetch.fetch("iris", tmp_path).name == "iris"


@pytest.mark.parametrize("name", fetch.NAMES)
def test_a_failed_download_is_a_data_error(name, tmp_path, monkeypatch):
    def no_network(*args, **kwargs):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr("urllib.request.urlopen", no_network)
    with pytest.raises(DataError, match=rf"'{name}' could not be downloaded to .*no network"):
        fetch.fetch(name, tmp_path)


def test_a_folder_that_cannot_be_written_is_a_storage_error(tmp_path):
    (tmp_path / "data").touch()
    with pytest.raises(StorageError, match="data: cannot be written"):
        fetch.fetch("mnist", tmp_path / "data")


def test_unknown_names(tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'mnist'"):
        fetch.fetch("mnits", tmp_path)


@pytest.mark.slow(*IMPORTS)
def test_only_fetching_imports_torchvision():
    code = (
        "import sys; from dlx import registry; registry.names('data')\n"
        "import dlx.data.fetch, dlx.data.describe, dlx.data.inputs, dlx.data.pipeline\n"
        "sys.exit('torchvision' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_names_are_known_without_torch():
    code = (
        "import sys; from dlx import registry\n"
        "assert 'mnist' in registry.names('data'); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

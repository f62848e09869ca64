import bz2
import hashlib
import importlib.util
import io
import pickle
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlx import registry
from dlx.data.dataset import check, to_float
from dlx.data.pipeline import load_dataset, prepare
from dlx.data.sources import cifar10, mnist_family, sklearn_sets
from dlx.errors import DataError
from tests.data.made import BUNDLED, GATES, MADE
from tests.guarded import IMPORTS

DOWNLOADED = ("mnist", "fashion_mnist", "kmnist", "qmnist", "emnist", "usps", "cifar10")


@pytest.mark.parametrize(
    ("name", "outputs"),
    [("and", [0, 0, 0, 1]), ("or", [0, 1, 1, 1]), ("nand", [1, 1, 1, 0]), ("xor", [0, 1, 1, 0])],
)
def test_gates(name, outputs):
    splits = prepare(load_dataset(name, Path()))
    assert splits.shared and splits.task.kind == "binary"
    for part in (splits.train, splits.dev, splits.test):
        assert part is not None
        assert part.inputs.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
        assert part.targets.tolist() == outputs


def test_the_half_adder():
    splits = prepare(load_dataset("half_adder", Path()))
    assert splits.shared and splits.task.kind == "multilabel"
    assert splits.task.classes == ("sum", "carry")
    for (x1, x2), (low, high) in zip(splits.train.inputs, splits.train.targets, strict=True):
        assert x1 + x2 == low + 2 * high


def test_gates_cannot_be_split():
    with pytest.raises(DataError, match="4 rows of xor serve as train, dev and test at once"):
        prepare(load_dataset("xor", Path()), split={"dev": 1})
    prepare(load_dataset("xor", Path()), split={"dev": None, "test": None})


@pytest.mark.parametrize("name", ["digits", "iris", "wine", "breast_cancer", "diabetes"])
def test_bundled_sets_are_scikit_learns_own(name: str) -> None:
    from sklearn import datasets

    bunch: Any = getattr(datasets, f"load_{name}")()
    dataset = load_dataset(name, Path())
    inputs = bunch.images / sklearn_sets.DIGITS_MAXIMUM if name == "digits" else bunch.data
    np.testing.assert_array_equal(dataset.inputs, inputs.astype(np.float32))
    assert dataset.targets.reshape(-1).tolist() == bunch.target.tolist()
    if name != "diabetes":
        assert dataset.classes == tuple(map(str, bunch.target_names))
    if name != "digits":
        assert dataset.features == tuple(bunch.feature_names)


@pytest.mark.slow(*IMPORTS)
def test_bundled_sets_are_read_without_importing_scikit_learn() -> None:
    code = (
        "import sys, pathlib; from dlx.data.pipeline import load_dataset; "
        "load_dataset('digits', pathlib.Path()); assert 'sklearn' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_scikit_learn_without_its_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"iris.csv, which comes with .* install it again"):
        load_dataset("iris", Path())


@pytest.mark.parametrize(
    ("name", "shape", "num_classes"),
    [
        ("digits", (1797, 8, 8), 10),
        ("iris", (150, 4), 3),
        ("wine", (178, 13), 3),
        ("breast_cancer", (569, 30), 2),
    ],
)
def test_scikit_learn_sets(name, shape, num_classes):
    dataset = load_dataset(name, Path())
    check(dataset)
    assert dataset.inputs.shape == shape
    assert dataset.inputs.dtype == np.float32
    assert len(dataset.classes or ()) == num_classes
    assert dataset.features is None or len(dataset.features) == shape[1]
    assert dataset.description


def test_diabetes():
    dataset = load_dataset("diabetes", Path())
    check(dataset)
    assert (dataset.inputs.shape, dataset.targets.shape) == ((442, 10), (442, 1))
    assert dataset.targets[:3, 0].tolist() == [151, 75, 141]
    assert dataset.classes is None and dataset.features and dataset.features[0] == "age"


# The published file's first row and last row, as scikit-learn gives them.
CALIFORNIA_ROWS = (
    "-122.23,37.88,41.0,880.0,129.0,322.0,126.0,8.3252,452600.0\n"
    "-121.24,39.37,16.0,2785.0,616.0,1387.0,530.0,2.3886,89400.0\n"
)


def test_california(tmp_path, monkeypatch):
    path = tmp_path / "cal_housing.tgz"
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo("CaliforniaHousing/cal_housing.data")
        entry.size = len(CALIFORNIA_ROWS)
        archive.addfile(entry, io.BytesIO(CALIFORNIA_ROWS.encode()))
    with pytest.raises(DataError, match=r"SHA-256 is .*, published is aaa5c9a6"):
        load_dataset("california", tmp_path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(sklearn_sets, "CALIFORNIA_SHA256", digest)
    dataset = load_dataset("california", tmp_path)
    check(dataset)
    expected = [8.3252, 41, 6.984127, 1.023810, 322, 2.555556, 37.88, -122.23]
    np.testing.assert_allclose(dataset.inputs[0], expected, rtol=1e-6)
    np.testing.assert_allclose(dataset.targets, [[4.526], [0.894]], rtol=1e-6)


def test_a_missing_california_says_where_it_is(tmp_path):
    with pytest.raises(DataError, match=r"no cal_housing\.tgz in .*; save https://.* there"):
        load_dataset("california", tmp_path)


def test_digits_lie_between_0_and_1():
    inputs = load_dataset("digits", Path()).inputs
    assert (inputs.min(), inputs.max()) == (0, 1)


@pytest.mark.parametrize("name", DOWNLOADED)
def test_a_missing_set_names_the_command_and_the_folder(name, tmp_path):
    with pytest.raises(DataError, match=f"run `dlx data fetch {name}`") as raised:
        load_dataset(name, tmp_path)
    assert str(tmp_path) in str(raised.value)


def test_every_source_is_known():
    assert {*DOWNLOADED, *GATES, *BUNDLED, *MADE, "california"} <= set(registry.names("data"))


# The MNIST family: files of the real names and format, smaller.


def images_and_labels(num_classes, seed, num_rows=60):
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (num_rows, 4, 3), dtype=np.uint8)
    return images, (np.arange(num_rows) % num_classes).astype(np.uint8)


@pytest.fixture
def family(tmp_path, write_idx):
    """Write a training and a test part; returns the images and the labels of both."""

    def write(folder, parts, num_classes, *, first_label=0, suffix=".gz"):
        both = [images_and_labels(num_classes, seed) for seed in range(2)]
        for part, (images, labels) in zip(parts, both, strict=True):
            stem = tmp_path / folder / "raw" / part
            write_idx(stem.with_name(f"{part}-images-idx3-ubyte{suffix}"), images)
            write_idx(stem.with_name(f"{part}-labels-idx1-ubyte{suffix}"), labels + first_label)
        images, labels = (np.concatenate(arrays) for arrays in zip(*both, strict=True))
        return images, labels

    return write


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(
    ("name", "folder"),
    [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST"), ("kmnist", "KMNIST")],
)
def test_mnist_and_its_likes(name, folder, suffix, family, tmp_path):
    images, labels = family(folder, ("train", "t10k"), 10, suffix=suffix)
    dataset = load_dataset(name, tmp_path)
    np.testing.assert_array_equal(dataset.inputs, images)
    np.testing.assert_array_equal(dataset.targets, labels)
    assert (dataset.inputs.dtype, dataset.test_rows) == (np.uint8, 60)
    assert len(dataset.classes or ()) == 10


@pytest.mark.parametrize("subset", mnist_family.EMNIST_CLASSES)
def test_emnist_is_turned_upright(subset, family, tmp_path):
    classes = mnist_family.EMNIST_CLASSES[subset]
    first_label = 1 if subset == "letters" else 0
    parts = (f"emnist-{subset}-train", f"emnist-{subset}-test")
    images, labels = family("EMNIST", parts, len(classes), first_label=first_label)
    dataset = load_dataset("emnist", tmp_path, subset=subset)
    np.testing.assert_array_equal(dataset.inputs, images.transpose(0, 2, 1))
    np.testing.assert_array_equal(dataset.targets, labels)
    assert dataset.inputs.flags.c_contiguous
    assert dataset.classes == classes
    sizes = {"byclass": 62, "letters": 26, "digits": 10, "mnist": 10}
    assert len(classes) == sizes.get(subset, 47)


def test_qmnist_labels_have_eight_columns(tmp_path, write_idx):
    labels = np.arange(480, dtype=np.int32).reshape(60, 8) * 1000
    labels[:, 0] = np.arange(60) % 10
    for part in ("train", "test"):
        stem = tmp_path / "QMNIST/raw" / f"qmnist-{part}"
        write_idx(Path(f"{stem}-images-idx3-ubyte"), images_and_labels(10, 0)[0])
        write_idx(Path(f"{stem}-labels-idx2-int.gz"), labels)
    dataset = load_dataset("qmnist", tmp_path)
    np.testing.assert_array_equal(dataset.targets, np.tile(labels[:, 0], 2))


@pytest.mark.parametrize(
    ("file", "values", "message"),
    [
        ("t10k-labels-idx1-ubyte.gz", np.full(60, 10), "label 10 of row 0 .* range 0 to 9"),
        ("t10k-labels-idx1-ubyte.gz", np.zeros(59), "59 labels for 60 images"),
        ("t10k-labels-idx1-ubyte.gz", np.zeros((60, 2)), r"not labels but uint8 of shape \(60, 2"),
        ("train-images-idx3-ubyte.gz", np.zeros((60, 4)), r"not images but uint8 of shape \(60, 4"),
        ("t10k-images-idx3-ubyte.gz", np.zeros((60, 3, 4)), r"images are 3 × 4, .* 4 × 3"),
    ],
)
def test_files_that_do_not_fit_together(file, values, message, family, tmp_path, write_idx):
    family("MNIST", ("train", "t10k"), 10)
    path = write_idx(tmp_path / "MNIST/raw" / file, values.astype(np.uint8))
    with pytest.raises(DataError, match=message) as raised:
        load_dataset("mnist", tmp_path)
    assert str(path) in str(raised.value)


def test_emnist_letters_have_no_label_0(family, tmp_path):
    family("EMNIST", ("emnist-letters-train", "emnist-letters-test"), 26)
    with pytest.raises(DataError, match=r"label 0 of row 0 .* out of range 1 to 26"):
        load_dataset("emnist", tmp_path, subset="letters")


def test_the_real_mnist(mnist_dir):
    dataset = load_dataset("mnist", mnist_dir)
    assert dataset.inputs.shape == (70000, 28, 28)
    assert dataset.targets[:5].tolist() == [5, 0, 4, 1, 9]
    assert abs(to_float(dataset.inputs[:60000]).mean() - 0.1307) < 1e-4  # as everybody's tutorial


# USPS


def usps_lines(num_rows, seed):
    values = np.random.default_rng(seed).uniform(-1, 1, (num_rows, 256)).round(4)
    labels = np.arange(num_rows) % 10 + 1
    lines = [
        f"{label} " + " ".join(f"{i}:{value:g}" for i, value in enumerate(row, start=1)) + " \n"
        for label, row in zip(labels, values, strict=True)
    ]
    return "".join(lines), values, labels


@pytest.fixture
def usps_dir(tmp_path):
    for seed, name in enumerate(("usps.bz2", "usps.t.bz2")):
        (tmp_path / name).write_bytes(bz2.compress(usps_lines(20, seed)[0].encode()))
    return tmp_path


def test_usps(usps_dir):
    dataset = load_dataset("usps", usps_dir)
    assert (dataset.inputs.shape, dataset.test_rows) == ((40, 16, 16), 20)
    _, values, labels = usps_lines(20, 1)
    np.testing.assert_allclose(dataset.inputs[20:].reshape(20, 256), (values + 1) / 2, atol=1e-6)
    np.testing.assert_array_equal(dataset.targets[20:], labels - 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("1:", "2:", 1), "not numbered 1 to 256"),
        (lambda text: text[: len(text) // 2].rsplit(" ", 1)[0], "do not make rows of 256 pixels"),
        (lambda text: text.replace("1 ", "one ", 1), "not numbers"),
        (lambda text: "0" + text[1:], "a label is not 1 to 10, or a pixel not -1 to 1"),
        (lambda text: re.sub(r"256:\S+", "256:1.5", text, count=1), "or a pixel not -1 to 1"),
        (lambda text: "", "0 numbers do not make rows"),
    ],
)
def test_damaged_usps(usps_dir, change, message):
    path = usps_dir / "usps.t.bz2"
    path.write_bytes(bz2.compress(change(bz2.decompress(path.read_bytes()).decode()).encode()))
    with pytest.raises(DataError, match=message) as raised:
        load_dataset("usps", usps_dir)
    assert str(path) in str(raised.value)
    path.write_bytes(b"BZh91AY")
    with pytest.raises(DataError, match="damaged bz2 data"):
        load_dataset("usps", usps_dir)


# CIFAR-10


class CallsTheSystem:
    def __reduce__(self):
        return (Path.touch, (Path("was_executed"),))


def python_2_pickle(value) -> bytes:
    """Pickle as Python 2 did: bytes are str, and numpy has its old module and integer flags."""

    def save_bytes(pickler, content):
        pickler.write(pickle.BINSTRING + len(content).to_bytes(4, "little") + content)

    def reduce(part):
        if isinstance(part, np.dtype):
            return np.dtype, (b"u1", 0, 1), (3, b"|", None, None, None, -1, -1, 0)
        return NotImplemented

    file = io.BytesIO()
    pickler: Any = pickle._Pickler(file, protocol=2)
    pickler.dispatch = {**pickler.dispatch, bytes: save_bytes}
    pickler.reducer_override = reduce
    pickler.dump(value)
    return file.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


@pytest.fixture
def cifar_dir(tmp_path, monkeypatch):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for seed, name in enumerate(cifar10.DIGESTS):
        write_batch(monkeypatch, folder / name, batch(seed))
    return tmp_path


def batch(seed):
    images = np.random.default_rng(seed).integers(0, 256, (20, 3072), dtype=np.uint8)
    return {"batch_label": "a batch", "labels": [i % 10 for i in range(20)], "data": images}


def write_batch(monkeypatch, path, content):
    path.write_bytes(python_2_pickle(content))
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    monkeypatch.setitem(cifar10.DIGESTS, path.name, md5)


def test_cifar10(cifar_dir):
    dataset = load_dataset("cifar10", cifar_dir)
    assert (dataset.inputs.shape, dataset.test_rows) == ((120, 3, 32, 32), 20)
    np.testing.assert_array_equal(dataset.inputs[-20:].reshape(20, -1), batch(5)["data"])
    assert dataset.targets[:11].tolist() == [*range(10), 0]


def test_a_pickle_with_another_digest_is_not_opened(cifar_dir, monkeypatch):
    monkeypatch.chdir(cifar_dir)
    path = cifar_dir / "cifar-10-batches-py/test_batch"
    path.write_bytes(pickle.dumps(CallsTheSystem()))
    with pytest.raises(DataError, match=r"test_batch: MD5 is .* so it was not opened"):
        load_dataset("cifar10", cifar_dir)
    assert not Path("was_executed").exists()


def test_a_pickle_builds_nothing_but_arrays(cifar_dir, monkeypatch):
    monkeypatch.chdir(cifar_dir)
    path = cifar_dir / "cifar-10-batches-py/test_batch"
    write_batch(monkeypatch, path, {"data": CallsTheSystem()})
    with pytest.raises(DataError, match=r"not a pickle of plain values and arrays \(it holds a"):
        load_dataset("cifar10", cifar_dir)
    assert not Path("was_executed").exists()
    write_batch(monkeypatch, path, {"labels": []})
    with pytest.raises(DataError, match="not a batch of CIFAR-10"):
        load_dataset("cifar10", cifar_dir)


def test_the_digests_are_torchvisions():
    from torchvision.datasets import CIFAR10

    assert dict([*CIFAR10.train_list, *CIFAR10.test_list]) == cifar10.DIGESTS

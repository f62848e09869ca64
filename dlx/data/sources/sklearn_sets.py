"""Small real data sets that come with scikit-learn, and one that it fetches."""

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np

from dlx.data.dataset import Dataset
from dlx.data.files import damaged, read_bytes
from dlx.errors import DataError
from dlx.registry import register

DIGITS_MAXIMUM = 16  # a pixel counts the set bits of a 4 × 4 block
CALIFORNIA_FEATURES = (
    *("MedInc", "HouseAge", "AveRooms", "AveBedrms"),
    *("Population", "AveOccup", "Latitude", "Longitude"),
)
CALIFORNIA_URL = "https://ndownloader.figshare.com/files/5976036"
CALIFORNIA_SHA256 = "aaa5c9a6afe2225cc2aed2723682ae403280c4a3695a2ddda4ffb5d8215ea681"


@register("data")
def digits(data_dir: Path) -> Dataset:
    """Handwritten digits, 1,797 grey images of 8 × 8, ten classes; comes with scikit-learn.

    Reference:
        Alpaydin, Kaynak (1998), Optical recognition of handwritten digits, UCI repository
    """
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    return Dataset(
        name="digits",
        inputs=(bunch.images / DIGITS_MAXIMUM).astype(np.float32),
        targets=bunch.target.astype(np.int64),
        classes=tuple(str(name) for name in bunch.target_names),
    )


@register("data")
def iris(data_dir: Path) -> Dataset:
    """Iris flowers, 150 rows of 4 measurements, three species; comes with scikit-learn.

    Reference:
        Fisher (1936), The use of multiple measurements in taxonomic problems
    """
    from sklearn.datasets import load_iris

    return _table("iris", load_iris())


@register("data")
def wine(data_dir: Path) -> Dataset:
    """Wines, 178 rows of 13 chemical measurements, three growers; comes with scikit-learn.

    Reference:
        Aeberhard, Forina (1991), Wine, UCI repository
    """
    from sklearn.datasets import load_wine

    return _table("wine", load_wine())


@register("data")
def breast_cancer(data_dir: Path) -> Dataset:
    """Breast tumours, 569 rows of 30 measurements, malignant or benign; comes with scikit-learn.

    Reference:
        Street, Wolberg, Mangasarian (1993), Nuclear feature extraction for breast tumor diagnosis
    """
    from sklearn.datasets import load_breast_cancer

    return _table("breast_cancer", load_breast_cancer())


@register("data")
def diabetes(data_dir: Path) -> Dataset:
    """Diabetes, 442 patients of 10 measurements; predicts how far the disease is a year later.

    Reference:
        Efron, Hastie, Johnstone, Tibshirani (2004), Least angle regression
    """
    from sklearn.datasets import load_diabetes

    bunch: Any = load_diabetes()
    return Dataset(
        name="diabetes",
        inputs=bunch.data.astype(np.float32),
        targets=bunch.target.astype(np.float32)[:, np.newaxis],
        classes=None,
        features=tuple(str(name) for name in bunch.feature_names),
    )


@register("data")
def california(data_dir: Path) -> Dataset:
    """House prices of 20,640 Californian districts of 8 features, in 100,000 $; a file to download.

    Reference:
        Pace, Barry (1997), Sparse spatial autoregressions
    """
    # Not what scikit-learn leaves in its own folder: that is a pickle.
    path = data_dir / "cal_housing.tgz"
    if not path.is_file():
        raise DataError(
            f"data set 'california' is missing: no {path.name} in {data_dir}; save "
            f"{CALIFORNIA_URL} there under this name, or name the folder that has it with "
            "--data-dir or DLX_DATA"
        )
    content = read_bytes(path)
    digest = hashlib.sha256(content).hexdigest()
    if digest != CALIFORNIA_SHA256:
        raise damaged(path, f"SHA-256 is {digest}, published is {CALIFORNIA_SHA256}")
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        file = archive.extractfile("CaliforniaHousing/cal_housing.data")
        assert file is not None
        table = np.loadtxt(file, delimiter=",")
    longitude, latitude, age, rooms, bedrooms, people, households, income, price = table.T
    averages = (rooms / households, bedrooms / households)
    columns = (income, age, *averages, people, people / households, latitude, longitude)
    return Dataset(
        name="california",
        inputs=np.column_stack(columns).astype(np.float32),
        targets=(price / 100_000).astype(np.float32)[:, np.newaxis],
        classes=None,
        features=CALIFORNIA_FEATURES,
    )


def _table(name: str, bunch: Any) -> Dataset:
    return Dataset(
        name=name,
        inputs=bunch.data.astype(np.float32),
        targets=bunch.target.astype(np.int64),
        classes=tuple(str(name) for name in bunch.target_names),
        features=tuple(str(name) for name in bunch.feature_names),
    )

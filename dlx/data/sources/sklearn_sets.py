"""Small real data sets that come with scikit-learn, and one that it downloads.

Their files are read without importing scikit-learn: the import takes as long as a short training.
"""

import gzip
import hashlib
import importlib.util
import io
import tarfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlx.data.dataset import Dataset
from dlx.data.source_files import damaged, read_bytes
from dlx.errors import DataError
from dlx.registry import register

IRIS_FEATURES = (
    *("sepal length (cm)", "sepal width (cm)"),
    *("petal length (cm)", "petal width (cm)"),
)
WINE_FEATURES = (
    *("alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium", "total_phenols"),
    *("flavanoids", "nonflavanoid_phenols", "proanthocyanins", "color_intensity", "hue"),
    *("od280/od315_of_diluted_wines", "proline"),
)
BREAST_CANCER_MEASUREMENTS = (
    *("radius", "texture", "perimeter", "area", "smoothness"),
    *("compactness", "concavity", "concave points", "symmetry", "fractal dimension"),
)
BREAST_CANCER_FEATURES = tuple(
    statistic.format(name)
    for statistic in ("mean {}", "{} error", "worst {}")
    for name in BREAST_CANCER_MEASUREMENTS
)
DIABETES_FEATURES = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")
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
    rows = _numbers("digits.csv.gz", ",")
    return Dataset(
        name="digits",
        inputs=(rows[:, :-1].reshape(-1, 8, 8) / DIGITS_MAXIMUM).astype(np.float32),
        targets=rows[:, -1].astype(np.int64),
        classes=tuple("0123456789"),
    )


@register("data")
def iris(data_dir: Path) -> Dataset:
    """Iris flowers, 150 rows of 4 measurements, three species; comes with scikit-learn.

    Reference:
        Fisher (1936), The use of multiple measurements in taxonomic problems
    """
    return _table("iris", "iris.csv", IRIS_FEATURES)


@register("data")
def wine(data_dir: Path) -> Dataset:
    """Wines, 178 rows of 13 chemical measurements, three growers; comes with scikit-learn.

    Reference:
        Aeberhard, Forina (1991), Wine, UCI repository
    """
    return _table("wine", "wine_data.csv", WINE_FEATURES)


@register("data")
def breast_cancer(data_dir: Path) -> Dataset:
    """Breast tumours, 569 rows of 30 measurements, malignant or benign; comes with scikit-learn.

    Reference:
        Street, Wolberg, Mangasarian (1993), Nuclear feature extraction for breast tumor diagnosis
    """
    return _table("breast_cancer", "breast_cancer.csv", BREAST_CANCER_FEATURES)


@register("data")
def diabetes(data_dir: Path) -> Dataset:
    """Diabetes, 442 patients with 10 measurements; predicts the state of the disease a year later.

    Reference:
        Efron, Hastie, Johnstone, Tibshirani (2004), Least angle regression
    """
    columns = _numbers("diabetes_data_raw.csv.gz")
    # As scikit-learn returns them: the mean of a column is 0, the sum of its squares 1.
    centred = columns - columns.mean(0)
    scaled = centred / centred.std(0) / len(columns) ** 0.5
    return Dataset(
        name="diabetes",
        inputs=scaled.astype(np.float32),
        targets=_numbers("diabetes_target.csv.gz").astype(np.float32)[:, np.newaxis],
        classes=None,
        features=DIABETES_FEATURES,
    )


@register("data")
def california(data_dir: Path) -> Dataset:
    """House prices in 20,640 Californian districts, in 100,000 $; 8 features, a file to download.

    Reference:
        Pace, Barry (1997), Sparse spatial autoregressions
    """
    # Not the file that scikit-learn keeps in its own folder, which is a pickle.
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


def _table(name: str, file: str, features: tuple[str, ...]) -> Dataset:
    """Read a table whose last column is the class, under a line of counts and classes' names."""
    content = _content(file)
    _, _, *classes = content.partition("\n")[0].strip().split(",")
    rows = np.loadtxt(io.StringIO(content), delimiter=",", skiprows=1)
    return Dataset(
        name=name,
        inputs=rows[:, :-1].astype(np.float32),
        targets=rows[:, -1].astype(np.int64),
        classes=tuple(classes),
        features=features,
    )


def _numbers(file: str, separator: str | None = None) -> NDArray[np.float64]:
    return np.loadtxt(io.StringIO(_content(file)), delimiter=separator)


def _content(file: str) -> str:
    """Return the text of a file that comes with scikit-learn."""
    package = importlib.util.find_spec("sklearn")
    folders = [] if package is None else package.submodule_search_locations or []
    for folder in folders:
        path = Path(folder, "datasets", "data", file)
        if path.is_file():
            content = path.read_bytes()
            return (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    raise DataError(
        f"{file}, which comes with scikit-learn, is not in its package: install it again, in a "
        "version that dlx knows (pip install --force-reinstall 'scikit-learn>=1.5,<2')"
    )

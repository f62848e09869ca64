"""Small real data sets that come with scikit-learn."""

from pathlib import Path
from typing import Any

import numpy as np

from dlx.data.dataset import Dataset
from dlx.registry import register

DIGITS_MAXIMUM = 16  # a pixel counts the set bits of a 4 × 4 block


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


def _table(name: str, bunch: Any) -> Dataset:
    return Dataset(
        name=name,
        inputs=bunch.data.astype(np.float32),
        targets=bunch.target.astype(np.int64),
        classes=tuple(str(name) for name in bunch.target_names),
        features=tuple(str(name) for name in bunch.feature_names),
    )

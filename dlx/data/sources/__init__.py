"""The data sources, by the names that a config knows them by: one file per family."""

from dlx.data.sources import (
    arrays,
    cifar10,
    gates,
    image_folder,
    makers,
    mnist_family,
    parity,
    python,
    sklearn_sets,
    tables,
    usps,
)

__all__ = [
    "arrays",
    "cifar10",
    "gates",
    "image_folder",
    "makers",
    "mnist_family",
    "parity",
    "python",
    "sklearn_sets",
    "tables",
    "usps",
]

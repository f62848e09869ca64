"""The data sources, by the names that a config knows them by: one file per family."""

from dlx.data.sources import (
    cifar10,
    gates,
    makers,
    mnist_family,
    parity,
    sklearn_sets,
    tables,
    usps,
)

__all__ = [
    "cifar10",
    "gates",
    "makers",
    "mnist_family",
    "parity",
    "sklearn_sets",
    "tables",
    "usps",
]

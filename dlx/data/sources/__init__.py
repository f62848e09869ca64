"""The data sources, by the names that a config knows them by: one file per family."""

from dlx.data.sources import (  # noqa: F401, their import registers the names
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

"""Which rows are train, dev and test."""

# n rows that can be split (a set's own test part cannot)

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dlx.data import randomness
from dlx.data.dataset import Dataset
from dlx.errors import ConfigError, DataError

Split = Literal["auto"] | Mapping[str, int | float | None]

AUTO_SHARE = 0.2  # of dev and of test each: 60/20/20
AUTO_SHARE_LARGE = 0.01  # 98/1/1
LARGE = 1_000_000


@dataclass(frozen=True)
class Rows:
    """The row numbers of each part, ascending; an empty array where there is no such part."""

    train: np.ndarray
    dev: np.ndarray
    test: np.ndarray


def split_rows(dataset: Dataset, *, split: Split = "auto", split_seed: int = 0) -> Rows:
    """Choose the rows of each part at random, a pure function of the labels and `split_seed`.

    Classes (not labels that may hold together) are stratified by largest remainders: each part has
    of each class its share of the rows it is drawn from, to within one row. Test is drawn first, so
    another `dev` leaves the test rows as they were. A set's own test part is the test part.

    Args:
        dataset: the data set.
        split: `auto` (60/20/20; 98/1/1 from a million rows on), or how many rows dev and test
            take: counts, or fractions of the rows that can be split. What is left out is as in
            `auto` (so is None); 0 means no such part.
        split_seed: the seed; no other stream of random numbers uses it.

    Raises:
        ConfigError: a negative count, a fraction above 1, an unknown part.
        DataError: no row is left to train on, or the data set cannot be split so.
    """
    wanted = {} if split == "auto" else {k: v for k, v in split.items() if v is not None}
    if dataset.shared_splits:
        if wanted:
            raise DataError(
                f"data.split: the {len(dataset.targets)} rows of {dataset.name} serve as train, "
                "dev and test at once and cannot be split; leave data.split out"
            )
        rows = np.arange(len(dataset.targets))
        return Rows(rows, rows, rows)
    num_rows = len(dataset.targets) - dataset.test_rows
    num_dev, num_test = _sizes(dataset, wanted, num_rows)
    generator = randomness.generator("split", split_seed)
    stratified = dataset.classes is not None and dataset.targets.ndim == 1
    labels = dataset.targets if stratified else np.zeros(num_rows, dtype=np.int64)
    order = generator.permutation(num_rows)
    test, order = _draw(order, labels, num_test)
    dev, order = _draw(order, labels, num_dev)
    if dataset.test_rows:
        test = np.arange(num_rows, len(dataset.targets))
    return Rows(np.sort(order), dev, test)


def largest_remainder(sizes: np.ndarray, count: int) -> np.ndarray:
    """Share `count` among groups in proportion to their sizes, each rounded down or up.

    The groups with the largest remainders are rounded up (the first ones where they tie).
    """
    shares, remainders = np.divmod(sizes * count, sizes.sum())
    shares[np.argsort(-remainders, kind="stable")[: count - shares.sum()]] += 1
    return shares


def _draw(order: np.ndarray, labels: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Take the first rows of each class in `order`: those drawn (ascending), those left."""
    drawn_from = labels[order]
    sizes = np.bincount(drawn_from)
    by_class = np.argsort(drawn_from, kind="stable")
    place = np.empty_like(order)  # of each row among the rows of its class
    place[by_class] = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    drawn = place < largest_remainder(sizes, count)[drawn_from]
    return np.sort(order[drawn]), order[~drawn]


def _sizes(dataset: Dataset, wanted: dict[str, int | float], num_rows: int) -> tuple[int, int]:
    for part in wanted:
        if part not in ("dev", "test"):
            raise ConfigError(
                f"data.split: {part!r} takes no rows; dev and test do, train has the rest"
            )
    if dataset.test_rows and "test" in wanted:
        raise DataError(
            f"data.split.test: {dataset.name} brings its own test part of {dataset.test_rows} "
            "rows; leave data.split.test out"
        )
    num_dev = _count(dataset, "dev", wanted.get("dev"), num_rows)
    num_test = 0 if dataset.test_rows else _count(dataset, "test", wanted.get("test"), num_rows)
    if num_dev + num_test >= num_rows:
        raise DataError(
            f"data.split: dev takes {num_dev} and test {num_test} of the {num_rows} rows of "
            f"{dataset.name} that can be split: none is left to train on"
        )
    return num_dev, num_test


def _count(dataset: Dataset, part: str, wanted: int | float | None, num_rows: int) -> int:
    if wanted is None:
        share = AUTO_SHARE if num_rows < LARGE else AUTO_SHARE_LARGE
        return int(share * num_rows + 0.5)
    key = f"data.split.{part}"
    if isinstance(wanted, bool) or not isinstance(wanted, int | float):
        raise ConfigError(f"{key}: received {wanted!r}; write a number of rows or a fraction")
    if isinstance(wanted, int):
        if wanted < 0:
            raise ConfigError(f"{key}: received {wanted}; a number of rows is 0 or more")
        return wanted
    if not 0 <= wanted <= 1:
        raise ConfigError(
            f"{key}: received {wanted}; a fraction lies between 0 and 1 (a number of rows is "
            "written without a point)"
        )
    count = int(wanted * num_rows + 0.5)
    if count == 0 and wanted > 0:
        raise DataError(
            f"{key}: {wanted} of the {num_rows} rows of {dataset.name} is less than half a row"
        )
    return count

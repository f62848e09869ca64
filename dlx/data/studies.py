"""Training rows changed for a study: fewer of them, wrong labels, a part set aside.

Each change draws from a stream of its own, seeded by `data.split_seed`: it shifts no other draw,
and dev and test rows stay as they are.
"""

from dataclasses import replace

import numpy as np

from dlx.data import randomness
from dlx.data.dataset import Dataset
from dlx.data.splits import Rows, by_group, count_of, draw, strata_of
from dlx.errors import DataError


def set_aside(dataset: Dataset, rows: Rows, share: int | float, seed: int) -> Rows:
    """Move training rows to the train-dev part, stratified by class; groups of a table stay whole.

    Training rows and train-dev rows come from one distribution. So the error on train-dev shows
    what does not generalize; what is added on dev and test comes from their other distribution.
    `share` is a number of rows, or a fraction of the training rows.

    Reference:
        Ng (2018), Machine learning yearning, chapters 40 to 43
    """
    if share == 0:
        return rows
    _refuse_shared("data.train_dev", dataset)
    count = count_of("data.train_dev", dataset.name, share, len(rows.train))
    if count >= len(rows.train):
        raise DataError(
            f"data.train_dev: takes {count} of the {len(rows.train)} training rows of "
            f"{dataset.name}: none is left to train on; take fewer"
        )
    generator = randomness.generator("train_dev", seed)
    if dataset.table is not None and dataset.table.groups is not None:
        _, groups = np.unique(dataset.table.groups[rows.train], return_inverse=True)
        parts = by_group(dataset.name, groups, 0, count, generator, generator)
        return replace(rows, train=rows.train[parts.train], train_dev=rows.train[parts.test])
    order = generator.permutation(rows.train)
    train_dev, left = draw(order, strata_of(dataset), count)
    return replace(rows, train=np.sort(left), train_dev=train_dev)


def limit(dataset: Dataset, rows: Rows, most: int | None, seed: int, key: str = "limit") -> Rows:
    """Keep a number of training rows, stratified by class; None: all.

    `key` of the config is `limit`, or `labels` for the rows whose labels are used.
    """
    if most is None or most >= len(rows.train):
        return rows
    _refuse_shared(f"data.{key}", dataset)
    strata = strata_of(dataset)
    order = randomness.generator(key, seed).permutation(rows.train)
    kept, _ = draw(order, strata, most)
    lost = np.setdiff1d(strata[rows.train], strata[kept])
    if len(lost) and dataset.classes:
        raise DataError(
            f"data.{key}: {most} training rows leave none of class {dataset.classes[lost[0]]!r}; "
            "raise it"
        )
    return replace(rows, train=kept)


def mislabel(dataset: Dataset, rows: Rows, share: float, seed: int) -> Dataset:
    """Return the data set with the labels of a share of its training rows replaced at random.

    The new class is drawn uniformly from all classes, the right one included. Values to predict,
    and targets of several labels, are exchanged among the rows that are drawn.

    Reference:
        Zhang, Bengio, Hardt, Recht, Vinyals (2017), Understanding deep learning requires
        rethinking generalization
    """
    if share == 0:
        return dataset
    _refuse_shared("data.label_noise", dataset)
    generator = randomness.generator("label_noise", seed)
    drawn = generator.permutation(rows.train)[: int(share * len(rows.train) + 0.5)]
    targets = dataset.targets.copy()
    if dataset.classes is not None and targets.ndim == 1:
        targets[drawn] = generator.integers(len(dataset.classes), size=len(drawn))
    else:
        targets[drawn] = targets[generator.permutation(drawn)]
    return replace(dataset, targets=targets)


def _refuse_shared(key: str, dataset: Dataset) -> None:
    if dataset.shared_splits:
        raise DataError(
            f"{key}: the rows of {dataset.name} are train, dev and test at once, so that none can "
            "be changed for training alone; leave it out, or choose another data set"
        )

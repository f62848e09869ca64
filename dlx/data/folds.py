"""Cross-validation: a row outside test is a dev row in one fold, a training row in the others."""

from dataclasses import replace

import numpy as np

from dlx.data.dataset import Dataset
from dlx.data.splits import Rows, strata_of
from dlx.errors import DataError


def fold(dataset: Dataset, rows: Rows, number: int, of: int, seed: int) -> Rows:
    """Return the rows of one fold, numbered from 1; test rows stay test rows.

    Train and dev rows together are divided, stratified by class; groups of a table stay whole. The
    seed, and so the division, is the same for every fold.
    """
    name, table = dataset.name, dataset.table
    if dataset.shared_splits:
        raise DataError(
            f"data.fold: the {len(dataset.targets)} rows of {name} serve as train, dev and test at "
            "once and cannot be divided; leave it out"
        )
    if dataset.dev_rows:
        raise DataError(f"data.fold: {name} brings its own dev part; leave it out")
    if table is not None and table.times is not None:
        raise DataError(
            "data.fold: with data.time the past predicts the future, but a fold mixes the two; "
            "leave one of them out"
        )
    pool = np.sort(np.concatenate([rows.train, rows.dev]))
    places = _places(dataset, pool, number, of, seed)
    return replace(rows, train=np.delete(pool, places), dev=pool[places])


def _places(dataset: Dataset, pool: np.ndarray, number: int, of: int, seed: int) -> np.ndarray:
    """Return the places in the pool of the rows of a fold, ascending."""
    from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

    strata = strata_of(dataset)[pool]
    groups = None
    if dataset.table is not None and dataset.table.groups is not None:
        groups = dataset.table.groups[pool]
        count, what = len(np.unique(groups)), "groups"
        division = GroupKFold(of)
    else:
        count, what = int(np.unique(strata, return_counts=True)[1].min()), "rows of a class"
        kind = StratifiedKFold if len(np.unique(strata)) > 1 else KFold
        division = kind(of, shuffle=True, random_state=seed)
    if count < of:
        raise DataError(
            f"data.fold: {dataset.name} has {count} {what} to divide into {of} folds; take fewer "
            "folds, or fewer rows for test"
        )
    return list(division.split(pool, strata, groups))[number - 1][1]

"""Which rows are train, stop, dev and test; in a cross-validation, which are a fold's dev rows."""

# n rows that can be split (a set's own test part cannot)

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from dlx.config import rows as config
from dlx.data import randomness
from dlx.data.dataset import Dataset
from dlx.errors import ConfigError, DataError

Split = Literal["auto"] | Mapping[str, int | float | None] | config.Split

AUTO_SHARE = 0.2  # for dev and for test: 60/20/20
LARGE = 1_000_000
AUTO_ROWS_LARGE = 10_000  # for dev and for test, from a million rows on


@dataclass(frozen=True)
class Rows:
    """The row numbers of each part, ascending; an empty array for a part without rows."""

    train: np.ndarray
    dev: np.ndarray
    test: np.ndarray
    train_dev: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    stop: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))


def split_rows(
    dataset: Dataset, *, split: Split = "auto", split_seed: int = 0, test_seed: int | None = None
) -> Rows:
    """Draw the rows of each part at random: a pure function of the labels and the seeds.

    `test_seed` draws the test rows, and `split_seed` the dev rows among the others; None: one seed
    draws both. Classes (but not labels that may hold together) are stratified by largest
    remainders: of each class, a part gets its share to within one row, and where it can be, the
    last row of a class trains. Test rows are drawn first, so that another number of dev rows leaves
    them as they were. A set's own dev or test part stays
    that part. A table with a time column is cut in time; one with a group column is divided into
    whole groups, without strata.

    `split` is how many rows dev and test take: counts, or fractions of the rows that can be split;
    `auto` is 60/20/20, and 10,000 rows each for dev and test from a million rows on; so is a part
    that is not named or None. 0: the part has no rows.
    """
    test_seed = split_seed if test_seed is None else test_seed
    wanted = {} if split == "auto" else {k: v for k, v in dict(split).items() if v is not None}
    for later in ("stop", "judge", "judged"):  # `set_stop_aside` and `set_judge_aside` see to them
        wanted.pop(later, None)
    if dataset.shared_splits:
        if wanted:
            raise DataError(
                f"data.split: the {len(dataset.targets)} rows of {dataset.name} serve as train, "
                "dev and test at once and cannot be split; leave data.split out"
            )
        rows = np.arange(len(dataset.targets))
        return Rows(rows, rows, rows)
    own_test = dataset.first_test_row
    num_rows = own_test - dataset.dev_rows
    num_dev, num_test = _sizes(dataset, wanted, num_rows)
    table = dataset.table
    if table is not None and table.times is not None:
        return _by_time(dataset.name, table.times, num_dev, num_test)
    generators = (randomness.generator("split", seed) for seed in (test_seed, split_seed))
    if table is not None and table.groups is not None:
        return by_group(dataset.name, table.groups, num_dev, num_test, *generators)
    strata = strata_of(dataset)
    for_test, for_dev = (generator.permutation(num_rows) for generator in generators)
    test, _ = draw(for_test, strata, num_test, kept=1)
    is_test = np.zeros(num_rows, dtype=bool)
    is_test[test] = True
    dev, order = draw(for_dev[~is_test[for_dev]], strata, num_dev, kept=1)
    if dataset.dev_rows:
        dev = np.arange(num_rows, own_test)
    if dataset.test_rows:
        test = np.arange(own_test, len(dataset.targets))
    return Rows(np.sort(order), dev, test)


def fold_of(dataset: Dataset, rows: Rows, number: int, of: int, seed: int) -> Rows:
    """Return the rows of one fold, numbered from 1; test rows stay test rows.

    Train and dev rows together are divided, stratified by class; groups of a table stay whole. The
    seed, and so the division, is the same for every fold.
    """
    from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

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
    strata = strata_of(dataset)[pool]
    groups = None if table is None or table.groups is None else table.groups[pool]
    if groups is not None and seed:  # GroupKFold puts groups of equal size where their numbers say
        groups = randomness.generator("fold", seed).permutation(int(groups.max()) + 1)[groups]
    if groups is not None:
        count, what = len(np.unique(groups)), "groups"
        division = GroupKFold(of)
    else:
        count, what = int(np.unique(strata, return_counts=True)[1].min()), "rows of a class"
        kind = StratifiedKFold if len(np.unique(strata)) > 1 else KFold
        division = kind(of, shuffle=True, random_state=seed)
    if count < of:
        raise DataError(
            f"data.fold: {name} has {count} {what} to divide into {of} folds; take fewer folds, or "
            "fewer rows for test"
        )
    places = list(division.split(pool, strata, groups))[number - 1][1]
    return replace(rows, train=np.delete(pool, places), dev=pool[places])


def strata_of(dataset: Dataset) -> np.ndarray:
    """Return what rows are stratified by: (N,) class numbers, or zeros where there are none."""
    if dataset.classes is not None and dataset.targets.ndim == 1:
        return dataset.targets
    return np.zeros(len(dataset.targets), dtype=np.int64)


def _by_time(name: str, times: np.ndarray, num_dev: int, num_test: int) -> Rows:
    """Return the last rows as test, those before as dev; rows of one time are in one part."""
    order = np.argsort(times, kind="stable")
    in_order = times[order]

    def start(count: int, stop: int) -> int:
        """Return where the last `count` of the first `stop` rows begin; no time is cut in two."""
        if count == 0:
            return stop
        return int(np.searchsorted(in_order, in_order[stop - count], side="left"))

    first_test = start(num_test, len(order))
    first_dev = start(num_dev, first_test) if num_dev < first_test else 0
    if first_dev == 0:
        raise DataError(
            f"data.time: {name} has {len(np.unique(times))} different times, too few for every "
            "part to have its own; take fewer rows for dev and test, or leave data.time out"
        )
    return Rows(*(np.sort(part) for part in np.split(order, [first_dev, first_test])))


def by_group(
    name: str,
    groups: np.ndarray,
    num_dev: int,
    num_test: int,
    for_test: np.random.Generator,
    for_dev: np.random.Generator,
) -> Rows:
    """Draw whole groups at random, so that each part comes as near as possible to its size.

    Groups are numbered from 0.
    """
    sizes = np.bincount(groups)

    def first(order: np.ndarray, count: int) -> np.ndarray:
        """Return the groups at the start of `order` that have about so many rows."""
        if count == 0 or len(order) == 0:
            return order[:0]
        rows = np.cumsum(sizes[order])
        return order[: 1 + int(np.abs(rows - count).argmin())]

    test = first(for_test.permutation(len(sizes)), num_test)
    others = for_dev.permutation(len(sizes))
    others = others[~np.isin(others, test)]
    dev = first(others, num_dev)
    if len(dev) == len(others):
        raise DataError(
            f"data.group: {name} has {len(sizes)} groups, too few for every part to have its own; "
            "take fewer rows for dev and test, or leave data.group out"
        )
    part = np.full(len(sizes), 2)
    part[test], part[dev] = 0, 1
    return Rows(*(np.flatnonzero(part[groups] == number) for number in (2, 1, 0)))


def set_judge_aside(
    dataset: Dataset, rows: Rows, share: int | float, test_seed: int, split_seed: int
) -> tuple[Rows, np.ndarray]:
    """Take rows out of train and dev that are to judge what a search chooses; return both.

    Of all rows that are not test they are drawn like test rows: stratified by class, whole groups,
    or the last ones in time; where a set brings its own dev part, of that part. They depend on the
    seed of the test rows alone, so that all runs of a search leave the same ones out. Dev rows are
    drawn anew of the others, as many for their number as before. `share` is a number of rows, or a
    fraction of those they are drawn from. Where the rows serve as train, dev and test at once, they
    judge too.
    """
    if dataset.shared_splits:
        return rows, rows.dev
    pool = rows.dev if dataset.dev_rows else np.sort(np.concatenate([rows.train, rows.dev]))
    count = count_of("data.split.judge", dataset.name, share, len(pool))
    if not 0 < count < len(pool):
        raise DataError(
            f"data.split.judge: takes {count} of the {len(pool)} rows of {dataset.name} that are "
            "not test; name fewer, and at least one"
        )
    strata, table = strata_of(dataset), dataset.table
    for_judge = randomness.generator("judge", test_seed)
    for_dev = randomness.generator("dev", split_seed)
    num_dev = round(len(rows.dev) * (len(pool) - count) / len(pool))
    if table is not None and table.times is not None:
        kept, judge = _last_in_time(table.times, pool, count)
        num_dev = min(num_dev, len(kept))
        train, dev = _last_in_time(table.times, kept, num_dev) if num_dev else (kept, kept[:0])
    elif table is not None and table.groups is not None:
        _, groups = np.unique(table.groups[pool], return_inverse=True)
        judge = pool[by_group(dataset.name, groups, 0, count, for_judge, for_judge).test]
        kept = np.setdiff1d(pool, judge)
        _, groups = np.unique(table.groups[kept], return_inverse=True)
        parts = by_group(dataset.name, groups, num_dev, 0, for_dev, for_dev)
        train, dev = kept[parts.train], kept[parts.dev]
    else:
        judge, left = draw(for_judge.permutation(pool), strata, count, kept=1)
        dev, order = draw(for_dev.permutation(np.sort(left)), strata, num_dev, kept=1)
        train = np.sort(order)
    if dataset.dev_rows:
        train, dev = rows.train, np.setdiff1d(rows.dev, judge)
    if not len(train) or (len(rows.dev) and not len(dev)):
        raise DataError(
            f"data.split.judge: the {len(judge)} rows leave {len(train)} to train on and "
            f"{len(dev)} dev rows of {dataset.name}; name fewer, or give data.split more dev rows"
        )
    return replace(rows, train=train, dev=dev), np.sort(judge)


def _last_in_time(times: np.ndarray, rows: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows in two parts, the last `count` in time apart; no time is cut in two."""
    in_order = rows[np.argsort(times[rows], kind="stable")]
    first = int(np.searchsorted(times[in_order], times[in_order[-count]], side="left"))
    return np.sort(in_order[:first]), np.sort(in_order[first:])


def set_stop_aside(
    dataset: Dataset, rows: Rows, share: int | float, seed: int, *, folded: bool
) -> Rows:
    """Move dev rows to the stop part, which early stopping, schedules and tuning watch.

    What is chosen by rows looks better on them than on others, so that dev rows judge only what
    was chosen by stop rows. They are drawn like dev rows: stratified by class, whole groups, or the
    first ones in time. `share` is a number of rows, or a fraction of the dev rows. Of a fold the
    dev rows stay whole, so that the folds cover all rows: as many training rows are taken.

    Reference:
        Varma and Simon (2006), Bias in error estimation when using cross-validation for model
        selection
    """
    if dataset.shared_splits:
        return replace(rows, stop=rows.dev)
    count = count_of("data.split.stop", dataset.name, share, len(rows.dev))
    source = rows.train if folded else rows.dev
    if not 0 < count < len(source):
        raise DataError(
            f"data.split.stop: takes {count} of the {len(source)} "
            f"{'training' if folded else 'dev'} rows of {dataset.name}; both parts need a row: "
            "give data.split more dev rows, or watch train.cost"
        )
    generator, table = randomness.generator("stop", seed), dataset.table
    if table is not None and table.times is not None:
        in_order = source[np.argsort(table.times[source], kind="stable")]
        stop, left = in_order[:count], in_order[count:]
    elif table is not None and table.groups is not None:
        names, groups = np.unique(table.groups[source], return_inverse=True)
        if len(names) < 2:
            raise DataError(
                f"data.group: the {len(source)} {'training' if folded else 'dev'} rows of "
                f"{dataset.name} are all of one group, and stop rows need a group of their own: "
                "give data.split more dev rows, or watch train.cost"
            )
        parts = by_group(dataset.name, groups, 0, count, generator, generator)
        stop, left = source[parts.test], source[parts.train]
    else:
        stop, left = draw(generator.permutation(source), strata_of(dataset), count)
    left = {"train" if folded else "dev": np.sort(left)}
    return replace(rows, stop=np.sort(stop), **left)


def largest_remainder(sizes: np.ndarray, count: int) -> np.ndarray:
    """Return how many of `count` rows each group gets, in proportion to its size.

    Shares are rounded up for the largest remainders, down for the others; ties go to the first.
    """
    shares, remainders = np.divmod(sizes * count, sizes.sum())
    shares[np.argsort(-remainders, kind="stable")[: count - shares.sum()]] += 1
    return shares


def draw(
    order: np.ndarray, strata: np.ndarray, count: int, *, kept: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the first rows of each stratum in `order`; return these, ascending, and the rest.

    Each stratum keeps so many rows if there are others to draw in their place.
    """
    drawn_from = strata[order]
    sizes = np.bincount(drawn_from)
    by_class = np.argsort(drawn_from, kind="stable")
    place = np.empty_like(order)  # of each row among the rows of its class
    place[by_class] = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    shares = largest_remainder(sizes, count)
    most = np.maximum(sizes - kept, 0)
    if (shares > most).any() and count <= most.sum():
        shares = np.minimum(shares, most)
        shares += largest_remainder(most - shares, count - shares.sum())
    drawn = place < shares[drawn_from]
    return np.sort(order[drawn]), order[~drawn]


def _sizes(dataset: Dataset, wanted: dict[str, int | float], num_rows: int) -> tuple[int, int]:
    for part in wanted:
        if part not in ("dev", "test"):
            raise ConfigError(
                f"data.split: {part!r} takes no rows; dev and test do, train has the rest"
            )
    own = {"dev": dataset.dev_rows, "test": dataset.test_rows}
    for part, count in own.items():
        if count and part in wanted:
            raise DataError(
                f"data.split.{part}: {dataset.name} brings its own {part} part of {count} rows; "
                f"leave data.split.{part} out"
            )
    num_dev, num_test = (
        0 if count else count_of(f"data.split.{part}", dataset.name, wanted.get(part), num_rows)
        for part, count in own.items()
    )
    if num_dev + num_test >= num_rows:
        raise DataError(
            f"data.split: dev takes {num_dev} and test {num_test} of the {num_rows} rows of "
            f"{dataset.name} that can be split: none is left to train on; take fewer"
        )
    return num_dev, num_test


def count_of(key: str, name: str, wanted: int | float | None, num_rows: int) -> int:
    """Return the number of rows that an option asks for: a count, a fraction, or None for auto."""
    if wanted is None:
        return AUTO_ROWS_LARGE if num_rows >= LARGE else int(AUTO_SHARE * num_rows + 0.5)
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
        raise DataError(f"{key}: {wanted} of the {num_rows} rows of {name} is less than half a row")
    return count

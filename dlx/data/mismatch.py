"""Dev and test rows from other sources than the training rows: mismatched distributions."""

from dataclasses import replace

import numpy as np

from dlx.data import randomness
from dlx.data.dataset import Dataset, to_float
from dlx.data.splits import draw, strata_of
from dlx.errors import DataError


def hold_out(
    dataset: Dataset, dev: Dataset | None, test: Dataset | None, *, same: bool, seed: int
) -> Dataset:
    """Return a data set whose dev part, test part or both are rows of other data sets.

    Test rows are the other set's own test part or, if it has none, all its rows; dev rows are
    all rows outside its own test part. If dev and test come from the `same` set, which has no test
    part of its own, each takes half of its rows, stratified by class. A test part of `dataset` is
    left out if `test` replaces it.
    """
    own = dataset.first_test_row
    parts: dict[str, tuple[Dataset, np.ndarray]] = {}
    if dev is not None:
        parts["dev"] = (dev, np.arange(dev.first_test_row))
    if test is not None:
        first = test.first_test_row if test.test_rows else 0
        parts["test"] = (test, np.arange(first, len(test.targets)))
    if same and dev is not None and not dev.test_rows:
        order = randomness.generator("hold_out", seed).permutation(len(dev.targets))
        half, rest = draw(order, strata_of(dev), len(dev.targets) // 2)
        parts = {"dev": (dev, np.sort(rest)), "test": (dev, half)}
    if test is None and dataset.test_rows:
        parts["test"] = (dataset, np.arange(own, len(dataset.targets)))
    held_out = [_fitting(f"data.{part}_from", dataset, *rows) for part, rows in parts.items()]
    inputs = [dataset.inputs[:own], *(x for x, _ in held_out)]
    if len({x.dtype for x in inputs}) > 1:  # pixels beside numbers
        inputs = [to_float(x).reshape(x.shape) for x in inputs]
    names = [(source or dataset).name for source in (dev, test)]
    if names[0] == names[1]:
        names[1] += " with other options"
    mismatch = (
        f"dev and test come from different sources, {names[0]} and {names[1]}: what is chosen on "
        "dev may not be what is best on test"
    )
    return replace(
        dataset,
        inputs=np.concatenate(inputs),
        targets=np.concatenate([dataset.targets[:own], *(t for _, t in held_out)]),
        dev_rows=len(parts["dev"][1]) if "dev" in parts else 0,
        test_rows=len(parts["test"][1]) if "test" in parts else 0,
        mismatch="" if same else mismatch,
        warnings=_together(dataset.warnings, dev and dev.warnings, test and test.warnings),
        notes=_together(dataset.notes, dev and dev.notes, test and test.notes),
    )


def _together(*sentences: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the sentences of several sets, one that is said twice once."""
    return tuple(dict.fromkeys(s for some in sentences for s in some or ()))


def _fitting(
    key: str, dataset: Dataset, other: Dataset, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and targets of some rows of another set, in the form of the first one's."""
    sets = (dataset, other)
    for source in sets:
        if source.shared_splits:
            raise DataError(
                f"{key}: the rows of {source.name} are train, dev and test at once; choose another "
                "data set"
            )
        if source.table is not None:
            raise DataError(
                f"{key}: {source.name} is a table; name a file for each part with data.path: "
                "{train: …, dev: …, test: …}"
            )
    shapes = [source.inputs.shape[1:] for source in sets]
    if shapes[0] != shapes[1]:
        raise DataError(
            f"{key}: the rows of {other.name} have shape {shapes[1]}, those of {dataset.name} "
            f"{shapes[0]}; choose a source whose rows have the same shape"
        )
    if dataset.features and other.features and dataset.features != other.features:
        pairs = zip(dataset.features, other.features, strict=True)
        first, second = next(pair for pair in pairs if pair[0] != pair[1])
        raise DataError(
            f"{key}: {other.name} has the feature {second!r} where {dataset.name} has {first!r}; "
            "choose a source with the same features in the same order"
        )
    return other.inputs[rows], _targets(key, dataset, other, other.targets[rows])


def _targets(key: str, dataset: Dataset, other: Dataset, targets: np.ndarray) -> np.ndarray:
    if dataset.classes is None or other.classes is None or targets.ndim == 2:
        if dataset.classes != other.classes or dataset.targets.shape[1:] != targets.shape[1:]:
            raise DataError(
                f"{key}: the targets of {other.name} differ in kind or number from those of "
                f"{dataset.name}; choose a source with the same task"
            )
        return targets
    numbers = {name: number for number, name in enumerate(dataset.classes)}
    unknown = [name for name in other.classes if name not in numbers]
    if unknown:
        raise DataError(
            f"{key}: {other.name} has class {unknown[0]!r}, which {dataset.name} lacks (it has "
            f"{', '.join(dataset.classes[:20])}); choose a source with the same classes"
        )
    return np.array([numbers[name] for name in other.classes], dtype=np.int64)[targets]

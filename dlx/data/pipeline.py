"""From a data choice to the tensors that a network trains on."""

# N rows, I inputs, T targets

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dlx.config.types import Choice, choice
from dlx.data import functions, studies
from dlx.data.dataset import Dataset, Task, check, class_counts, task_of, to_float
from dlx.data.mismatch import hold_out
from dlx.data.parts import Part, Splits
from dlx.data.preprocessing import Preprocessing, fit
from dlx.data.splits import Rows, Split, fold_of, split_rows
from dlx.data.tables import encoder as encoders
from dlx.data.tables.encoder import Encoder
from dlx.errors import ConfigError, DataError

# The options of all sources that prepare their rows before training.
_PREPARING = (
    *("split", "split_seed", "fold", "train_dev", "limit", "labels", "label_noise"),
    *("standardize", "scale"),
)


REPEATED = 0.01
"""The share of a part's rows from which on it is said that they are training rows too."""


def load(choice: Choice, data_dir: Path) -> Splits:
    """Read the data set that a config names, split it and preprocess it."""
    preparing = {key: getattr(choice, key) for key in _PREPARING}
    preparing["fold"] = choice.fold and (choice.fold.number, choice.fold.of)
    return prepare(load_chosen(choice, data_dir), **preparing)


def load_chosen(choice: Choice, data_dir: Path) -> Dataset:
    """Read the data set that a config names, with dev and test rows of other sets, unsplit."""
    dataset = _read(choice, data_dir)
    if choice.dev_from is None and choice.test_from is None:
        return dataset
    sources = (choice.dev_from, choice.test_from)
    dev, test = (source and _read(source, data_dir) for source in sources)
    same = choice.dev_from == choice.test_from
    return hold_out(dataset, dev, test, same=same, seed=choice.split_seed)


def require_code(choice: Choice) -> None:
    """Check that the functions that a config names for its data exist and may be executed."""
    for source in (choice, choice.dev_from, choice.test_from):
        if source is not None and source.traits.runs_code:
            functions.find(source.function)


def _read(source: Choice, data_dir: Path) -> Dataset:
    dataset = source(data_dir)
    return replace(dataset, description=dataset.description or source.entry.summary)


def load_dataset(name: str, data_dir: Path, **options: Any) -> Dataset:
    """Read a data set by name; split nothing."""
    return load_chosen(choice("data", name, **options), data_dir)


def prepare(
    dataset: Dataset,
    *,
    split: Split = "auto",
    split_seed: int = 0,
    fold: tuple[int, int] | None = None,
    train_dev: int | float = 0,
    limit: int | None = None,
    labels: int | None = None,
    label_noise: float = 0.0,
    standardize: bool = False,
    scale: bool | float = False,
) -> Splits:
    """Check, split and preprocess a data set; the arguments are those of the functions in its body.

    `fold` is number and count of a cross-validation's folds; `labels` the number of training rows
    whose labels are used, None: all are.
    """
    if standardize and scale:
        raise ConfigError("data.standardize and data.scale exclude each other; choose one")
    check(dataset)
    rows = split_rows(dataset, split=split, split_seed=split_seed)
    if fold is not None:
        rows = fold_of(dataset, rows, *fold, split_seed)
    rows = studies.set_aside(dataset, rows, train_dev, split_seed)
    rows = studies.limit(dataset, rows, limit, split_seed)
    labelled = studies.limit(dataset, rows, labels, split_seed, "labels")
    dataset = studies.mislabel(dataset, labelled, label_noise, split_seed)
    return assemble(dataset, rows, labelled, standardize=standardize, scale=scale)


def assemble(
    dataset: Dataset,
    rows: Rows,
    labelled: Rows | None = None,
    /,
    *,
    standardize: bool,
    scale: bool | float,
) -> Splits:
    """Make the tensors of each part; the preprocessing sees the training rows alone.

    `labelled` is the same split without the training rows whose labels are withheld; None: no label
    is withheld.
    """
    labelled = labelled or rows
    warnings = [*dataset.warnings, *_check_classes(dataset, labelled)]
    if dataset.mismatch and len(rows.dev) and len(rows.test):
        warnings.insert(0, dataset.mismatch)
    encoder = dataset.table and encoders.fit(
        dataset.inputs[rows.train], dataset.table, source=dataset.name
    )
    train = _inputs(dataset, rows.train, encoder)
    preprocessing = fit(train, standardize=standardize, scale=scale)
    task = _task(dataset, labelled.train, encoder)
    task, targets = _standardized_targets(dataset, task, labelled.train)
    if encoder is not None:
        warnings += _unseen_categories(dataset, rows, encoder)
    if not dataset.shared_splits:
        warnings += _repeated(dataset, rows)

    def held_out(members: np.ndarray) -> Part | None:
        if len(members) == 0:
            return None
        return _part(_inputs(dataset, members, encoder), targets, members, preprocessing)

    everything = _part(train, targets, rows.train, preprocessing)
    all_labelled = len(labelled.train) == len(rows.train)
    return Splits(
        name=dataset.name,
        task=task,
        features=encoder.features if encoder else dataset.features,
        train=everything if all_labelled else _some(everything, labelled.train),
        train_dev=held_out(rows.train_dev),
        dev=held_out(rows.dev),
        test=held_out(rows.test),
        encoder=encoder,
        preprocessing=preprocessing,
        shared=dataset.shared_splits,
        fingerprint=fingerprint(dataset, rows),
        row_digests=_row_digests(dataset, rows),
        warnings=tuple(warnings),
        notes=dataset.notes,
        everything=None if all_labelled else everything,
    )


def fingerprint(dataset: Dataset, rows: Rows) -> str:
    """Return the SHA-256 of inputs, targets and the row numbers of each part, in hexadecimal."""
    digest = hashlib.sha256()
    if _are_standardized(dataset) and dataset.table is None:  # they were not before
        digest.update(b"standardized targets")
    arrays = [dataset.inputs, dataset.targets, rows.train, rows.dev, rows.test]
    if len(rows.train_dev):
        arrays.append(rows.train_dev)
    for array in arrays:
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        digest.update(f"{little.dtype.str}{little.shape}".encode())
        digest.update(little.data)
    return digest.hexdigest()


def _repeated(dataset: Dataset, rows: Rows) -> list[str]:
    """Say of which parts many rows are training rows too, value for value."""
    inputs = np.ascontiguousarray(dataset.inputs)

    def values(members: np.ndarray) -> list[int]:
        pairs = zip(inputs[members], dataset.targets[members], strict=True)
        return [hash(row.tobytes() + target.tobytes()) for row, target in pairs]

    seen = set(values(rows.train))
    warnings = []
    for part in ("train_dev", "dev", "test"):
        own = values(getattr(rows, part))
        count = sum(value in seen for value in own)
        if count and count >= REPEATED * len(own):
            warnings.append(
                f"{count} of {len(own)} {part} rows of {dataset.name} are training rows too, value "
                "for value: where rows were copied, these show what was remembered, not what was "
                "learned"
            )
    return warnings


def _row_digests(dataset: Dataset, rows: Rows) -> dict[str, str]:
    """Return what is equal where a part has the same rows, though others may have been left out."""
    names = np.arange(len(dataset.targets)) if dataset.table is None else dataset.table.rows
    return {
        part: hashlib.sha256(names[members].astype("<i8").tobytes()).hexdigest()[:16]
        for part, members in vars(rows).items()
    }


def _inputs(dataset: Dataset, rows: np.ndarray, encoder: Encoder | None) -> np.ndarray:
    """Return the inputs (N, I) float32 of some rows, before the preprocessing: a copy."""
    if encoder is None or dataset.table is None:
        return to_float(dataset.inputs[rows])
    return encoder(dataset.inputs[rows], dataset.table.columns)


def _part(
    inputs: np.ndarray, targets: np.ndarray, rows: np.ndarray, preprocessing: Preprocessing
) -> Part:
    # In place, since the array is a copy already; that of MNIST is 150 MB.
    x = torch.from_numpy(inputs)
    if preprocessing.shift is not None and preprocessing.scale is not None:
        x.sub_(preprocessing.shift).div_(preprocessing.scale)
    return Part(x, torch.from_numpy(targets[rows]), rows)


def _some(part: Part, members: np.ndarray) -> Part:
    """Return the rows of a part that have the given numbers, which are ascending."""
    places = torch.from_numpy(np.searchsorted(part.rows, members))
    return Part(part.inputs[places], part.targets[places], members)


def _task(dataset: Dataset, train: np.ndarray, encoder: Encoder | None) -> Task:
    """Return the task, with the counts that class weights are computed from."""
    task = task_of(dataset)
    if encoder is not None:
        num_inputs = len(encoder.features)
        task = replace(task, num_inputs=num_inputs, input_shape=(num_inputs,))
    if dataset.classes is None:
        return task
    counts = class_counts(dataset, train).tolist()
    return replace(task, num_train=len(train), class_counts=tuple(counts))


def _are_standardized(dataset: Dataset) -> bool:
    return dataset.classes is None and dataset.standardize_targets


def _standardized_targets(
    dataset: Dataset, task: Task, train: np.ndarray
) -> tuple[Task, np.ndarray]:
    """Return the task and the targets to train on: (t - mean) / std of the training rows."""
    if not _are_standardized(dataset):
        return task, dataset.targets
    values = dataset.targets.astype(np.float64)
    shift, scale = values[train].mean(axis=0), values[train].std(axis=0)
    constant = np.flatnonzero(np.ptp(values[train], axis=0) == 0)
    if len(constant):
        names = dataset.table.targets if dataset.table else tuple(map(str, range(len(scale))))
        raise DataError(
            f"{dataset.name}: target {names[constant[0]]!r} is {shift[constant[0]]:g} in every "
            "training row: there is nothing to learn; take fewer rows for dev and test, or name "
            "another target"
        )
    task = replace(task, target_shift=tuple(shift.tolist()), target_scale=tuple(scale.tolist()))
    return task, task.standardized(values)


def _unseen_categories(dataset: Dataset, rows: Rows, encoder: Encoder) -> list[str]:
    assert dataset.table is not None
    return [
        f"{part}: {sentence}"
        for part in ("train_dev", "dev", "test")
        for sentence in encoder.unseen(dataset.inputs[getattr(rows, part)], dataset.table.columns)
    ]


def _check_classes(dataset: Dataset, rows: Rows) -> tuple[str, ...]:
    if dataset.classes is None:
        return ()
    absent = {
        part: _listed(dataset.classes, class_counts(dataset, members) == 0)
        for part, members in (("train", rows.train), ("dev", rows.dev), ("test", rows.test))
        if len(members)
    }
    if absent["train"]:
        raise DataError(
            f"data set {dataset.name!r}: no training row has class {absent['train']}; "
            "take fewer rows for dev and test, or leave the class out"
        )
    if dataset.targets.ndim == 2:
        held = class_counts(dataset, rows.train) == len(rows.train)
        if held.any():
            raise DataError(
                f"data set {dataset.name!r}: every training row has label "
                f"{_listed(dataset.classes, held)}: there is nothing to learn; leave the label out"
            )
    return tuple(
        f"no {part} row of {dataset.name!r} has class {classes}"
        for part, classes in absent.items()
        if classes
    )


def _listed(classes: tuple[str, ...], chosen: np.ndarray) -> str:
    names = [repr(classes[label]) for label in np.flatnonzero(chosen)]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")

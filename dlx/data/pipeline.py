"""From a data choice to the tensors that a network trains on."""

# N rows, I inputs, T targets

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dlx.config.schema import RunConfig
from dlx.config.types import Choice, choice
from dlx.data import functions, studies
from dlx.data.dataset import Dataset, Task, check, class_counts, task_of, to_float
from dlx.data.mismatch import hold_out
from dlx.data.parts import Part, Splits
from dlx.data.preprocessing import division, fit
from dlx.data.selection import Change, Selection
from dlx.data.splits import Rows, Split, fold_of, set_judge_aside, set_stop_aside, split_rows
from dlx.data.statistics import feature_statistics
from dlx.data.tables import encoder as encoders
from dlx.data.tables.cells import text_of
from dlx.data.tables.encoder import Encoder
from dlx.errors import ConfigError, DataError, MemoryLimitError

# The options of all sources that prepare their rows before training.
_PREPARING = (
    *("split", "split_seed", "test_seed", "fold", "train_dev", "limit", "labels", "label_noise"),
    *("standardize", "scale"),
)
# Those, and what is done to rows in training: no source depends on them.
_NOT_OF_SOURCES = (*_PREPARING, "augment", "bagging")

STOP_SHARE = 0.5
"""The share of dev rows that become stop rows where something watches these."""

REPEATED = 0.01
"""The share of a part's rows from which on it is said that they are training rows too."""


def load(choice: Choice, data_dir: Path, seed: int = 0, *, watches_stop: bool = False) -> Splits:
    """Read the data set that a choice names, split it and preprocess it.

    `seed` is the run's; `watches_stop` says that something in its training watches stop rows.
    """
    return Pool(load_chosen(choice, data_dir)).split(choice, seed, watches_stop=watches_stop)


def load_of(config: RunConfig, data_dir: Path) -> Splits:
    """Read, split and preprocess the data of a run's config."""
    return Pool(load_chosen(config.data, data_dir)).split_for(config)


def load_chosen(choice: Choice, data_dir: Path) -> Dataset:
    """Read the data set that a config names, with dev and test rows of other sets, unsplit."""
    dataset = _read(choice, data_dir)
    if choice.dev_from is None and choice.test_from is None:
        return dataset
    sources = (choice.dev_from, choice.test_from)
    dev, test = (source and _read(source, data_dir) for source in sources)
    same = choice.dev_from == choice.test_from
    return hold_out(dataset, dev, test, same=same, seed=_test_seed(choice))


def source_of(choice: Choice) -> str:
    """Return what is equal for choices of one data set, however it is split."""
    plain = {key: type(choice).model_fields[key].default for key in _NOT_OF_SOURCES}
    seed = None if choice.dev_from is None else _test_seed(choice)
    return f"{seed} {choice.model_copy(update=plain)!r}"


def _test_seed(choice: Choice) -> int:
    """Return the seed that draws test rows where a choice says it without a run's seed."""
    if choice.test_seed is not None:
        return choice.test_seed
    return choice.split_seed if isinstance(choice.split_seed, int) else 0


def require_code(choice: Choice) -> None:
    """Check that the functions that a config names for its data exist and may be executed."""
    for source in (choice, choice.dev_from, choice.test_from):
        if source is not None and source.traits.runs_code:
            functions.find(source.function)


def _read(source: Choice, data_dir: Path) -> Dataset:
    try:
        dataset = source(data_dir)
    except MemoryError as error:
        raise MemoryLimitError(
            f"data: {source.name} does not fit into memory ({error or 'no memory is left'}); take "
            "fewer rows or columns"
        ) from error
    return replace(dataset, description=dataset.description or source.entry.summary)


def load_dataset(name: str, data_dir: Path, **options: Any) -> Dataset:
    """Read a data set by name; split nothing."""
    return load_chosen(choice("data", name, **options), data_dir)


def prepare(dataset: Dataset, **options: Any) -> Splits:
    """Check, split and preprocess a data set; see `Pool.splits`."""
    return Pool(dataset).splits(**options)


class Pool:
    """A data set of which splits are made: they share one copy of its rows.

    Args:
        dataset: the rows, as a source read them
        device: where they lie
    """

    def __init__(self, dataset: Dataset, device: torch.device | str = "cpu") -> None:
        check(dataset)
        self.dataset = dataset
        self._device = torch.device(device)
        self._bases: dict[Any, torch.Tensor] = {}

    def split(self, choice: Choice, seed: int, *, watches_stop: bool = False) -> Splits:
        """Return the splits that a config's data section asks for in a run of a seed."""
        options = {key: getattr(choice, key) for key in _PREPARING}
        options["fold"] = choice.fold and (choice.fold.number, choice.fold.of)
        options["split_seed"] = seed if choice.split_seed == "auto" else choice.split_seed
        wanted = None if choice.split == "auto" else choice.split.stop
        options["stop"] = (STOP_SHARE if watches_stop else 0) if wanted is None else wanted
        if choice.split != "auto" and choice.split.judge:
            options["judge"], options["judged"] = choice.split.judge, choice.split.judged
        return self.splits(**options)

    def split_for(self, config: RunConfig) -> Splits:
        """Return the splits of a run's config."""
        return self.split(config.data, config.seed, watches_stop=config.watches_stop)

    def splits(
        self,
        *,
        split: Split = "auto",
        split_seed: int = 0,
        test_seed: int | None = None,
        fold: tuple[int, int] | None = None,
        stop: int | float = 0,
        judge: int | float = 0,
        judged: bool = False,
        train_dev: int | float = 0,
        limit: int | None = None,
        labels: int | None = None,
        label_noise: float = 0.0,
        standardize: bool = False,
        scale: bool | float = False,
    ) -> Splits:
        """Split and preprocess; the arguments are those of the functions in its body.

        `fold` is number and count of a cross-validation's folds; `labels` the number of training
        rows whose labels are used, None: all are.
        """
        if standardize and scale:
            raise ConfigError("data.standardize and data.scale exclude each other; choose one")
        dataset = self.dataset
        rows = split_rows(dataset, split=split, split_seed=split_seed, test_seed=test_seed)
        judges = None
        if judge:
            seed = split_seed if test_seed is None else test_seed
            rows, judges = set_judge_aside(dataset, rows, judge, seed, split_seed)
        if fold is not None:
            rows = fold_of(dataset, rows, *fold, split_seed)
        if stop and len(rows.dev):
            rows = set_stop_aside(dataset, rows, stop, split_seed, folded=fold is not None)
        if judges is not None and judged:
            rows = replace(rows, dev=judges)
        rows = studies.set_aside(dataset, rows, train_dev, split_seed)
        rows = studies.limit(dataset, rows, limit, split_seed)
        labelled = studies.limit(dataset, rows, labels, split_seed, "labels")
        targets = studies.mislabel(dataset, labelled, label_noise, split_seed).targets
        return self.assemble(rows, labelled, targets, standardize=standardize, scale=scale)

    def assemble(
        self,
        rows: Rows,
        labelled: Rows | None = None,
        targets: np.ndarray | None = None,
        *,
        standardize: bool,
        scale: bool | float,
    ) -> Splits:
        """Make the parts; what is fitted sees the training rows alone.

        `labelled` is the same split without the training rows whose labels are withheld; None: no
        label is. `targets` are those of the data set, some of which may be wrong on purpose.
        """
        labelled = rows if labelled is None else labelled
        targets = self.dataset.targets if targets is None else targets
        dataset = replace(self.dataset, targets=targets)
        warnings = [*dataset.warnings, *_check_classes(dataset, labelled)]
        if dataset.mismatch and len(rows.dev) and len(rows.test):
            warnings.insert(0, dataset.mismatch)
        train = dataset.inputs[rows.train]
        encoder = dataset.table and encoders.fit(train, dataset.table, source=dataset.name)
        divisor = None if isinstance(scale, bool) else scale
        base = self._base(encoder, divisor)
        if standardize or scale is True:
            inputs = dataset.inputs if encoder is None else base.cpu().numpy()
            fill = encoder.fill if encoder is not None and encoder.imputes else None
            preprocessing = fit(inputs, rows.train, fill, standardize=standardize)
            change = Change(None, preprocessing.shift, preprocessing.scale)
        else:
            preprocessing = division(base.shape[1], divisor)
            change = Change() if base.dtype == torch.float64 else None
        if encoder is not None and encoder.imputes:
            fill = encoder.fill / (divisor or 1.0)
            change = replace(change or Change(), fill=torch.from_numpy(fill))
        change = change and change.to(self._device)
        task = _task(dataset, labelled.train, encoder)
        task, learned = _standardized_targets(dataset, task, labelled.train)
        if encoder is not None:
            warnings += _unseen_categories(dataset, rows, encoder)
            warnings += encoders.merged_numbers(encoder, train, preprocessing)
        copied = {} if dataset.shared_splits else self._copied(rows)
        warnings += self._copied_in_words(copied, rows)

        def part(members: np.ndarray) -> Part | None:
            if len(members) == 0:
                return None
            numbers = None
            if len(members) < len(base):
                numbers = torch.from_numpy(members).unsqueeze(0).to(self._device)
            own = torch.from_numpy(learned[members]).to(self._device)
            return Part(Selection(base, numbers, None, change), own, members)

        everything, with_labels = part(rows.train), part(labelled.train)
        assert everything is not None and with_labels is not None
        all_labelled = len(labelled.train) == len(rows.train)
        return Splits(
            name=dataset.name,
            task=task,
            features=encoder.features if encoder else dataset.features,
            train=with_labels,
            train_dev=part(rows.train_dev),
            stop=part(rows.stop),
            dev=part(rows.dev),
            test=part(rows.test),
            encoder=encoder,
            preprocessing=preprocessing.to(self._device),
            shared=dataset.shared_splits,
            fingerprint=self._fingerprint(targets, rows),
            data_digest=self._inputs_and_targets.hexdigest(),
            row_digests=_row_digests(dataset, rows),
            copied=copied,
            warnings=tuple(warnings),
            notes=dataset.notes,
            everything=None if all_labelled else everything,
        )

    def _base(self, encoder: Encoder | None, divisor: float | None) -> torch.Tensor:
        """Return all rows before what is fitted is done to them, NaN where values are missing.

        Encoders of the same inputs share them. What divides all inputs has been done.
        """
        key = (encoder and encoder.features, divisor)
        if key not in self._bases:
            inputs = to_float(self.dataset.inputs)
            if encoder is not None and self.dataset.table is not None:
                inputs = encoder(self.dataset.inputs, self.dataset.table.columns, filled=False)
            if divisor is not None:
                inputs = (inputs / np.float64(divisor)).astype(inputs.dtype)
            writable = np.require(inputs, requirements=["C", "W"])
            self._bases[key] = torch.from_numpy(writable).to(self._device)
        return self._bases[key]

    @cached_property
    def _inputs_and_targets(self) -> Any:
        """The SHA-256 of inputs and targets, which goes on with row numbers."""
        return self._digest_of(self.dataset.targets)

    def _digest_of(self, targets: np.ndarray) -> Any:
        digest = hashlib.sha256()
        if _are_standardized(self.dataset) and self.dataset.table is None:  # they were not before
            digest.update(b"standardized targets")
        return _digest(digest, [self.dataset.inputs, targets])

    def _fingerprint(self, targets: np.ndarray, rows: Rows) -> str:
        """Return the SHA-256 of inputs, targets and the row numbers of each part."""
        digest = self._inputs_and_targets.copy()
        if targets is not self.dataset.targets:
            digest = self._digest_of(targets)
        more = [part for part in (rows.train_dev, rows.stop) if len(part)]
        return _digest(digest, [rows.train, rows.dev, rows.test, *more]).hexdigest()

    @cached_property
    def _copies(self) -> np.ndarray:
        """A number for each row, the same for rows that are equal value for value: (N,)."""
        inputs = np.ascontiguousarray(self.dataset.inputs)
        pairs = zip(inputs, self.dataset.targets, strict=True)
        hashes = [hash(row.tobytes() + target.tobytes()) for row, target in pairs]
        return np.unique(np.array(hashes), return_inverse=True)[1]

    def _copied(self, rows: Rows) -> dict[str, int]:
        """Return by part how many of its rows are training rows too, value for value."""
        is_seen = np.zeros(len(self._copies), dtype=bool)
        is_seen[self._copies[rows.train]] = True
        parts = ("train_dev", "stop", "dev", "test")
        return {part: int(is_seen[self._copies[getattr(rows, part)]].sum()) for part in parts}

    def _copied_in_words(self, copied: Mapping[str, int], rows: Rows) -> list[str]:
        sizes = {part: len(getattr(rows, part)) for part in copied}
        counts = [
            f"{count} of {sizes[part]} {part} rows"
            for part, count in copied.items()
            if count and count >= REPEATED * sizes[part]
        ]
        if not counts:
            return []
        return [
            f"{', '.join(counts)} of {self.dataset.name} are training rows too, value for value: "
            "where rows were copied, these show what was remembered, not what was learned"
        ]


def _digest(digest: Any, arrays: Sequence[np.ndarray]) -> Any:
    """Return a hash that went on with arrays, whatever the machine's order of bytes."""
    for array in arrays:
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        digest.update(f"{little.dtype.str}{little.shape}".encode())
        digest.update(little.data)
    return digest


def _row_digests(dataset: Dataset, rows: Rows) -> dict[str, str]:
    """Return what is equal where a part has the same rows, though others may have been left out."""
    names = np.arange(len(dataset.targets)) if dataset.table is None else dataset.table.rows
    return {
        part: hashlib.sha256(names[members].astype("<i8").tobytes()).hexdigest()[:16]
        for part, members in vars(rows).items()
    }


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
        is_regression = dataset.classes is None
        return task, dataset.targets.astype(np.float32) if is_regression else dataset.targets
    values = dataset.targets.astype(np.float64)
    fitted = feature_statistics(values, train)
    shift, scale = fitted.mean, fitted.std
    constant = np.flatnonzero(np.ptp(values[train], axis=0) == 0)
    if len(constant):
        names = dataset.table.targets if dataset.table else tuple(map(str, range(len(scale))))
        raise DataError(
            f"{dataset.name}: target {names[constant[0]]!r} is {text_of(shift[constant[0]])} in "
            "every training row: there is nothing to learn; take fewer rows for dev and test, or "
            "name another target"
        )
    task = replace(task, target_shift=tuple(shift.tolist()), target_scale=tuple(scale.tolist()))
    return task, task.standardized(values)


def _unseen_categories(dataset: Dataset, rows: Rows, encoder: Encoder) -> list[str]:
    assert dataset.table is not None
    return [
        f"{part}: {sentence}"
        for part in ("train_dev", "stop", "dev", "test")
        for sentence in encoder.unseen(dataset.inputs[getattr(rows, part)], dataset.table.columns)
    ]


def _check_classes(dataset: Dataset, rows: Rows) -> tuple[str, ...]:
    if dataset.classes is None:
        return ()
    absent = {
        part: _listed(dataset.classes, class_counts(dataset, members) == 0)
        for part, members in vars(rows).items()
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
        f"all {part} rows of {dataset.name!r} have one class, so that accuracy there is only how "
        "often it is predicted; give the part rows of every class"
        if _is_constant(dataset.targets[getattr(rows, part)])
        else f"no {part} row of {dataset.name!r} has class {classes}"
        for part, classes in absent.items()
        if classes
    )


def _is_constant(targets: np.ndarray) -> bool:
    return targets.ndim == 1 and bool((targets == targets[0]).all())


def _listed(classes: tuple[str, ...], chosen: np.ndarray) -> str:
    names = [repr(classes[label]) for label in np.flatnonzero(chosen)]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")

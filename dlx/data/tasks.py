"""What the targets of a user's data are: classes, labels that may hold together, or numbers.

# N rows, T targets
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from dlx.data.tables.cells import category, is_plain_number, text_of
from dlx.errors import DataError

TaskName = Literal["auto", "classification", "multilabel", "regression"]
MOST_CLASSES = 20  # so many different whole numbers are classes
# Words of consent that stand before their opposite in the order of letters.
_YES = frozenset(("+", "o", "ja", "da", "evet", "abnormal"))
FEWEST_ROWS = 10  # of each of more classes, whose numbers are 0, 1, 2, … without a gap


@dataclass(frozen=True)
class Targets:
    """Targets as a data set holds them, and what was decided about them."""

    # (N,) int64 class numbers, (N, T) int64 labels of 0 and 1, or (N, T) values to predict
    values: np.ndarray
    classes: tuple[str, ...] | None  # names of classes or labels; None: values
    notes: tuple[str, ...] = ()  # what was decided against appearances, and what says otherwise


def decide(
    what: str, targets: np.ndarray, task: TaskName = "auto", columns: tuple[str, ...] = ()
) -> Targets:
    """Return targets (N,) or (N, T) of words, booleans or numbers as classes, labels or numbers.

    With `auto`, words and booleans are classes, and so are numbers of two different values. Whole
    numbers are classes if there are at most 20, or if they are 0, 1, 2, … or 1, 2, 3, … without a
    gap and each is in ten rows; provided that there are twice as many rows. Columns of 0 and 1 are
    classes if each row has a single 1, and labels otherwise. All else are numbers to predict.

    Args:
        what: what holds them, for messages
        targets: no value is missing
        task: what the config says
        columns: the T columns' names, if they have any

    Raises:
        DataError: they cannot be what the task says
    """
    if targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    are_words = targets.dtype.kind in "UO"
    if are_words and task == "regression":
        raise DataError(f"{what} are words, and data.task says regression")
    if targets.ndim > 2 or (targets.ndim == 2 and are_words):
        raise DataError(f"{what}: shape {targets.shape} instead of (N,) or (N, T) numbers")
    if task == "regression":
        return Targets(targets.reshape(len(targets), -1), None)
    if targets.ndim == 2:
        return _of_columns(what, targets, task, columns)
    if task == "multilabel":
        raise DataError(
            f"{what}: data.task says multilabel, which takes several columns of 0 and 1; give a "
            "column for each label"
        )
    if are_words or targets.dtype.kind == "b" or task == "classification":
        return _classes(what, targets)
    return _of_numbers(what, targets)


def _of_numbers(what: str, targets: np.ndarray) -> Targets:
    """Decide about numbers (N,)."""
    values, counts = np.unique(targets, return_counts=True)
    number, are_repeated = len(values), 2 * len(values) <= len(targets)
    are_whole = bool(np.isfinite(values).all() and (values == np.floor(values)).all())
    has_no_gap = are_whole and values[0] in (0, 1) and values[-1] - values[0] == number - 1
    are_numbered = has_no_gap and counts.min() >= FEWEST_ROWS
    kind = "whole numbers" if are_whole else "numbers"
    first, last = text_of(values[0]), text_of(values[-1])
    shown = f"{number:,} different {kind} from {first} to {last}"
    are_few = number <= MOST_CLASSES
    is_class = number == 2 or (are_whole and (are_few or are_numbered))
    if is_class and are_repeated:
        if number == 2:
            shown = f"two numbers, {first} and {last},"
        note = f"{what}: {shown} are taken as classes; data.task: regression predicts a number"
        made = _classes(what, targets)
        return Targets(made.values, made.classes, (note,))
    note = (
        f"{what}: {shown} are predicted as numbers (regression); data.task: classification makes "
        "them classes"
    )
    is_odd = are_repeated and (are_whole or are_few)
    return Targets(targets.reshape(-1, 1), None, (note,) if is_odd else ())


def _of_columns(
    what: str, targets: np.ndarray, task: TaskName, columns: tuple[str, ...]
) -> Targets:
    """Decide about several columns of numbers (N, T)."""
    number = targets.shape[1]
    names = columns or tuple(str(place) for place in range(number))
    wrong = np.argwhere((targets != 0) & (targets != 1))
    ones = (targets == 1).sum(1)
    if len(wrong) and task != "auto":
        row, column = wrong[0]
        raise DataError(
            f"{what}: data.task says {task}, which takes columns of 0 and 1, but row {row} (the "
            f"first is 0) has {targets[row, column]} in column {names[column]!r}; for several "
            "numbers to predict say data.task: regression, for classes give one column"
        )
    if len(wrong):
        return Targets(targets, None)
    if task == "classification" and (ones != 1).any():
        row = int((ones != 1).argmax())
        raise DataError(
            f"{what}: data.task says classification, but row {row} (the first is 0) has "
            f"{ones[row]} ones in {number} columns; give a column of class numbers, or say "
            "data.task: multilabel for labels that may hold together"
        )
    if task == "multilabel" or (ones != 1).any():
        note = (
            f"{what}: {number} columns of 0 and 1 are taken as labels that may hold together "
            "(multilabel); data.task: regression predicts numbers"
        )
        return Targets(targets.astype(np.int64), names, (note,) if task == "auto" else ())
    note = (
        f"{what}: {number} columns with a single 1 in every row are taken as {number} classes "
        "(classification); data.task: multilabel keeps labels, regression predicts numbers"
    )
    refuse_too_many(what, number, len(targets))
    return Targets(targets.argmax(1), names, (note,) if task == "auto" else ())


def _classes(what: str, targets: np.ndarray) -> Targets:
    """Return words, booleans or numbers (N,) as classes; equal numbers are one class."""
    if targets.dtype.kind == "f" and not np.isfinite(targets).all():
        row = int((~np.isfinite(targets)).argmax())
        raise DataError(
            f"{what}: row {row} (the first is 0) is {targets[row]}, which is no class; correct it "
            "or drop the row"
        )
    labels, numbers = np.unique(targets, return_inverse=True)
    if targets.dtype.kind in "UO":
        labels, places = _in_one_spelling(what, list(map(str, labels)), numbers)
        numbers = places[numbers]
    refuse_too_many(what, len(labels), len(targets))
    return Targets(numbers.astype(np.int64), tuple(class_name(label) for label in labels.tolist()))


def _in_one_spelling(
    what: str, words: list[str], numbers: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes that words mean, by the rules of tables, and the place of each word's."""
    is_numeric = all(is_plain_number(word.strip()) for word in words)
    names = [category(word, is_numeric=is_numeric) for word in words]
    if "" in names:
        row = int((numbers == names.index("")).argmax())
        raise DataError(
            f"{what}: row {row} (the first is 0) is blank, which is no class; complete it, or "
            "leave the row out"
        )
    return np.unique(names, return_inverse=True)


def refuse_too_many(what: str, number: int, rows: int) -> None:
    """Refuse classes of which there is more than one for two rows."""
    if 2 * number > max(rows, 4):
        raise DataError(
            f"{what}: {number:,} different values in {rows:,} rows are no classes; name another "
            "target, or for numbers to predict say data.task: regression"
        )


def is_yes(word: str, other: str) -> bool:
    """Say whether of two words the first means yes; `paid` does beside `unpaid`.

    Where nothing speaks for either, the later one in the order of letters does: `yes`, `true`.
    """
    word, other = word.lower(), other.lower()
    if (word in _YES) != (other in _YES):
        return word in _YES
    if word.endswith(other) or other.endswith(word):
        return len(word) < len(other)
    return word > other


def class_name(label: object) -> str:
    """Return the name of a class that is a word, a boolean or a number; 1.0 is called 1."""
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)

"""What targets are taken for."""

import numpy as np
import pytest

from dlx.data.tasks import decide
from dlx.errors import DataError

RANDOM = np.random.default_rng(0)
AGES = RANDOM.integers(18, 77, 400)
CLASSES_100 = np.repeat(np.arange(100), 12)
ONE_HOT = np.eye(3, dtype=int)[RANDOM.integers(0, 3, 40)]
LABELS = RANDOM.integers(0, 2, (40, 3))
AS_CLASSES = "are taken as classes; data.task: regression predicts a number"
AS_NUMBERS = "are predicted as numbers (regression); data.task: classification makes them classes"


def note(targets: np.ndarray) -> str:
    return "; ".join(decide("t", targets).notes)


@pytest.mark.parametrize("dtype", [int, float, np.uint8, np.float32])
@pytest.mark.parametrize(
    ("targets", "classes", "said"),
    [
        ([0, 1] * 10, ("0", "1"), f"t: two numbers, 0 and 1, {AS_CLASSES}"),
        ([1, 2] * 10, ("1", "2"), f"t: two numbers, 1 and 2, {AS_CLASSES}"),
        ([3, 7, 5] * 4, ("3", "5", "7"), f"t: 3 different whole numbers from 3 to 7 {AS_CLASSES}"),
        (
            [*range(10)] * 2,
            tuple("0123456789"),
            f"t: 10 different whole numbers from 0 to 9 {AS_CLASSES}",
        ),
        (
            CLASSES_100,
            tuple(map(str, range(100))),
            f"t: 100 different whole numbers from 0 to 99 {AS_CLASSES}",
        ),
        (
            CLASSES_100 + 1,
            tuple(map(str, range(1, 101))),
            f"t: 100 different whole numbers from 1 to 100 {AS_CLASSES}",
        ),
        (AGES, None, f"t: {len(set(AGES))} different whole numbers from 18 to 76 {AS_NUMBERS}"),
        (
            np.repeat(np.arange(100), 9),
            None,
            f"t: 100 different whole numbers from 0 to 99 {AS_NUMBERS}",
        ),
        (np.arange(40), None, ""),
    ],
)
def test_whole_numbers_of_any_type(targets, classes, said, dtype) -> None:
    targets = np.array(targets).astype(dtype)
    decided = decide("t", targets)
    assert (decided.classes, note(targets)) == (classes, said)
    if classes is None:
        np.testing.assert_array_equal(decided.values[:, 0], targets)
    else:
        np.testing.assert_array_equal(np.array(classes, int)[decided.values], targets)
        assert decided.values.dtype == np.int64
    for task in ("regression", "classification"):
        if task == "regression" or 2 * len(set(targets.tolist())) <= len(targets):
            named = decide("t", targets, task)
            assert named.notes == () and (named.classes is None) == (task == "regression")


@pytest.mark.parametrize(
    ("targets", "classes", "said"),
    [
        (RANDOM.normal(size=40), None, ""),
        ([0.5, 1.5] * 10, ("0.5", "1.5"), f"t: two numbers, 0.5 and 1.5, {AS_CLASSES}"),
        ([0.5, 1, 2.5] * 9, None, f"t: 3 different numbers from 0.5 to 2.5 {AS_NUMBERS}"),
        (np.array(["no", "yes"] * 3), ("no", "yes"), ""),
        (np.array([True, False] * 3), ("False", "True"), ""),
    ],
)
def test_other_values(targets, classes, said) -> None:
    assert decide("t", np.array(targets)).classes == classes
    assert note(np.array(targets)) == said


def test_fractions_are_classes_where_the_config_says_so() -> None:
    decided = decide("t", np.array([0.5, 1.0, 2.5] * 3), "classification")
    assert decided.classes == ("0.5", "1", "2.5") and decided.values.tolist() == [0, 1, 2] * 3


@pytest.mark.parametrize("dtype", [int, float, bool])
def test_a_single_1_in_every_row_is_a_class(dtype) -> None:
    targets = ONE_HOT.astype(dtype)
    decided = decide("t", targets)
    assert decided.classes == ("0", "1", "2")
    np.testing.assert_array_equal(decided.values, ONE_HOT.argmax(1))
    assert note(targets) == (
        "t: 3 columns with a single 1 in every row are taken as 3 classes (classification); "
        "data.task: multilabel keeps labels, regression predicts numbers"
    )
    labels = decide("t", targets, "multilabel", ("a", "b", "c"))
    assert (labels.classes, labels.notes) == (("a", "b", "c"), ())
    np.testing.assert_array_equal(labels.values, ONE_HOT)
    assert decide("t", targets, "regression").values.shape == (40, 3)
    assert decide("t", targets, "classification").notes == ()


def test_columns_of_0_and_1_are_labels() -> None:
    decided = decide("t", LABELS / 1)
    assert decided.classes == ("0", "1", "2") and decided.values.dtype == np.int64
    np.testing.assert_array_equal(decided.values, LABELS)
    assert note(LABELS) == (
        "t: 3 columns of 0 and 1 are taken as labels that may hold together (multilabel); "
        "data.task: regression predicts numbers"
    )
    assert decide("t", LABELS + 0.5).classes is None and note(LABELS + 0.5) == ""


@pytest.mark.parametrize(
    ("targets", "task", "message"),
    [
        (np.array(["a", "b"]), "regression", "t are words, and data.task says regression"),
        (np.arange(20), "classification", "t: 20 different values in 20 rows are no classes; name"),
        (
            np.eye(20),
            "auto",
            "t: 20 different values in 20 rows are no classes; name another target",
        ),
        (np.zeros((4, 2, 2)), "auto", r"t: shape \(4, 2, 2\) instead of \(N,\) or \(N, T\) numb"),
        (np.array([["a", "b"]] * 9), "auto", r"t: shape \(9, 2\) instead of \(N,\) or \(N, T\)"),
        (np.array([0, 1] * 9), "multilabel", "multilabel, which takes several columns of 0 and 1"),
        (LABELS, "classification", r"row \d+ \(the first is 0\) has \d ones in 3 columns; give a"),
        (LABELS * 2, "multilabel", r"but row \d+ \(the first is 0\) has 2 in column '\d'; for"),
        (LABELS * 2, "classification", "classification, which takes columns of 0 and 1, but row"),
        (np.array([1, np.nan] * 9), "classification", r"t: row 1 \(the first is 0\) is nan, which"),
    ],
)
def test_targets_that_are_not_what_the_config_says(targets, task, message) -> None:
    with pytest.raises(DataError, match=message):
        decide("t", targets, task)


def test_words_are_classes_by_the_rules_of_tables() -> None:
    made = decide("the targets", np.array(["a ", "b", "a"]))
    assert made.classes == ("a", "b") and made.values.tolist() == [0, 1, 0]
    assert decide("the targets", np.array(["1", "1.0", "2", "1"])).classes == ("1", "2")
    with pytest.raises(DataError, match=r"row 1 \(the first is 0\) is blank"):
        decide("the targets", np.array(["a", " ", "b"]))

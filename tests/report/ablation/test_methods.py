import pytest

from dlx.report.ablation.methods import listed, method
from tests.report.ablation.conftest import Synthetic


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("paired t", "Paired_difference_test"),
        ("two one-sided paired t", "Equivalence_test"),
        ("paired t, corrected for folds", "10.1023"),
        ("t interval, corrected for folds", "Confidence_interval"),
        ("two one-sided Newcombe intervals of paired shares", "Equivalence_test"),
    ],
)
def test_a_method_is_known_by_its_name(name: str, page: str) -> None:
    known = method(name)
    assert known is not None and page in known.page


def test_every_method_of_a_summary_is_known(two: Synthetic) -> None:
    for _, name, known in listed(two[0]["tests"]):
        assert known is not None, name


def test_an_unknown_method_is_listed_by_name_alone() -> None:
    assert listed({"difference_at_end": "a coin"}) == [("difference at end", "a coin", None)]

import re

import pytest

from dlx.report.ablation.methods import method
from dlx.report.ablation.page_sections import statistics
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
    described = method(name)
    assert described is not None and page in described.page


def test_every_method_of_a_summary_is_known(two: Synthetic) -> None:
    for name in two[0]["tests"].values():
        assert method(name) is not None, name


def test_an_unknown_method_is_listed_by_name_alone(two: Synthetic) -> None:
    page = statistics(two[0] | {"tests": {"difference_at_end": "a coin"}})
    assert "<li><b>difference at end</b>: a coin.</li>" in page


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("dev.accuracy", "Verdicts use dev rows; test rows decide nothing. They are about other s"),
        ("train.cost", "Verdicts use train rows; .* other seeds, and say nothing of other rows"),
    ],
)
def test_the_rows_that_judge_are_named(metric: str, said: str, two: Synthetic) -> None:
    assert re.search(said, statistics(two[0] | {"metric": metric, "also": {}}))

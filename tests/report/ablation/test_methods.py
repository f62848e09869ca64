import pytest

from dlx.report.ablation.methods import listed, method


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("paired t", "Paired_difference_test"),
        ("two one-sided paired t", "Equivalence_test"),
        ("corrected resampled t (Nadeau and Bengio)", "10.1023"),
        ("Holm", "Bonferroni"),
        ("Fisher's exact", "Fisher"),
        ("exact McNemar", "McNemar"),
        ("Wilcoxon signed-rank", "Wilcoxon"),
    ],
)
def test_a_method_is_known_by_its_name(name: str, page: str) -> None:
    found = method(name)
    assert found is not None and page in found.page


def test_an_unknown_method_is_listed_by_name_alone() -> None:
    assert listed({"difference_at_end": "a coin"}) == [("difference at end", "a coin", None)]

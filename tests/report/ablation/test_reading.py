import pytest

from dlx.report.ablation import reading


@pytest.mark.parametrize(
    ("metric", "number", "text"),
    [
        ("dev.accuracy", 0.0123, "+1.23"),
        ("dev.accuracy", -0.0123, "−1.23"),
        ("dev.accuracy", -0.00001, "0.00"),
        ("dev.cost", -0.01234, "−0.0123"),
        ("dev.cost", 0.0, "0"),
        ("success", 0.5, "+50.00"),
        ("dev.cost", None, "–"),
    ],
)
def test_a_difference_has_a_sign_and_shares_are_in_points(
    metric: str, number: float | None, text: str
) -> None:
    assert reading.difference(metric, number) == text


@pytest.mark.parametrize(
    ("p", "text"), [(0.0004, "< 0.001"), (0.0123, "0.012"), (1.0, "1.000"), (None, "–")]
)
def test_a_small_p_is_a_bound(p: float | None, text: str) -> None:
    assert reading.p_value(p) == text


@pytest.mark.parametrize(
    ("metric", "label"),
    [
        ("dev.accuracy", "dev accuracy (%)"),
        ("train.cost", "train cost"),
        ("dev.balanced_accuracy", "dev balanced accuracy (%)"),
        ("success", "share of successful runs (%)"),
    ],
)
def test_an_axis_names_the_metric_and_its_unit(metric: str, label: str) -> None:
    assert reading.axis_label(metric) == label


def test_the_success_rate_is_read_like_a_mean() -> None:
    variant = {"success": {"rate": 0.5, "low": 0.2, "high": 0.8, "count": 2, "n": 4}}
    mean = reading.interval_of(variant, "success")
    assert (mean["mean"], mean["low"], mean["high"], mean["n"]) == (0.5, 0.2, 0.8, 4)
    assert reading.interval_of({"success": None}, "success") == {}


def test_numbers_of_runs_are_ranges_where_they_are_neighbours():
    assert reading.run_numbers({"numbers": [8, 6, 7, 21]}) == "#6–#8, #21"

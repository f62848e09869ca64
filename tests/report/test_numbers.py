import math

import pytest

from dlx.report.numbers import format_metric


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("accuracy", 0.98765, "98.77 %"),
        ("top_5", 1.0, "100.00 %"),
        ("success", 0.5, "50.00 %"),
        ("cost", 0.0123456, "0.01235"),
        ("r2", math.nan, "–"),
        ("accuracy", None, "–"),
    ],
)
def test_shares_are_in_percent_and_what_is_missing_is_a_dash(
    name: str, value: float | None, shown: str
) -> None:
    assert format_metric(name, value) == shown

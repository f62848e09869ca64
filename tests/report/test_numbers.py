import math

import pytest

from dlx import registry
from dlx.config.types import choice
from dlx.nn.metrics import WORTH, tag
from dlx.report.numbers import format_metric, is_share


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


def test_the_names_of_shares_are_those_of_the_registry() -> None:
    metrics = [choice("metric", name) for name in registry.names("metric")]
    for metric in metrics:
        assert is_share(tag(metric)) == (metric.traits.scale == "share"), metric.name
    assert all(map(is_share, WORTH))

import math

import pytest
from torch import Tensor

from dlx import registry
from dlx.config.types import choice
from dlx.nn.counts import RIGHT, Rows
from dlx.nn.metrics import LABELS, PROBED, tag
from dlx.registry import register
from dlx.report.numbers import format_metric, is_share


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("accuracy", 0.98765, "98.77 %"),
        ("top_5", 1.0, "100.00 %"),
        ("success", 0.5, "50.00 %"),
        ("cost", 0.0123456, "0.01235"),
        ("mape", 8.34567, "8.346 %"),
        ("r2", math.nan, "–"),
        ("accuracy", None, "–"),
    ],
)
def test_shares_are_in_percent_and_what_is_missing_is_a_dash(
    name: str, value: float | None, shown: str
) -> None:
    assert format_metric(name, value) == shown


def test_the_registry_says_what_is_a_share() -> None:
    metrics = [choice("metric", name) for name in registry.names("metric")]
    shares = [tag(metric) for metric in metrics if is_share(tag(metric))]
    assert shares == ["accuracy", "error", "top_5", "balanced_accuracy", "precision", "recall"]
    assert all(map(is_share, PROBED))


@pytest.mark.usefixtures("forgotten")
def test_a_share_of_a_plug_ins_is_shown_in_percent_too() -> None:
    register("metric", RIGHT, LABELS, rising=True, scale="share")(half_right)
    assert format_metric("half_right", 0.25) == "25.00 %"


def half_right(right: Tensor, rows: Rows) -> Tensor:
    """Half of the share of rows that are classified correctly."""
    return right.double() / len(rows) / 2

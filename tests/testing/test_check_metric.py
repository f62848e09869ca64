"""Metrics that do not measure each run by its own answers fail the check."""

from typing import Any

import pytest
import torch
from torch import Tensor

import dlx
from dlx.nn.counts import RIGHT, Rows, Statistic
from dlx.nn.metrics import LABELS
from dlx.testing import check_metric

pytestmark = pytest.mark.usefixtures("forgotten")


def metric(function: Any, statistic: Statistic = RIGHT, **settings: Any) -> str:
    function.__name__, function.__doc__ = "mine", "Mine."
    dlx.register("metric", statistic, LABELS, **{"rising": True, **settings})(function)
    return "mine"


def summed(find: Any) -> Statistic:
    """Return a statistic whose chunks are added up."""
    return Statistic(find, lambda chunks: torch.stack(list(chunks)).sum(0))


def share(right: Tensor, rows: Rows) -> Tensor:
    return right.double() / (len(rows) * rows.head.answers)


METRICS = {
    r"\(3,\), torch.float32; return a value per run, \(3,\) in torch.float64": (
        lambda right, rows: right / len(rows),
        {},
    ),
    r"returns \(\), torch.float64; return a value per run": (
        lambda right, rows: share(right, rows).mean(),
        {},
    ),
    r"run 1 of 3 against alone: the value .*own row of z": (
        lambda right, rows: share(right, rows) - share(right, rows).mean(),
        {},
    ),
    r"perfect answers have the value 1, .* rising=False says that the smaller": (
        share,
        {"rising": False},
    ),
    r"it has the value -\S+, but its scale 'score' says that it lies between 0 and 1": (
        lambda right, rows: 2 * share(right, rows) - 1,
        {"scale": "score"},
    ),
    r"in chunks of 7 rows against all at once": (
        lambda found, rows: found.double(),
        {"statistic": summed(lambda z, rows: rows.head.correct(z, rows.targets) / len(rows))},
    ),
    r"its rows backwards against forwards": (
        lambda found, rows: found.double(),
        {
            "statistic": Statistic(
                lambda z, rows: (rows.head.decide(z) == rows.head.decode(rows.targets)).double(),
                lambda chunks: torch.cat(list(chunks), 1).flatten(1)[:, 0],
            )
        },
    ),
    r"after it was measured: z at": (
        share,
        {"statistic": summed(lambda z, rows: rows.head.correct(z.neg_(), rows.targets))},
    ),
    r"beside a run whose z is not finite": (
        lambda found, rows: found.double() / len(rows),
        {
            "statistic": summed(
                lambda z, rows: (
                    rows.head.correct(z, rows.targets) * (1.0 if bool(z.isfinite().all()) else 0.5)
                )
            )
        },
    ),
}


@pytest.mark.parametrize("message", METRICS)
def test_a_metric_that_is_not_each_runs_own(message: str) -> None:
    function, settings = METRICS[message]
    name = metric(lambda *given: function(*given), **settings)
    with pytest.raises(AssertionError, match=f"metric mine, .*{message}"):
        check_metric(name)


def test_a_metric_of_no_task() -> None:
    @dlx.register("metric", RIGHT, ("classes",), rising=True)
    def mine(right: Tensor, rows: Rows) -> Tensor:
        """Mine."""
        return share(right, rows)

    with pytest.raises(AssertionError, match=r"\('classes',\) are no kinds of tasks"):
        check_metric("mine")

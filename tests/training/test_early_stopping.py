import json
import math
from dataclasses import asdict

import pytest

from dlx.training.watching import EarlyStopping


def test_a_cost_should_fall_and_patience_counts_from_the_best() -> None:
    stopping = EarlyStopping("dev.cost", patience=2)
    improved = [stopping.update(cost, step) for step, cost in enumerate([3.0, 2.0, 2.0, 1.5, 1.6])]
    assert improved == [True, True, False, True, False]
    assert (stopping.best, stopping.best_step, stopping.waited) == (1.5, 3, 1)
    assert not stopping.exhausted
    stopping.update(1.5, 5)  # as good is no better
    assert stopping.exhausted


def test_an_accuracy_should_rise() -> None:
    stopping = EarlyStopping("dev.accuracy", patience=1)
    assert stopping.update(0.5, 0)
    assert stopping.update(0.6, 1)
    assert not stopping.update(0.6, 2)
    assert stopping.exhausted
    assert (stopping.best, stopping.best_step) == (0.6, 1)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("metric", ["dev.cost", "dev.accuracy"])
def test_what_is_not_finite_is_never_the_best(metric: str, value: float) -> None:
    stopping = EarlyStopping(metric, patience=2)
    assert not stopping.update(value, 0)
    assert stopping.best is None
    assert stopping.update(0.5, 1)
    assert not stopping.update(value, 2)
    assert stopping.best == 0.5


def test_its_state_goes_through_json() -> None:
    stopping = EarlyStopping("dev.cost", patience=3)
    for step, cost in enumerate([0.1 + 0.2, 0.7, math.nan]):
        stopping.update(cost, step)
    assert EarlyStopping(**json.loads(json.dumps(asdict(stopping)))) == stopping

import json
import math
from typing import Any

import numpy as np
import pytest

from dlx.tracking.evaluations import Curve, Curves, Evaluation, curve_of
from dlx.tracking.metrics import lines
from tests.tracking.evaluated import START, of_row

NAMES = ["a", "b", "c"]


def evaluation(
    step: int, rows: list[int], metrics: dict[str, dict[str, list[Any]]] | None = None
) -> Evaluation:
    metrics = {"train": {"cost": [0.5] * len(rows)}} if metrics is None else metrics
    return Evaluation(step, step / 10, step * 32, rows, metrics)


def test_the_record_of_a_run_has_what_it_measured() -> None:
    metrics = {
        "train": {"cost": [1.0, 2.0], "gradient_norm/1": [None, 0.5]},
        "dev": {"cost": [None, math.inf]},
    }
    measured = evaluation(10, [0, 1], metrics)
    assert measured.record(0).metrics == {"train": {"cost": 1.0}, "dev": {}}
    record = measured.record(1)
    assert record.metrics == {
        "train": {"cost": 2.0, "gradient_norm/1": 0.5},
        "dev": {"cost": math.inf},
    }
    assert (record.step, record.epoch, record.examples) == (10, 1.0, 320)


def test_what_concerns_layers_can_be_added_and_left_out() -> None:
    measured = evaluation(10, [0], {"train": {"cost": [1.0], "running/cost": [2.0]}, "dev": {}})
    more = measured.with_metrics("train", {"activation_mean/1": [0.5]})
    assert more.record(0).metrics["train"] == {
        "cost": 1.0,
        "running/cost": 2.0,
        "activation_mean/1": 0.5,
    }
    assert "activation_mean/1" not in measured.metrics["train"]
    assert more.of_whole_networks().metrics == {"train": {"cost": [1.0]}, "dev": {}}


def test_a_curve_has_a_value_for_each_evaluation_and_nan_where_none_was_measured() -> None:
    records = [
        {"step": 0, "epoch": 0, "time": START, "train": {"cost": 2.0}, "dev": None},
        {"step": 5, "epoch": 1, "time": START, "train": {"cost": None, "accuracy": 0.5}},
        {"step": 9, "epoch": 2, "time": START, "train": {"accuracy": 0.75}, "dev": {"cost": 1.0}},
    ]
    curve = curve_of(records)
    assert curve.steps == (0, 5, 9) and curve.epochs == (0, 1, 2)
    np.testing.assert_array_equal(curve.of("train.accuracy"), (math.nan, 0.5, 0.75))
    np.testing.assert_array_equal(curve.of("dev.cost"), (math.nan, math.nan, 1.0))
    np.testing.assert_array_equal(curve.of("train.cost"), (2.0, math.nan, math.nan))
    assert curve.of("test.cost") == ()
    assert curve_of([]) == Curve((), {})


def drawn(generator: np.random.Generator) -> list[tuple[Evaluation, list[str]]]:
    """Evaluations of three runs that leave one after another; others measure other things."""
    cohort, evaluations = list(NAMES), []
    for step in range(0, 120, 10):
        if step in (40, 70):
            cohort = [name for place, name in enumerate(cohort) if place != step % 3]
        rows = [row for row in range(len(cohort)) if (step // 10 + row) % 3]
        metrics: dict[str, dict[str, list[Any]]] = {
            split: {
                tag: [None if value > 0.7 else value for value in generator.random(len(cohort))]
                for tag in ("cost", "accuracy")
                if (split, tag, step > 50) != ("dev", "accuracy", False)
            }
            for split in ("train", "dev")
        }
        evaluations.append((evaluation(step, rows, metrics), list(cohort)))
    return evaluations


def printed(curve: Curve) -> str:
    """Return all of a curve as text, in which NaN is equal to NaN."""
    values = [
        (s, t, curve.values[s][t]) for s in sorted(curve.values) for t in sorted(curve.values[s])
    ]
    return repr((curve.steps, curve.epochs, curve.examples, curve.times, values))


@pytest.mark.parametrize("stopped_after", [0, 1, 5, 12])
def test_a_run_has_the_same_curve_alone_together_and_from_its_lines(stopped_after: int) -> None:
    """Some evaluations come as lines of metrics.jsonl, as after a resume."""
    evaluations = drawn(np.random.default_rng(0))
    numbers = dict(zip(NAMES, (7, 1, 12), strict=True))
    together = Curves(NAMES)
    for place, (measured, cohort) in enumerate(evaluations):
        now, seconds = START + place, [0.5] * len(cohort)
        if place < stopped_after:
            text = lines(measured, seconds, now, [numbers[name] for name in cohort])
            written = [json.loads(line) for line in text.splitlines()]
            by_number = {number: name for name, number in numbers.items()}
            together.restore((by_number[record["run"]], record) for record in written)
        else:
            together.add(measured, cohort, now)
    for name in NAMES:
        own = [
            (of_row(measured, cohort.index(name)), START + place)
            for place, (measured, cohort) in enumerate(evaluations)
            if name in cohort and cohort.index(name) in measured.rows
        ]
        assert len(own) > 2
        alone = Curves([name])
        for measured, now in own:
            alone.add(measured, [name], now)
        text = "".join(lines(measured, [0.5], now) for measured, now in own)
        from_lines = curve_of([json.loads(line) for line in text.splitlines()])
        for curve in (alone.of(name), from_lines):
            assert printed(curve) == printed(together.of(name))


def test_a_run_that_was_never_evaluated_has_no_curve() -> None:
    curves = Curves(NAMES)
    curves.add(evaluation(0, [0, 1]), ["a", "b"], START)
    assert curves.of("c") == Curve((), {})
    assert curves.of("b").times == (START,)

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import stdtrit

from dlx.ablation.outcomes import Outcomes
from dlx.ablation.results import RunResult
from dlx.ablation.statistics.rows import TRAINED_TOO
from tests.ablation.simulated import grid, run

VARIANTS = grid({"model.activation": ["tanh", "relu"]})
TANH, RELU = VARIANTS


def of(results, *, seeds=(3, 1, 2), folds=None) -> Outcomes:
    return Outcomes.of(VARIANTS, results, seeds=seeds, folds=folds)


def test_values_stand_in_the_order_of_the_seeds_with_gaps():
    outcomes = of([run(TANH, 2, 0.7), run(TANH, 3, 0.8), run(TANH, 1, 0, status="diverged")])
    np.testing.assert_equal(outcomes.values(TANH.name, "dev.accuracy"), [0.8, np.nan, 0.7])
    np.testing.assert_equal(outcomes.values(RELU.name, "dev.accuracy"), [np.nan] * 3)
    np.testing.assert_equal(outcomes.values(TANH.name, "dev.f1"), [np.nan] * 3)


def test_what_diverged_is_no_success_and_what_failed_says_nothing():
    outcomes = of(
        [
            run(TANH, 3, 0.9, success=True),
            run(TANH, 1, 0, status="diverged"),
            run(TANH, 2, 0, status="failed", success=False),
        ]
    )
    np.testing.assert_equal(outcomes.values(TANH.name, "success"), [1, 0, np.nan])
    assert outcomes.diverged(TANH.name) == (1, 2)


def test_a_threshold_that_was_not_reached_is_later_than_any_step():
    reached = {"dev.accuracy": 40}, {"dev.accuracy": None}, {"dev.accuracy": 10}
    outcomes = of(
        [
            run(TANH, 3, 0.9, steps_to=reached[0]),
            run(TANH, 1, 0, status="diverged", steps_to=reached[1]),
            run(TANH, 2, 0, status="failed", steps_to=reached[2]),
        ]
    )
    np.testing.assert_equal(outcomes.steps_to(TANH.name, "dev.accuracy"), [40, np.inf, np.nan])
    np.testing.assert_equal(outcomes.steps_to(TANH.name, "dev.cost"), [np.nan] * 3)


def test_numbers_that_are_not_finite_are_missing():
    odd = run(TANH, 3, 0.9)
    odd = type(odd)(TANH.name, 3, "completed", 5, metrics={"dev": {"auc": float("nan")}})
    assert np.isnan(of([odd]).values(TANH.name, "dev.auc")[0])


def test_a_unit_of_a_cross_validation_is_a_fold_over_its_seeds():
    results = [run(TANH, s, s / 10 + f / 100, fold=f) for s in (1, 2) for f in (1, 2, 3)]
    outcomes = of(results, seeds=(1, 2), folds=3)
    values = outcomes.values(TANH.name, "dev.accuracy")
    assert values == pytest.approx([0.11, 0.12, 0.13, 0.21, 0.22, 0.23])
    assert outcomes.units(values) == pytest.approx([0.16, 0.17, 0.18])
    assert outcomes.overlap == 1 / 2
    assert outcomes.unit == "folds"


def test_folds_are_paired_over_the_seeds_that_both_have():
    outcomes = of([], seeds=(1, 2), folds=2)
    values, other = np.array([1.0, 2.0, np.nan, 4.0]), np.array([0.0, 0.0, 9.0, 1.0])
    first, second = outcomes.pairs(values, other)
    np.testing.assert_equal(first, [1, 3])
    np.testing.assert_equal(second, [0, 0.5])


def test_without_folds_the_units_are_the_seeds():
    outcomes = of([])
    values, other = outcomes.pairs(np.array([1.0, 2.0, np.nan]), np.array([1.0, np.nan, 3.0]))
    np.testing.assert_equal(values, [1, np.nan, np.nan])
    np.testing.assert_equal(other, [1, np.nan, np.nan])
    assert outcomes.overlap == 0


def on_rows(draws: bool, *, dev: str = "dev", successes=(1, 0, 1)) -> list[RunResult]:
    """Return three runs with 30 dev rows and 90 training rows, others at each seed or the same."""
    return [
        replace(
            run(TANH, seed, value, success=bool(success)),
            rows={
                "dev": {"n": 30, "digest": dev + str(seed if draws else 0)},
                "train": {"n": 90, "digest": "train" + str(seed if draws else 0)},
            },
        )
        for seed, value, success in zip((3, 1, 2), (0.8, 0.7, 0.9), successes, strict=True)
    ]


def test_metrics_that_are_no_means_over_rows_vary_with_the_rows_that_seeds_draw():
    """As the corrected resampled t says; nothing is known where all seeds share their rows."""

    drawn, shared = of(on_rows(True)), of(on_rows(False))
    values = drawn.values(TANH.name, "dev.accuracy")
    spread = drawn.spread(values, TANH.name, "dev.accuracy")
    assert spread.error**2 == pytest.approx(0.01 * (1 / 3 + (1 + TRAINED_TOO) / 3))
    assert spread.width() == pytest.approx(stdtrit(2, 0.975) * spread.error)
    assert shared.spread(values, TANH.name, "dev.accuracy").error ** 2 == pytest.approx(0.01 / 3)
    assert drawn.redrawn(TANH.name, "train.accuracy") == shared.redrawn(TANH.name, "dev.cost") == 0
    assert shared.is_of_these_rows(TANH.name, "dev.f1")
    assert not drawn.is_of_these_rows(TANH.name, "dev.f1")
    assert not shared.is_of_these_rows(TANH.name, "train.f1")

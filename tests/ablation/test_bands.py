from dataclasses import replace

import numpy as np
import pytest

from dlx.ablation.bands import bands, mean_band, within_range
from dlx.ablation.outcomes import Outcomes
from dlx.ablation.results import Curve, RunResult, Variant
from dlx.ablation.statistics.intervals import mean_interval, spread_of
from dlx.ablation.statistics.rows import TRAINED_TOO, Judgement


def run(seed: int, steps: tuple[int, ...], *values: float, status: str = "completed") -> RunResult:
    curve = Curve(steps, {"dev": {"cost": values}})
    return RunResult("a", seed, status, steps[-1], curve=curve)  # type: ignore[arg-type]


@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_every_column_has_the_interval_of_its_mean(confidence: float) -> None:
    values = np.random.default_rng(0).normal(size=(7, 5))
    values[3:, 1] = np.nan
    values[1:, 2] = np.nan
    values[:, 3] = 0.95
    band = np.array(mean_band(values, confidence=confidence))
    for column in range(5):
        expected = mean_interval(values[:, column], confidence=confidence)
        np.testing.assert_allclose(
            band[:, column], [expected.mean, expected.low, expected.high], rtol=1e-12
        )


def test_runs_that_stopped_leave_the_mean_and_with_half_of_them_the_curve_ends() -> None:
    runs = [
        run(0, (0, 10, 20, 30), 4.0, 3.0, 2.0, 1.0),
        run(1, (0, 10, 20), 6.0, 5.0, 4.0, status="stopped_early"),
        run(2, (0, 10), 5.0, 4.0, status="stopped_early"),
    ]
    band = bands(runs, "dev.cost", 0.95)["a"]
    np.testing.assert_array_equal(band.steps, [0, 10, 20])
    np.testing.assert_allclose(band.mean, [5, 4, 3])
    np.testing.assert_array_equal(band.runs, [3, 3, 2])
    assert band.whole == 2


def test_lost_runs_and_values_that_are_no_numbers_are_left_out() -> None:
    runs = [
        run(0, (0, 10), 1.0, 2.0),
        run(1, (0, 10), 3.0, float("nan")),
        run(2, (0, 10), 1e9, float("inf"), status="diverged"),
    ]
    band = bands(runs, "dev.cost", 0.95)["a"]
    np.testing.assert_allclose(band.mean, [2, 2])
    assert np.isnan(band.low[1])


def test_variants_without_such_a_curve_have_none() -> None:
    assert bands([run(0, (0, 10), 1.0, 2.0)], "test.cost", 0.95) == {}


def test_bands_stay_in_the_range_of_shares_and_costs() -> None:
    mean, width = np.array([0.5, 0.97, 0.02, 1.0]), np.array([0.1, 0.08, 0.1, 0.0])
    low, high = within_range(mean, width, 1.0)
    assert (low >= 0).all() and (high <= 1).all() and (low <= mean).all() and (mean <= high).all()
    # Wilson's interval: its ends have the mean just at the edge of theirs.
    for end in (low[:3], high[:3]):
        error = width[:3] ** 2 * end * (1 - end) / (mean[:3] * (1 - mean[:3]))
        np.testing.assert_allclose((mean[:3] - end) ** 2, error, atol=1e-12)
    low, high = within_range(np.array([1.0, 0.2]), np.array([0.01, 0.5]))
    np.testing.assert_allclose([low[0], high[0]], [0.99, 1.01], atol=1e-4)
    assert 0 < low[1] < 0.2 < high[1]
    band = bands([run(0, (0, 10), 0.1, 0.1), run(1, (0, 10), 2.0, 3.0)], "dev.cost", 0.95)["a"]
    assert (band.low > 0).all()


def with_rows(draws: bool, *, keeps: bool) -> list[RunResult]:
    """Return five runs on 20 dev and 60 training rows whose accuracy rises from 0.5 to 0.8."""
    generator = np.random.default_rng(0)
    easy = generator.random(60) < 0.8
    results = []
    for seed in range(5):
        rows = np.sort(generator.permutation(60)[:20]) if draws else np.arange(20)
        judgement = Judgement(rows, easy[rows].astype(float), 60)
        start, end = 0.5 + 0.01 * seed, float(judgement.values.mean()) + 0.01 * seed
        results.append(
            RunResult(
                "a",
                seed,
                "completed",
                10,
                metrics={"dev": {"accuracy": end}},
                curve=Curve((0, 10), {"dev": {"accuracy": (start, end)}}),
                rows={
                    "dev": {"n": 20, "digest": str(rows.tolist())},
                    "train": {"n": 60, "digest": "train"},
                },
                judgements={"dev.accuracy": judgement} if keeps else {},
            )
        )
    return results


@pytest.mark.parametrize(
    ("draws", "keeps"), [(False, False), (False, True), (True, False), (True, True)]
)
def test_bands_are_as_wide_as_other_rows_make_them(draws: bool, keeps: bool) -> None:
    """At the end they have the variance of the table's interval, before it that of a share."""
    results = with_rows(draws, keeps=keeps)
    band = bands(results, "dev.accuracy", 0.95)["a"]
    outcomes = Outcomes.of([Variant("a", {})], results, seeds=range(5), folds=None)
    values = outcomes.values("a", "dev.accuracy")
    end = outcomes.spread(values, "a", "dev.accuracy")
    assert bool(end.of_rows) == (draws or keeps)
    low, high = within_range(values.mean(keepdims=True), np.array([end.width()]), 1.0)
    assert (band.low[-1], band.high[-1]) == (pytest.approx(low[0]), pytest.approx(high[0]))
    start = spread_of([run.curve.of("dev.accuracy")[0] for run in results])
    of_rows, mean = 0.0, values.mean()
    if keeps:
        of_rows = end.of_rows * 0.52 * 0.48 / (mean * (1 - mean))
    elif draws:
        of_rows = start.variance * (1 + TRAINED_TOO) / 3
    first = replace(start, of_rows=of_rows, row_freedom=end.row_freedom).width()
    low, high = within_range(np.array([0.52]), np.array([first]), 1.0)
    assert (band.low[0], band.high[0]) == (pytest.approx(low[0]), pytest.approx(high[0]))

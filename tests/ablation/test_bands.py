import numpy as np
import pytest

from dlx.ablation.bands import bands, mean_band, within_range
from dlx.ablation.results import Curve, RunResult
from dlx.ablation.statistics.intervals import mean_interval


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

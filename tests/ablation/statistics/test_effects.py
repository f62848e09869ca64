import numpy as np
import pytest
from scipy import stats

from dlx.ablation.statistics.effects import joint_effects


@pytest.fixture
def cells() -> np.ndarray:
    """Return (2, 3, 8): effects 0, 1 of the first, 0, 2, 5 of the second, 0.5 of (1, 2) alone."""
    generator = np.random.default_rng(3)
    grid = np.array([0.0, 1.0])[:, None, None] + np.array([0.0, 2.0, 5.0])[None, :, None]
    grid = grid + generator.normal(0, 0.01, (2, 3, 8)) + generator.normal(0, 10, 8)
    grid[1, 2] += 0.5
    return grid


def test_a_main_effect_is_the_mean_difference_from_the_baselines_level_within_seeds(cells):
    effects = {
        (effect.factors, effect.levels): effect for effect in joint_effects(cells, (0, 0), 1)
    }
    assert set(effects) == {((0,), (1,)), ((1,), (1,)), ((1,), (2,))}
    units = (cells[1] - cells[0]).mean(0)
    reference = stats.ttest_1samp(units, 0)
    first = effects[(0,), (1,)]
    assert first.difference.mean == pytest.approx(units.mean())
    assert first.difference.p == pytest.approx(reference[1])
    assert first.difference.low == pytest.approx(reference.confidence_interval().low)
    assert effects[(1,), (2,)].difference.mean == pytest.approx(5.25, abs=0.02)


def test_effects_are_of_the_baselines_level_whichever_it_is(cells):
    effects = {
        (effect.factors, effect.levels): effect for effect in joint_effects(cells, (1, 2), 1)
    }
    assert effects[(0,), (0,)].difference.mean == pytest.approx(-1 - 0.5 / 3, abs=0.02)
    assert set(effects) == {((0,), (0,)), ((1,), (0,)), ((1,), (1,))}


def test_an_interaction_is_how_one_effect_changes_with_the_other(cells):
    effects = {effect.levels: effect for effect in joint_effects(cells, (0, 0), 2)}
    assert set(effects) == {(1, 1), (1, 2)}
    assert effects[1, 2].difference.mean == pytest.approx(0.5, abs=0.02)
    assert effects[1, 2].p < 1e-6
    assert effects[1, 1].difference.low < 0 < effects[1, 1].difference.high
    units = cells[1, 2] - cells[0, 2] - cells[1, 0] + cells[0, 0]
    assert effects[1, 2].difference.p == pytest.approx(stats.ttest_1samp(units, 0)[1])


def test_of_three_factors_the_third_is_averaged_over():
    generator = np.random.default_rng(1)
    cells = generator.normal(0, 1, (2, 2, 3, 6))
    effects = {
        (effect.factors, effect.levels): effect for effect in joint_effects(cells, (0, 0, 0), 2)
    }
    assert len(effects) == 1 + 2 + 2
    units = (cells[1, :, 2] - cells[0, :, 2] - cells[1, :, 0] + cells[0, :, 0]).mean(0)
    assert effects[(0, 2), (1, 2)].difference.mean == pytest.approx(units.mean())


def test_a_missing_cell_takes_its_own_difference_alone(cells):
    cells[1, 1, 0] = np.nan
    cells[:, 2] = np.nan
    [first, second, third] = joint_effects(cells, (0, 0), 1)
    units = np.r_[(cells[1, 0] - cells[0, 0])[:1], (cells[1, :2] - cells[0, :2]).mean(0)[1:]]
    assert first.difference.mean == pytest.approx(units.mean())
    assert first.difference.n == second.difference.n == 8
    assert third.difference.n == 0
    assert np.isnan(third.difference.mean)
    assert np.isnan(third.p)

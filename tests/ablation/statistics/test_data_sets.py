import numpy as np
import pytest

from dlx.ablation.statistics.verdicts import Comparison, judge, overall, pooled

SEEDS = np.arange(8) / 1000


def of(difference: float, *, level: float = 0.9, margin: float = 0.005) -> Comparison:
    base = level + SEEDS
    noise = np.random.default_rng(0).normal(0, 0.001, 8)
    return Comparison(
        base + difference + noise, base, True, margin, diverged=(1, 8), baseline_diverged=(0, 8)
    )


def test_shares_are_averaged_at_each_seed():
    together = pooled([of(0.02), of(0.04, level=0.5)], is_bounded=True)
    verdict = judge([together])[0]
    assert verdict.difference.mean == pytest.approx(0.03, abs=0.001)
    assert verdict.difference.n == 8
    assert together.margin == 0.005
    assert together.diverged == (2, 16)
    assert together.baseline_diverged == (0, 16)


def test_costs_are_relative_to_the_baseline_of_their_data_set():
    small, large = of(-0.05, level=0.5, margin=0.025), of(-10.0, level=100.0, margin=5.0)
    together = pooled([small, large], is_bounded=False)
    assert np.mean(together.variant) == pytest.approx(-0.1, abs=0.002)
    assert together.margin == pytest.approx(0.05, rel=0.01)


def test_a_seed_that_one_data_set_lacks_is_left_out():
    first, second = of(0.02), of(0.04)
    second.variant[3] = np.nan
    together = pooled([first, second], is_bounded=True)
    assert np.isnan(together.variant[3])
    assert judge([together])[0].difference.n == 7


def test_data_sets_that_contradict_each_other_are_undecided():
    better = judge([Comparison(0.95 + SEEDS, 0.9 + SEEDS, True, 0.005)])[0]
    equivalent = judge([Comparison(0.9 + SEEDS, 0.9 + SEEDS, True, 0.005)])[0]
    assert overall(better, ["better", "undecided"]) == "better"
    assert overall(better, ["better", "worse"]) == "undecided"
    assert overall(equivalent, ["equivalent", "undecided"]) == "equivalent"
    assert overall(equivalent, ["better", "worse"]) == "undecided"

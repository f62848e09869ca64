"""The cases of benchmarks/calibration.py with as many ablations as take seconds."""

from dataclasses import replace

import pytest

from benchmarks.calibration import (
    GROUPS,
    LEVEL,
    NOISES,
    POWER,
    STEPS,
    SUCCESSES,
    false_equivalence,
    folds_rate,
    group_rates,
    metrics_rate,
    pilot_power,
    power,
    rate_of_steps,
    rates,
)
from dlx.ablation.statistics import verdicts
from tests.guarded import STATISTICS

pytestmark = pytest.mark.slow(*STATISTICS)

ABLATIONS = 500
NOISE = 2.3 * (LEVEL * (1 - LEVEL) / ABLATIONS) ** 0.5  # of the simulation, 99 % one-sided


@pytest.mark.parametrize(("num_variants", "n"), [(2, 5), (8, 5), (4, 10)])
@pytest.mark.parametrize("noise", NOISES)
def test_equal_variants_are_hardly_ever_decided(noise, num_variants, n):
    rate = rates(NOISES[noise], num_variants=num_variants, n=n, ablations=ABLATIONS)
    assert rate.decided <= LEVEL + NOISE


@pytest.mark.parametrize("noise", SUCCESSES)
def test_equal_rates_of_success_are_hardly_ever_decided(noise):
    rate = rates(SUCCESSES[noise], num_variants=4, n=20, ablations=ABLATIONS, is_binary=True)
    assert rate.decided <= LEVEL + NOISE


@pytest.mark.parametrize("noise", STEPS)
def test_equal_steps_to_a_threshold_are_hardly_ever_decided(noise):
    rate = rate_of_steps(STEPS[noise], num_variants=4, n=10, ablations=ABLATIONS)
    assert rate <= LEVEL + NOISE


def test_three_metrics_are_one_family_where_three_families_err_too_often():
    one, three = metrics_rate(num_metrics=3, num_variants=4, n=10, ablations=ABLATIONS)
    assert one <= LEVEL + NOISE < three


def test_folds_are_hardly_ever_decided_where_a_plain_t_test_often_is():
    assert folds_rate(overlap=1 / 4, folds=5, ablations=ABLATIONS) <= LEVEL + NOISE
    assert folds_rate(overlap=0, folds=5, ablations=ABLATIONS) > 1.5 * LEVEL


@pytest.mark.parametrize(("num_variants", "planted"), [(2, 1), (4, 1), (4, 3)])
def test_an_effect_of_one_deviation_is_found_at_15_seeds(num_variants, planted):
    rate = power(
        NOISES["normal"], effect=1, planted=planted, num_variants=num_variants, n=15, ablations=400
    )
    assert rate > POWER


def test_the_best_are_hardly_ever_left_out_of_their_group():
    pairs, alone = (
        group_rates(beaten, NOISES["normal"], best=4, num_variants=4, n=6, ablations=ABLATIONS)[0]
        for beaten in GROUPS.values()
    )
    assert pairs <= LEVEL + NOISE < alone


@pytest.mark.parametrize(("num_variants", "pilot"), [(2, 3), (8, 5)])
def test_what_a_pilot_says_is_found_is_found(num_variants, pilot):
    found = pilot_power(
        NOISES["normal"], num_variants=num_variants, pilot=pilot, n=10, ablations=400
    )
    assert 0.75 < found < 0.9


@pytest.mark.parametrize("n", [5, 10])
def test_variants_a_margin_apart_are_hardly_ever_equivalent(n):
    rate = false_equivalence(NOISES["normal"], spread=0.5, n=n, ablations=ABLATIONS)
    assert 0 < rate <= LEVEL + NOISE


def test_the_simulation_would_notice_a_test_that_is_too_sure(monkeypatch):
    def third(*arguments, **options):
        test = plain(*arguments, **options)
        return replace(test, p_coarse=test.p_coarse / 3)

    plain = verdicts.paired_t
    monkeypatch.setattr(verdicts, "paired_t", third)
    rate = rates(NOISES["normal"], num_variants=4, n=10, ablations=ABLATIONS)
    assert rate.decided > LEVEL + NOISE

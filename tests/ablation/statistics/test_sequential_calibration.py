"""The cases of benchmarks/sequential.py with as many ablations as take seconds."""

import pytest

from benchmarks.calibration import LEVEL, NOISES, POWER, SUCCESSES
from benchmarks.sequential import (
    false_equivalence,
    false_rate,
    false_rate_without,
    find,
    fixed_seeds,
)
from tests.guarded import STATISTICS

ABLATIONS = 400
NOISE = 2.3 * (LEVEL * (1 - LEVEL) / ABLATIONS) ** 0.5  # of the simulation, 99 % one-sided


@pytest.mark.slow(*STATISTICS)
def test_looking_often_makes_few_verdicts_false():
    rate = false_rate(NOISES["normal"], num_variants=2, most=30, ablations=ABLATIONS)
    assert rate <= LEVEL + NOISE
    assert false_rate_without(num_variants=2, most=30, ablations=200) > 2 * LEVEL


@pytest.mark.slow(*STATISTICS)
@pytest.mark.parametrize(("num_variants", "most"), [(2, 60), (4, 20), (4, 60)])
@pytest.mark.parametrize(
    "noise", ["normal", "exponential", "accuracy 1 or 0.5 at even odds", "t (3), 20 % diverging"]
)
def test_equal_variants_are_hardly_ever_decided_at_any_look(noise, num_variants, most):
    rate = false_rate(NOISES[noise], num_variants=num_variants, most=most, ablations=ABLATIONS)
    assert rate <= LEVEL + NOISE


@pytest.mark.slow(*STATISTICS)
def test_equal_rates_of_success_are_hardly_ever_decided_at_any_look():
    draw = SUCCESSES["success, 64 %"]
    rate = false_rate(draw, num_variants=4, ablations=ABLATIONS, is_binary=True)
    assert rate <= LEVEL + NOISE


@pytest.mark.slow(*STATISTICS)
def test_variants_a_margin_apart_are_hardly_ever_equivalent_at_any_look():
    rate = false_equivalence(deviation=0.5, ablations=ABLATIONS)
    assert 0 < rate <= LEVEL + NOISE


@pytest.mark.slow(*STATISTICS)
@pytest.mark.parametrize("num_variants", [2, 4])
def test_effects_are_found_with_few_seeds(num_variants):
    fixed = fixed_seeds(effect=1, num_variants=num_variants, ablations=400)
    found = find(NOISES["normal"], effect=1, num_variants=num_variants, ablations=400)
    assert found.share > POWER
    assert found.seeds <= 1.3 * fixed
    assert found.held > 0.93
    most = -(-13 * fixed // 10)
    options = {"num_variants": num_variants, "ablations": 400}
    assert find(NOISES["normal"], effect=1, most=most, **options).share > POWER - 0.04
    easy = find(NOISES["normal"], effect=3, num_variants=num_variants, most=15, ablations=400)
    assert easy.share == 1 and easy.seeds < 15 / 3 + 1

"""The words that people read, and the number of seeds that would decide."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dlx.ablation.statistics import conclusions
from dlx.ablation.statistics.conclusions import (
    Evidence,
    enough_outcomes,
    enough_pairs,
    smallest_effect,
)
from dlx.ablation.statistics.intervals import Spread
from dlx.ablation.statistics.verdicts import Comparison, judge

BASE = np.array([0.90, 0.91, 0.92, 0.89, 0.90, 0.93, 0.91, 0.90, 0.92, 0.91])
NOISE = np.array([21, -33, 42, -14, 15, -46, 37, -28, 19, -10]) / 1e4


def concluded(variant, baseline=BASE, *, margin=0.005, **options: Any) -> tuple[str, int | None]:
    verdict = judge([Comparison(np.asarray(variant), baseline, True, margin, **options)])[0]
    return verdict.conclusion, verdict.enough


@pytest.mark.parametrize(
    ("shift", "margin", "conclusion"),
    [
        (0.05, 0.005, "better"),
        (-0.05, 0.005, "worse"),
        (0.003, 0.01, "better within the margin"),
        (-0.003, 0.01, "worse within the margin"),
        (0.0, 0.005, "equivalent"),
    ],
)
def test_what_is_decided_needs_no_more(shift, margin, conclusion):
    assert concluded(BASE + NOISE + shift, margin=margin) == (conclusion, None)


def test_a_variant_that_is_better_where_it_ends_but_diverges_is_mixed():
    lost = np.r_[np.full(8, np.nan), BASE[8:] + 0.05 + NOISE[8:]]
    values = np.r_[np.full(10, np.nan), np.tile(lost[8:], 5)]
    base = np.tile(BASE, 2)
    options: dict[str, Any] = {"diverged": (10, 20), "baseline_diverged": (0, 20)}
    assert concluded(values, base, **options) == ("mixed", None)


@pytest.mark.parametrize("shift", [0.001, 0.002, 0.004])
def test_so_many_seeds_as_would_do_mostly_decide(shift):
    """A pilot says a number; with that number, most ablations of such a difference are decided."""
    generator = np.random.default_rng(0)
    pilot = shift + 0.01 * (NOISE / NOISE.std(ddof=1))
    pilot += shift - pilot.mean()
    conclusion, enough = concluded(BASE + pilot)
    assert conclusion == "too few seeds" and enough

    def decided(seeds: int) -> float:
        noise = generator.normal(0, 0.01, (200, seeds))
        base = 0.9 + generator.normal(0, 0.01, (200, seeds))
        pairs = zip(base + shift + noise, base, strict=True)
        verdicts = [judge([Comparison(*pair, True, 0.005)])[0] for pair in pairs]
        return float(np.mean([verdict.word != "undecided" for verdict in verdicts]))

    assert decided(enough) > 0.72, "80 %, less the noise of the simulation; more where both may do"
    assert decided(enough // 3) < 0.72


def test_what_no_seed_takes_away_leaves_it_undecided_for_ever():
    known = Evidence(0.004, Spread(1e-4, 9, 1 / 10), 10, 0.005, 1, 1, 3)
    assert enough_pairs(known) is not None
    shared = replace(known.spread, share=known.spread.share + 1)  # of the mean, like that of folds
    assert enough_pairs(replace(known, spread=shared)) is None


def test_a_difference_just_at_the_margin_takes_no_number_of_folds():
    folds = BASE[:5] + NOISE[:5] * 3
    assert concluded(folds, BASE[:5], overlap=1 / 4) == ("too few rows", None)


def test_more_tests_take_more_seeds():
    known = Evidence(0.008, Spread(1e-4, 9, 1 / 10), 10, 0.005, 1, 1, 3)
    numbers = [enough_pairs(replace(known, num_tests=number)) or 0 for number in (1, 7, 35)]
    assert numbers == sorted(set(numbers))


def test_one_seed_and_few_pairs_take_as_many_as_are_believed():
    assert concluded([0.9], np.array([0.8])) == ("too few seeds", 3)
    assert concluded([0.9, 0.9], np.array([0.8, 0.8])) == ("too few seeds", 3)


def test_runs_that_all_diverged_take_as_many_as_tell_the_rates_apart():
    lost, base = np.full(3, np.nan), np.array([0.8, 0.81, 0.79])
    alone = Comparison(lost, base, True, 0.005, diverged=(3, 3), baseline_diverged=(0, 3))
    assert judge([alone])[0].conclusion == "worse", "Boschloo's p is 0.031"
    verdicts = judge([alone, Comparison(base, base, True, 0.005)])
    assert (verdicts[0].conclusion, verdicts[0].enough) == ("too few seeds", 5)
    four = np.full(5, np.nan), np.tile(base, 2)[:5]
    more = Comparison(*four, True, 0.005, diverged=(5, 5), baseline_diverged=(0, 5))
    assert judge([more, Comparison(base, base, True, 0.005)])[0].conclusion == "worse"
    both: dict[str, Any] = {"diverged": (3, 3), "baseline_diverged": (3, 3)}
    assert concluded(lost, lost, **both) == ("nothing to compare", None)


def test_seeds_at_which_a_run_diverged_make_no_pair():
    values, base = np.array([0.9, 0.9, np.nan]), np.array([0.8, 0.8, 0.8])
    options: dict[str, Any] = {"diverged": (1, 3), "baseline_diverged": (0, 3)}
    assert concluded(values, base, **options) == ("too few seeds", 5), "3 pairs of 5 seeds"


def test_rates_of_divergence_may_be_told_apart_sooner_than_a_difference():
    lost = np.r_[np.full(4, np.nan), BASE[4:8] + 0.0005 * np.array([1, -1, 2, 0])]
    options: dict[str, Any] = {"diverged": (4, 8), "baseline_diverged": (0, 8)}
    others = [Comparison(BASE[:8] + NOISE[:8], BASE[:8], True, 0.005) for _ in range(3)]
    verdicts = judge([Comparison(lost, BASE[:8], True, 0.0001, **options), *others])
    assert verdicts[0].conclusion == "too few seeds"
    assert 8 < (verdicts[0].enough or 0) < 30


def test_equal_pairs_take_as_many_as_rule_out_rare_failures():
    assert concluded(np.ones(10), np.ones(10)) == ("too few seeds", 29)
    assert concluded(np.ones(29), np.ones(29)) == ("equivalent", None)
    varied = np.array([1.0, 0.9, 1.0, 0.9])
    assert concluded(varied, varied) == ("too few seeds", 5), "values vary: (1/2)^5 < 0.05"
    assert concluded(np.r_[varied, 0.9], np.r_[varied, 0.9]) == ("equivalent", None)


def test_outcomes_take_as_many_seeds_as_decide_four_times_of_five():
    generator = np.random.default_rng(0)
    gains, losses, n = 4, 1, 10
    enough = enough_outcomes(gains, losses, n, 1)
    assert enough
    differs = generator.choice([1, -1, 0], p=[0.4, 0.1, 0.5], size=(400, enough))
    verdicts = [
        judge([Comparison((row == 1) * 1.0, (row == -1) * 1.0, True, 0.005, is_binary=True)])[0]
        for row in differs
    ]
    assert np.mean([verdict.word == "better" for verdict in verdicts]) == pytest.approx(
        conclusions.POWER, abs=0.07
    )


def test_equal_outcomes_are_told_apart_by_no_number_of_seeds():
    outcomes = np.repeat([0.0, 1.0], 5)
    word = concluded(outcomes, outcomes[::-1].copy(), is_binary=True)
    assert word == ("too few seeds", None)


@pytest.mark.parametrize(("num_variants", "n"), [(1, 5), (5, 5), (3, 10)])
def test_the_smallest_effect_is_found_in_four_of_five_ablations(num_variants: int, n: int) -> None:
    generator = np.random.default_rng(0)
    effect = smallest_effect(num_variants, num_variants, n)
    assert effect is not None
    found = []
    for _ in range(300):
        values = generator.normal(size=(num_variants + 1, n))
        values[0] = 0.0
        values[1] += effect
        pairs = [Comparison(row, values[0], True, 1e-9) for row in values[1:]]
        found.append(judge(pairs)[0].word == "better")
    assert np.mean(found) == pytest.approx(0.8, abs=0.09)
    assert smallest_effect(num_variants, num_variants, 1) is None

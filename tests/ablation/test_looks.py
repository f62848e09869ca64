"""Which variants get more seeds, told from drawn results."""

from typing import Any

import pytest

from dlx.ablation.comparisons import OPEN, Compared, Judged, compare
from dlx.ablation.outcomes import Outcomes
from dlx.ablation.statistics.sequential import Schedule, planned_looks
from tests.ablation.simulated import grid, run, runs

VARIANTS = grid({"optimizer.lr": [1, 2, 3]})
LEVELS = dict(zip([variant.name for variant in VARIANTS], (0.9, 0.5, 0.502), strict=True))
PAIRS = {"lr=2": "lr=1", "lr=3": "lr=1"}
JUDGED = Judged("dev.accuracy", True, "share", margin=0.0005, best=1.0)


def looked_at(seeds: int, *others: tuple[str, str], most: int = 9, **options: Any) -> Compared:
    """Compare lr=1, which is far better, with lr=2 and lr=3, which are much alike."""
    results = runs(VARIANTS, range(9), lambda variant: LEVELS[variant.name], noise=0.01)
    outcomes = Outcomes.of(VARIANTS, results, seeds=range(9), folds=None).first(seeds)
    schedule = Schedule(planned_looks(most), **options)
    return compare(outcomes, VARIANTS, [], PAIRS, [JUDGED], {}, others, schedule)


def test_decided_variants_need_no_more_seeds() -> None:
    compared = looked_at(5)
    assert compared.standing == {"lr=2": "decided", "lr=3": "decided"}
    assert [look["seeds"] for look in compared.growth["lr=2"]] == [5]
    assert compared.growth["lr=2"][0]["verdict"] == "worse"


@pytest.mark.parametrize("most", [9, 60])
def test_an_undecided_pair_keeps_both_variants(most: int) -> None:
    pair = ("lr=3", "lr=2")
    assert looked_at(5, pair, most=most).standing == {"lr=2": OPEN, "lr=3": OPEN}
    standing = looked_at(9, pair, most=most).standing
    assert set(standing.values()) == {OPEN if most > 9 else "all seeds"}


def test_a_look_that_is_not_whole_is_the_one_before() -> None:
    """Runs of a batch that has not ended are not looked at."""
    part, before = looked_at(9, most=60), looked_at(8, most=60)
    assert part.growth == before.growth
    assert [look["seeds"] for look in part.growth["lr=2"]] == [5, 6, 7, 8]


def test_an_interval_that_is_narrow_enough_ends_the_search() -> None:
    assert set(looked_at(5, half_width=0.5).standing.values()) == {"narrow enough"}
    assert set(looked_at(5, half_width=1e-5).standing.values()) == {OPEN}
    assert set(looked_at(9, half_width=1e-5).standing.values()) == {"all seeds"}


@pytest.mark.parametrize(("seeds", "standing"), [(29, OPEN), (60, "narrow enough")])
def test_a_few_pairs_that_are_equal_show_no_width(seeds: int, standing: str) -> None:
    results = [run(own, seed, 1.0) for own in VARIANTS[:2] for seed in range(seeds)]
    outcomes = Outcomes.of(VARIANTS[:2], results, seeds=range(seeds), folds=None)
    schedule = Schedule(planned_looks(60), half_width=0.04)
    compared = compare(outcomes, VARIANTS[:2], [], {"lr=2": "lr=1"}, [JUDGED], {}, (), schedule)
    assert compared.standing == {"lr=2": standing}


def test_intervals_are_wider_than_those_of_a_fixed_number() -> None:
    own = looked_at(9).by_metric["dev.accuracy"]["lr=2"]
    results = runs(VARIANTS, range(9), lambda variant: LEVELS[variant.name], noise=0.01)
    outcomes = Outcomes.of(VARIANTS, results, seeds=range(9), folds=None)
    fixed = compare(outcomes, VARIANTS, [], PAIRS, [JUDGED], {}).by_metric["dev.accuracy"]["lr=2"]
    assert own["low"] < fixed["low"] < fixed["high"] < own["high"]
    assert own["seeds"] == 9 and "seeds" not in fixed
    assert own["p"] >= fixed["p"] and own["p_raw"] == fixed["p_raw"]

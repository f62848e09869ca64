"""When an ablation that grows is looked at, and which p decides at a look."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dlx.ablation.statistics.sequential import (
    FIRST,
    GROWTH,
    Schedule,
    nominal_levels,
    planned_looks,
    spent,
)
from dlx.ablation.statistics.verdicts import (
    ALPHA,
    Comparison,
    Family,
    judge_in_turn,
    judge_together,
)


@given(st.integers(FIRST, 100_000))
def test_looks_are_further_and_further_apart(most: int) -> None:
    looks = planned_looks(most)
    assert looks[0] == FIRST and looks[-1] == most
    steps = np.diff(looks)
    assert (steps > 0).all()
    # 1.5 times: a small last batch joins the one before it.
    assert (steps <= 1.5 * (GROWTH - 1) * np.array(looks[:-1]) + 1).all()


@pytest.mark.parametrize("looks", [(5, 10), (5, 8, 12), (5, 6, 20), (2, 5, 9)])
@pytest.mark.parametrize("level", [0.05, 0.01])
def test_boundaries_are_those_of_the_multivariate_normal_distribution(looks, level):
    """P(|Z_1| < z_1, …, |Z_k| < z_k) is 1 minus what may be spent up to look k, for every k."""
    clock = np.array(looks) - min(3, looks[0] - 1)
    correlation = np.sqrt(np.minimum.outer(clock, clock) / np.maximum.outer(clock, clock))
    z = stats.norm.isf(nominal_levels(looks, level) / 2)
    total = np.cumsum(spent(looks, level))
    assert total[-1] == pytest.approx(level)
    for count in range(2, len(looks) + 1):
        normal = stats.multivariate_normal(
            cov=correlation[:count, :count].tolist(), abseps=1e-8, releps=1e-8, seed=0
        )
        inside = normal.cdf(z[:count], lower_limit=-z[:count])
        assert inside == pytest.approx(1 - total[count - 1], abs=2e-6)


def test_one_look_is_a_test_as_any_other():
    schedule = Schedule((5,))
    assert schedule.confidence(5) == pytest.approx(0.95)
    assert schedule.overall(0.03, 5) == pytest.approx(0.03)


@pytest.mark.parametrize("looks", [planned_looks(60), planned_looks(7), (2, 5, 6), (47, 48, 60)])
def test_the_p_of_the_whole_is_the_level_whose_boundary_is_met(looks):
    schedule = Schedule(looks)
    for seeds in looks:
        assert schedule.overall(1 - schedule.confidence(seeds), seeds) == pytest.approx(ALPHA)
        own = [schedule.overall(p, seeds) for p in np.geomspace(1e-14, 1, 60)]
        assert (np.diff(own) >= 0).all() and own[-1] == pytest.approx(1)
        level = nominal_levels(looks, 0.003)[looks.index(seeds)]
        assert schedule.overall(float(level), seeds) == pytest.approx(0.003, rel=0.01)
        assert np.isnan(schedule.overall(np.nan, seeds))


def test_a_tiny_p_of_the_whole_grows_in_proportion():
    schedule = Schedule(planned_looks(60))
    small, tiny = schedule.overall(1e-12, 10), schedule.overall(1e-15, 10)
    assert small == pytest.approx(1000 * tiny)
    assert 1e-12 < small < 1e-9


def family(schedule: Schedule, seeds: int, *differences: np.ndarray, had: int = 0) -> Family:
    """Comparisons with these differences at the first seeds, the last one at `had` of them."""
    comparisons = []
    for place, paired in enumerate(differences):
        own = had if had and place == len(differences) - 1 else seeds
        shown = np.where(np.arange(seeds) < own, paired[:seeds], np.nan)
        comparisons.append(
            Comparison(
                shown,
                np.zeros(seeds),
                rising=True,
                margin=1e-4,
                seeds=own,
                confidence=schedule.confidence(own),
            )
        )
    return Family([comparisons], seeds=seeds)


NOISE = np.random.default_rng(3).standard_normal(60)
NOISE -= NOISE.mean()


def test_without_a_schedule_nothing_is_other_than_together():
    schedule = Schedule((60,))
    own = family(schedule, 60, NOISE + 0.4)
    [(groups, _, _)] = judge_in_turn([own])
    together, _, _ = judge_together(own.groups)
    assert groups[0][0].p == together[0][0].p == together[0][0].difference.p_coarse
    [(scheduled, _, _)] = judge_in_turn([own], schedule)
    assert scheduled[0][0].p == pytest.approx(together[0][0].p, rel=1e-6)


def test_every_look_costs():
    schedule = Schedule(planned_looks(60))
    looks = [family(schedule, seeds, NOISE + 0.4) for seeds in schedule.looks]
    last = list(judge_in_turn(looks, schedule))[-1][0][0][0]
    assert last.p > judge_together(looks[-1].groups)[0][0][0].p
    plain = judge_together([[replace(looks[-1].groups[0][0], confidence=0.95)]])[0][0][0]
    assert last.difference.high > plain.difference.high


def test_what_was_decided_stays_so_unless_the_difference_turns_round():
    schedule = Schedule(planned_looks(60))
    early = np.r_[NOISE[:8] * 0.05 + 1.0, NOISE[8:] * 3]

    def words(paired: np.ndarray) -> list[str]:
        looks = [family(schedule, seeds, paired) for seeds in schedule.looks]
        return [groups[0][0].word for groups, _, _ in judge_in_turn(looks, schedule)]

    late = early.copy()
    late[8:] += 0.3 - late[8:].mean()
    assert set(words(late)) == {"better"}
    late[8:] -= 1.0  # now the mean of all is below 0
    assert words(late)[0] == "better" and words(late)[-1] != "better"


def test_a_variant_that_has_left_is_judged_by_its_own_last_look():
    """Its p is not taken again at a later look, whose boundary is another."""
    schedule = Schedule(planned_looks(60))
    looks = [family(schedule, seeds, NOISE, NOISE + 1.5, had=5) for seeds in schedule.looks]
    judgements = list(judge_in_turn(looks, schedule))
    left = [groups[0][1] for groups, _, _ in judgements]
    assert {verdict.difference.n for verdict in left} == {5}
    assert len({verdict.difference.low for verdict in left[1:]}) > 1, "variances are lent"
    assert {round(verdict.p, 12) for verdict in left} == {round(left[0].p, 12)}
    assert left[0].difference.mean == left[-1].difference.mean


def test_equivalence_is_over_all_looks_too():
    schedule = Schedule(planned_looks(60))
    close = [
        replace(own, groups=[[replace(own.groups[0][0], margin=0.25)]])
        for own in (family(schedule, seeds, NOISE * 0.5) for seeds in schedule.looks)
    ]
    last = list(judge_in_turn(close, schedule))[-1][0][0][0]
    alone = judge_together(close[-1].groups)[0][0][0]
    assert alone.word == "equivalent"
    assert last.p_equivalent > alone.p_equivalent

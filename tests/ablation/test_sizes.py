"""How many runs a cohort holds."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from dlx.ablation.sizes import Size, largest_cohort, parts, processes

CPU = torch.device("cpu")
SMALL = Size(parameters=10_000, step=5_000, evaluation=5_000)
LARGE = Size(parameters=10**8, step=10**7, evaluation=10**7)


def test_small_runs_train_by_the_thousand_and_large_ones_by_the_handful():
    assert largest_cohort(SMALL, CPU) > 1000
    assert 1 < largest_cohort(LARGE, CPU) < 10
    assert largest_cohort(LARGE, torch.device("cuda")) > largest_cohort(LARGE, CPU)


def test_evaluating_must_fit_into_memory_too():
    wide = Size(parameters=1000, step=1000, evaluation=2**30)
    assert largest_cohort(wide, CPU) == 2
    assert largest_cohort(Size(1000, 1000, 2**40), CPU) == 1


@given(
    st.lists(st.tuples(st.integers(1, 500), st.integers(1, 100)), min_size=1, max_size=6),
    st.integers(1, 9),
)
def test_no_cohort_is_larger_than_its_limit_and_no_process_idle(groups, jobs):
    counts, limits = [c for c, _ in groups], [limit for _, limit in groups]
    cut = parts(counts, limits, jobs)
    for count, limit, pieces in zip(counts, limits, cut, strict=True):
        assert -(-count // pieces) <= limit
        assert pieces <= count
    assert sum(cut) >= min(jobs, sum(counts))


def test_processes_are_started_where_there_is_enough_to_do(two_threads: None):
    assert processes(10**8, CPU) == 1
    assert processes(10**12, CPU) == 2


def test_with_one_thread_there_is_one_process(one_thread: None):
    assert processes(10**12, CPU) == 1

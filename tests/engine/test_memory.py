"""Memory that there is not: an error that says so, in whatever thread it is missed."""

import pytest
import torch

from dlx.native import library
from tests.cohorts import design, grouped, member, rows, task, train
from tests.engine.networks import covered


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("function", ["dlx_memory_float", "dlx_evaluation_memory_float"])
def test_a_failed_allocation_is_an_error(
    monkeypatch: pytest.MonkeyPatch, function: str, threads: int
) -> None:
    what = task(4, 3)
    network = design(what, [6], "relu")
    runs = grouped(covered([member(str(seed), network, seed=seed) for seed in range(4)]))
    torch.set_num_threads(threads)
    # More than any address space holds: the allocation that fails is NumPy's own.
    monkeypatch.setattr(library.load(), function, lambda *arguments: 1 << 58)
    with pytest.raises(MemoryError, match="Unable to allocate"):
        train(runs, *rows(what, 40))

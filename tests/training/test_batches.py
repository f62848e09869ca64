"""Which training rows each run sees at which step."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from dlx.data.batches import Batches, bootstrap, orders, steps_per_epoch
from tests.plain_loop import order


def numbered(num_rows: int, seeds: list[int], batch_size: int) -> Batches:
    """Return batches whose inputs and targets are the row numbers."""
    rows = torch.arange(num_rows)
    return Batches(rows.float().unsqueeze(1), rows, seeds, batch_size)


@given(
    num_rows=st.integers(1, 40),
    batch_size=st.integers(1, 45),
    seeds=st.lists(st.integers(0, 5), min_size=1, max_size=4),
    epoch=st.integers(0, 3),
)
def test_every_row_is_seen_once_an_epoch(
    num_rows: int, batch_size: int, seeds: list[int], epoch: int
) -> None:
    batches = numbered(num_rows, seeds, batch_size)
    steps = steps_per_epoch(num_rows, batch_size)
    assert (steps - 1) * batch_size < num_rows <= steps * batch_size
    seen = [batches(epoch * steps + batch) for batch in range(steps)]
    for x, t in seen:
        assert torch.equal(x.squeeze(2).long(), t)
    rows = torch.cat([t for _, t in seen], 1)
    for run, seed in enumerate(seeds):
        assert sorted(rows[run].tolist()) == list(range(num_rows))
        whole = steps == 1
        expected = torch.arange(num_rows) if whole else order(seed, epoch, num_rows)
        assert torch.equal(rows[run], expected)


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    drawn = orders([3, 4], 1, 100)
    assert torch.equal(drawn, orders([4, 3], 1, 100).flip(0))
    assert not torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], orders([3], 2, 100)[0])


def test_steps_can_be_asked_for_in_any_order() -> None:
    forward = numbered(20, [1, 2], 6)
    expected = [forward(step)[1] for step in range(12)]
    batches = numbered(20, [1, 2], 6)
    for step in (11, 0, 5, 4, 11):
        assert torch.equal(batches(step)[1], expected[step])


def test_kept_runs_go_on_with_their_own_rows() -> None:
    batches = numbered(20, [1, 2, 3], 6)
    batches(5)
    kept = batches.keep([0, 2])
    for step in (5, 6, 9):
        assert torch.equal(kept(step)[1], batches(step)[1][[0, 2]])


def test_a_bootstrap_sample_is_drawn_once_for_each_seed_that_bags() -> None:
    rows = torch.arange(200)
    for batch_size in (200, 64):
        batches = Batches(
            rows.unsqueeze(1).float(), rows, [1, 1, 2], batch_size, [True, False, True]
        )
        steps = steps_per_epoch(200, batch_size)
        for epoch in range(2):
            seen = torch.cat([batches(epoch * steps + batch)[1] for batch in range(steps)], 1)
            assert sorted(seen[0].tolist()) == sorted(bootstrap(1, 200).tolist())
            assert sorted(seen[1].tolist()) == rows.tolist()
            assert sorted(seen[2].tolist()) == sorted(bootstrap(2, 200).tolist())
    left_out = 1 - len(bootstrap(1, 10_000).unique()) / 10_000
    assert abs(left_out - 0.368) < 0.02  # (1 - 1/N)^N of the rows
    kept = batches.keep([2])
    assert torch.equal(kept(5)[1][0], batches(5)[1][2])

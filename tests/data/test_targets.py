"""Targets that differ between runs which share their inputs."""

import pytest
import torch

from dlx.data.batches import Batches
from dlx.data.targets import TargetSets, of_runs

# 2 sets, 5 rows; 3 runs, of which the first and the last have the second set
SETS = torch.arange(10).view(2, 5)
WHICH = [1, 0, 1]


@pytest.mark.parametrize("columns", [0, 3])
def test_each_run_has_those_of_its_set(columns: int) -> None:
    sets = SETS if not columns else SETS.unsqueeze(-1).expand(2, 5, columns).contiguous()
    targets = TargetSets(sets, WHICH)
    expected = torch.stack([sets[number] for number in WHICH])
    assert targets.of_runs().equal(expected)
    assert targets.of_runs(1, 3).equal(expected[:, 1:3])
    assert targets.keep([2, 1]).of_runs().equal(expected[[2, 1]])
    rows = torch.tensor([[4, 0], [1, 2], [3, 3]])
    pairs = zip(expected, rows, strict=True)
    gathered = torch.stack([values[numbers] for values, numbers in pairs])
    assert targets.gather(rows).equal(gathered)
    assert targets.thinned(torch.tensor([0, 3])).of_runs().equal(expected[:, [0, 3]])
    owners = [(values.tolist(), runs.tolist()) for values, runs in targets.owners()]
    assert owners == [(sets[0].tolist(), [1]), (sets[1].tolist(), [0, 2])]
    assert [runs.tolist() for _, runs in targets.keep([0]).owners()] == [[0]]


@pytest.mark.parametrize(("batch_size", "bagging"), [(2, False), (5, False), (5, True)])
def test_batches_are_those_of_each_run_alone(batch_size: int, bagging: bool) -> None:
    inputs = torch.arange(5.0).view(5, 1)
    bags = [bagging] * 3
    together = Batches(inputs, TargetSets(SETS, WHICH), [0, 1, 2], batch_size, bags)
    left = together.keep([0, 2])
    for step in range(4):
        for run, number in enumerate(WHICH):
            alone = Batches(inputs, SETS[number], [run], batch_size, bags[:1])
            x, targets = alone(step)
            assert together(step)[0][run].equal(x[0])
            assert together(step)[1][run].equal(targets[0])
            if run != 1:
                assert left(step)[1][run // 2].equal(targets[0])


def test_what_all_share_stays_the_same_object() -> None:
    inputs = torch.zeros(5, 1)
    shared = (inputs, SETS[0])
    assert of_runs(shared, [0]) is shared
    kept_inputs, kept = of_runs((inputs, TargetSets(SETS, WHICH)), [1])
    assert kept_inputs is inputs
    assert isinstance(kept, TargetSets) and kept.which == (0,)
    inputs, targets = of_runs((torch.rand(3, 5, 1), torch.rand(3, 5)), [0, 2])
    assert isinstance(targets, torch.Tensor)
    assert (inputs.shape, targets.shape) == ((2, 5, 1), (2, 5))

"""Rows of one copy of the data, of which each run takes its own."""

import pytest
import torch
from torch import Tensor

from dlx.data.batches import Batches
from dlx.data.selection import Change, Selection

# 6 rows of 2 inputs; 3 runs with 4 rows each, of which the first and the last have the same
BASE = torch.arange(12, dtype=torch.float64).view(6, 2)
ROWS = torch.tensor([[5, 0, 2, 1], [3, 4, 0, 5]])
WHICH = [1, 0, 1]
CHANGES = [
    Change(shift=torch.tensor([1.0, 2.0]).double(), scale=torch.tensor([3.0, 4.0]).double()),
    Change(shift=torch.tensor([7.0, 0.5]).double(), scale=torch.tensor([0.1, 2.0]).double()),
]
ALONE = [Selection(BASE, ROWS[n : n + 1], None, CHANGES[n]) for n in (0, 1)]


def together() -> Selection:
    return Selection.together([ALONE[number] for number in WHICH])


def of_runs() -> Tensor:
    """Return what each run has to see: (3, 4, 2)."""
    return torch.stack([CHANGES[n](BASE[ROWS[n]]) for n in WHICH])


def test_each_run_has_its_own_rows_and_preprocessing() -> None:
    selection, expected = together(), of_runs()
    assert selection.num_rows == 4 and not selection.is_shared and selection.which == (0, 1, 0)
    assert selection.chunk(0, 4).equal(expected) and expected.dtype == torch.float32
    assert selection.chunk(1, 3).equal(expected[:, 1:3])
    rows = torch.tensor([[3, 0], [1, 2], [3, 3]])
    gathered = torch.stack([own[numbers] for own, numbers in zip(expected, rows, strict=True)])
    assert selection.gather(rows).equal(gathered)
    assert selection.keep([2, 1]).chunk(0, 4).equal(expected[[2, 1]])
    assert selection.keep([1]).chunk(0, 4).equal(expected[1:2])
    assert selection.picked(torch.tensor([0, 3])).chunk(0, 2).equal(expected[:, [0, 3]])
    assert selection.picked(rows).chunk(0, 2).equal(gathered)


def test_one_copy_of_the_data_stays_in_memory() -> None:
    assert together().base is BASE
    assert together().keep([0, 1]).base is BASE


def test_what_all_share_is_kept_once() -> None:
    same = Selection.together([ALONE[0], Selection(BASE, ROWS[:1].clone(), None, CHANGES[0])])
    assert same.is_shared and same.change is None
    assert same.chunk(0, 4).shape == (1, 4, 2)
    assert same.keep([1]) is same
    plain = Selection(BASE, ROWS[:1])
    assert Selection.together([plain, plain]) is plain
    assert Selection.stacked([ROWS[0], ROWS[0].clone()]).is_shared


def test_missing_numbers_are_filled_with_each_runs_own() -> None:
    base = BASE.clone()
    base[0, 1] = torch.nan
    fills = [Change(fill=torch.tensor([0.0, value]).double()) for value in (5.0, 9.0)]
    runs = [Selection(base, ROWS[n : n + 1], None, fills[n]) for n in (0, 1)]
    seen = Selection.together(runs).chunk(0, 4)
    assert [seen[0, 1, 1], seen[1, 2, 1]] == [5.0, 9.0]


def test_large_numbers_keep_what_tells_them_apart() -> None:
    base = torch.tensor([[2.0**24 + 1], [2.0**24 + 2]], dtype=torch.float64)
    shift, scale = torch.tensor([2.0**24]).double(), torch.ones(1).double()
    assert Selection(base, None, None, Change(None, shift, scale)).tensor().tolist() == [[1], [2]]


def test_rows_of_their_own() -> None:
    values = torch.rand(3, 5, 2)
    own = Selection.own(values)
    assert own.chunk(0, 5).equal(values)
    assert own.keep([2, 0]).chunk(1, 3).equal(values[[2, 0], 1:3])


@pytest.mark.parametrize("columns", [0, 3])
def test_targets_that_differ_are_kept_once(columns: int) -> None:
    sets = torch.arange(10).view(2, 5)
    sets = sets.unsqueeze(-1).expand(2, 5, columns).contiguous() if columns else sets
    targets = Selection.stacked([sets[1], sets[0], sets[1]])
    assert len(targets.base) == 10
    assert targets.chunk(0, 5).equal(torch.stack([sets[1], sets[0], sets[1]]))


@pytest.mark.parametrize(("batch_size", "bagging"), [(2, False), (4, False), (4, True)])
def test_batches_are_those_of_each_run_alone(batch_size: int, bagging: bool) -> None:
    bags, labels = [bagging] * 3, torch.tensor([[0, 1, 2, 3], [4, 5, 6, 7]])
    targets = Selection.stacked([labels[number] for number in WHICH])
    several = Batches(together(), targets, [0, 1, 2], batch_size, bags)
    left = several.keep([0, 2])
    for step in range(4):
        for run, number in enumerate(WHICH):
            own = Selection.together([ALONE[number]])
            x, t = Batches(own, Selection(labels[number]), [run], batch_size, bags[:1])(step)
            assert several(step)[0][run].equal(x[0])
            assert several(step)[1][run].equal(t[0])
            if run != 1:
                assert left(step)[0][run // 2].equal(x[0])
                assert left(step)[1][run // 2].equal(t[0])

"""The code's layer: which units are kept, which are active."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dlx.nn.layers.code import Code, CodeSpec, Kept, KLargest, largest
from dlx.nn.passes import Pass

ROWS = st.lists(
    st.lists(st.integers(-3, 3).map(float), min_size=6, max_size=6), min_size=1, max_size=5
)


@given(ROWS, st.integers(1, 6))
def test_the_largest_are_kept_and_of_equal_ones_the_first(
    values: list[list[float]], number: int
) -> None:
    x = torch.tensor(values)
    kept = largest(x, number)
    for row, own in zip(values, kept, strict=True):
        expected = sorted(range(6), key=lambda unit: (-row[unit], unit))[:number]
        assert own.nonzero().flatten().tolist() == sorted(expected)
    torch.testing.assert_close(KLargest(number)(x), torch.where(kept, x, 0))


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_a_row_that_is_not_finite_stays_so(value: float) -> None:
    code = Code([CodeSpec("code", 3, Kept(2, 2))], [0], torch.float32, torch.device("cpu"))
    x = torch.tensor([[[value, value, value], [1.0, 2.0, 3.0]]])
    y = code.forward(x, Pass())
    assert y[0].isfinite().all(1).tolist() == [False, True]


def test_more_may_be_kept_in_evaluation() -> None:
    code = Code([CodeSpec("code", 4, Kept(1, 3))], [0], torch.float32, torch.device("cpu"))
    x = torch.tensor([[[1.0, 4.0, 2.0, 3.0]]])
    pass_ = Pass(tape=[])
    assert code.forward(x, pass_).tolist() == [[[0, 4, 0, 0]]]
    assert code.backward(torch.ones(1, 1, 4), pass_).tolist() == [[[0, 1, 0, 0]]]  # type: ignore[union-attr]
    assert code.forward(x, Pass()).tolist() == [[[0, 4, 2, 3]]]


def test_units_are_active_above_each_runs_threshold() -> None:
    specs = [CodeSpec("code", 2, threshold=0.0), CodeSpec("code", 2, threshold=0.5)]
    code = Code(specs, [0, 1], torch.float32, torch.device("cpu"))
    pass_ = Pass(measured={})
    code.forward(torch.tensor([[0.0, 0.2], [-0.7, 0.4]]).expand(2, 2, 2), pass_)
    assert pass_.measured is not None
    assert pass_.measured["active_units"].tolist() == [0.75, 0.25]

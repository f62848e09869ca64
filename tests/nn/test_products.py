"""The batched product: right, and with the same bits alone and together."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dlx.nn.products import product
from tests.cohorts import bits

pytestmark = pytest.mark.usefixtures("one_thread")

# Widths and batches that networks have, and the ragged ones around the vector lengths.
SIZES = st.one_of(st.integers(1, 40), st.sampled_from([50, 63, 64, 65, 100, 128, 131]))


def operands(
    runs: int, rows: int, contracted: int, columns: int, dtype: torch.dtype, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = [(rows, contracted), (contracted, columns), (1, columns)]
    a, b, c = (torch.randn(runs, *s, generator=generator, dtype=dtype) for s in shapes)
    return a, b, c


@given(runs=st.integers(1, 5), rows=SIZES, contracted=SIZES, columns=SIZES, turned=st.booleans())
def test_product_is_the_matrix_product(
    runs: int, rows: int, contracted: int, columns: int, turned: bool
) -> None:
    a, b, c = operands(runs, rows, contracted, columns, torch.float64)
    if turned:  # as the backward pass does
        a, b = a.mT.contiguous().mT, b.mT.contiguous().mT
    expected = torch.stack([torch.mm(a[k], b[k]) for k in range(runs)])
    torch.testing.assert_close(product(a, b), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(product(a, b, c), expected + c, rtol=1e-12, atol=1e-12)
    out = torch.full_like(expected, float("nan"))
    assert product(a, b, out=out) is out
    torch.testing.assert_close(out, expected, rtol=1e-12, atol=1e-12)
    assert product(a, b, c).is_contiguous()


@settings(max_examples=300)
@given(
    runs=st.integers(2, 6),
    rows=SIZES,
    contracted=SIZES,
    columns=SIZES,
    before=st.integers(0, 3),
    after=st.integers(0, 3),
    how=st.sampled_from(["forward", "weight", "input"]),
)
def test_a_runs_bits_are_the_same_alone_and_together(
    runs: int, rows: int, contracted: int, columns: int, before: int, after: int, how: str
) -> None:
    a, b, c = operands(runs, rows, contracted, columns, torch.float32)
    # Weights and their gradients are views of a buffer whose rows hold more than them, at starts
    # of whole vectors (see dlx.nn.parameters).
    size = contracted * columns
    width = 16 * (before + after) - (-size // 16) * 16
    start = 16 * before

    def inside(values: Tensor) -> Tensor:
        buffer = torch.zeros(len(values), width)
        view = buffer[:, start : start + size].view(values.shape)
        view.copy_(values)
        return view

    def compute(rows: slice) -> Tensor:
        if how == "forward":
            return product(a[rows], inside(b[rows]), c[rows])
        if how == "weight":
            out = inside(torch.zeros_like(b[rows]))
            return product(a[rows].clone().mT, upstream[rows].clone(), out=out)
        return product(upstream[rows].clone(), inside(b[rows]).mT)

    upstream = torch.tanh(a @ b)
    together = compute(slice(0, runs))
    for run in (0, runs // 2, runs - 1):
        alone = compute(slice(run, run + 1))
        assert torch.equal(bits(alone[0]), bits(together[run])), (how, run)

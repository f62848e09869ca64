import numpy as np
import pytest
import torch

from dlx.tracking.histogram import Histogram


def of(values: object) -> Histogram:
    histogram = Histogram.of(values)
    assert histogram is not None
    return histogram


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int64])
def test_counts_moments_and_edges(dtype: torch.dtype) -> None:
    values = (torch.randn(40, 25, generator=torch.Generator().manual_seed(0)) * 10).to(dtype)
    histogram = of(values)
    expected = values.float().double().numpy().ravel()
    counts, edges = np.histogram(expected, 30)
    np.testing.assert_array_equal(histogram.counts, counts)
    np.testing.assert_allclose(histogram.edges, edges)
    assert histogram.counts.sum() == 1000
    assert histogram.total == pytest.approx(expected.sum())
    assert histogram.squares == pytest.approx((expected**2).sum())


def test_a_parameter_and_an_array_that_is_not_contiguous() -> None:
    parameter = torch.nn.Parameter(torch.arange(12.0).reshape(3, 4))
    assert of(parameter).total == 66
    assert of(np.arange(12).reshape(3, 4).T[::2]).counts.sum() == 6


@pytest.mark.parametrize("value", [0.0, -2.5, 1e38, 1e-45])
def test_equal_values_are_one_bin(value: float) -> None:
    histogram = of(np.full(7, value, np.float32))
    assert histogram.counts.tolist() == [7]
    assert histogram.edges.tolist() == [np.float32(value)] * 2


def test_values_that_are_not_finite_are_left_out() -> None:
    histogram = of(np.array([np.nan, 1.0, np.inf, 3.0, -np.inf, 1e300]))
    assert (histogram.counts.sum(), histogram.edges[0], histogram.edges[-1]) == (2, 1.0, 3.0)
    assert Histogram.of(np.array([np.nan, np.inf])) is None
    assert Histogram.of(torch.empty(0, 3)) is None


@pytest.mark.parametrize(
    "ends", [(0.0, 1e-45), (1.0, 1.0000001), (-3e38, 3e38), (-1e-45, 3e38)], ids=str
)
def test_extreme_ranges(ends: tuple[float, float]) -> None:
    histogram = of(np.array([*ends, *ends], np.float32))
    assert histogram.counts.sum() == 4
    assert (histogram.counts[0], histogram.counts[-1]) == (2, 2)
    assert np.all(np.diff(histogram.edges) > 0)
    assert np.isfinite([histogram.total, histogram.squares]).all()

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from dlx.data.preprocessing import Preprocessing, division, fit
from dlx.data.statistics import CHUNK_ROWS, feature_statistics

VALUES = st.floats(-1e6, 1e6, width=32).map(lambda x: round(x, 3))
TABLES = arrays(np.float32, st.tuples(st.integers(1, 12), st.integers(1, 4)), elements=VALUES)


@given(TABLES)
def test_standardize_and_scale_are_scikit_learns(x):
    spread = np.ptp(x, axis=0)
    # scikit-learn calls an input constant a little earlier than we do.
    sure = (spread == 0) | (spread > 1e-3 * np.abs(x).max())
    for standardize, reference in ((True, StandardScaler()), (False, MinMaxScaler())):
        expected = reference.fit_transform(x.astype(np.float64))
        fitted = fit(x, standardize=standardize)(torch.from_numpy(x)).numpy()
        np.testing.assert_allclose(fitted[:, sure], expected[:, sure], atol=2e-3)


@pytest.mark.parametrize("standardize", [True, False, None])
def test_what_is_preprocessed_can_be_undone(standardize: bool | None) -> None:
    x = np.random.default_rng(0).normal(3, 2, (20, 4)).astype(np.float32)
    preprocessing = Preprocessing() if standardize is None else fit(x, standardize=standardize)
    preprocessed = preprocessing(torch.from_numpy(x))
    np.testing.assert_allclose(preprocessing.undone(preprocessed).numpy(), x, atol=1e-5)


def test_a_constant_input_becomes_zero():
    x = np.full((7, 1), 0.1, dtype=np.float32)
    for standardize in (True, False):
        preprocessing = fit(x, standardize=standardize)
        assert preprocessing.scale is not None and preprocessing.scale.tolist() == [1.0]
        assert preprocessing(torch.from_numpy(x)).abs().max() == 0


def test_a_number_divides_every_input_and_looks_at_no_row():
    x = np.array([[0, 4, 16, 8], [2, 2, 2, 2]], dtype=np.float32)
    preprocessing = division(4, 16)
    assert torch.equal(preprocessing(torch.from_numpy(x)), torch.from_numpy(x / 16))
    assert preprocessing.tensors().keys() == {"shift", "scale"}


def test_nothing_asked_for_is_nothing_done():
    preprocessing = division(2, None)
    x = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    assert preprocessing(x) is x
    assert preprocessing.tensors() == {}
    assert preprocessing.to("cpu") == Preprocessing() == Preprocessing.from_tensors({})


def test_saved_and_restored():
    x = np.arange(12, dtype=np.float32).reshape(4, 3) ** 2
    preprocessing = fit(x, standardize=True)
    restored = Preprocessing.from_tensors(preprocessing.tensors())
    assert torch.equal(restored(torch.from_numpy(x)), preprocessing(torch.from_numpy(x)))
    moved = preprocessing.to("meta").tensors()
    assert set(moved) == {"shift", "scale"}
    assert all(tensor.device.type == "meta" for tensor in moved.values())


def test_statistics_of_pixels_over_several_chunks():
    pixels = np.random.default_rng(0).integers(0, 256, (CHUNK_ROWS + 5, 2, 3), dtype=np.uint8)
    statistics = feature_statistics(pixels)
    x = pixels.reshape(-1, 6) / 255
    np.testing.assert_allclose(statistics.mean, x.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(statistics.std, x.std(axis=0), rtol=1e-6)
    np.testing.assert_allclose(statistics.minimum, x.min(axis=0), rtol=1e-6)
    np.testing.assert_allclose(statistics.maximum, x.max(axis=0), rtol=1e-6)

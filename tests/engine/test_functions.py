"""The engine's own exp, log, tanh, …: within two units in the last place of the true value."""

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mpmath import mp
from numpy.typing import NDArray
from scipy import special

from dlx.native import library

Function = Callable[[NDArray[np.float64]], NDArray[np.float64]]
NAMES: dict[str, Function] = {
    "exp": np.exp,
    "log": np.log,
    "tanh": np.tanh,
    "erf": special.erf,
    "logistic": special.expit,
    "log1p": np.log1p,
    "expm1": np.expm1,
}
RANGES = {
    "exp": (-104.0, 88.7),
    "log": (1e-45, np.inf),
    "tanh": (-np.inf, np.inf),
    "erf": (-np.inf, np.inf),
    "logistic": (-87.0, np.inf),
    "log1p": (0.0, 1.0),  # of exp(-|z|)
    "expm1": (-np.inf, 88.7),
}


def computed(name: str, x: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return what the library computes, in the precision of x."""
    suffix = "float" if x.dtype == np.float32 else "double"
    function = getattr(library.load(), f"dlx_function_{suffix}")
    function.argtypes = [ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
    y = np.empty_like(x)
    function(list(NAMES).index(name), x.ctypes.data, y.ctypes.data, len(x))
    return y


def units_off(actual: NDArray[np.float32], exact: NDArray[np.float64]) -> float:
    """Return the largest distance in units of the last place of single precision."""
    unit = np.spacing(np.abs(exact.astype(np.float32))).astype(np.float64)
    return float(np.max(np.abs(actual.astype(np.float64) - exact) / unit))


def singles(name: str, numbers: NDArray[np.uint32]) -> NDArray[np.float32]:
    x = numbers.view(np.float32)
    low, high = RANGES[name]
    return np.ascontiguousarray(x[(x >= low) & (x <= high) & np.isfinite(x)])


@pytest.mark.parametrize("level", ["v2", "v3", "v4"])
@pytest.mark.parametrize("name", NAMES)
def test_single_precision_is_off_by_two_units_at_most(
    monkeypatch: pytest.MonkeyPatch, name: str, level: str
) -> None:
    if level not in library.levels():
        return  # this processor has it not
    monkeypatch.setenv(library.LEVEL_VARIABLE, level)
    every_4001st = np.arange(0, 2**32, 4001, dtype=np.uint64).astype(np.uint32)
    x = singles(name, every_4001st)
    assert len(x) > 50_000
    exact = NAMES[name](x.astype(np.float64))
    assert units_off(computed(name, x), exact) <= 2


@pytest.mark.battery
@pytest.mark.parametrize("name", NAMES)
def test_every_number_of_single_precision(name: str) -> None:
    for start in range(0, 2**32, 2**24):
        x = singles(name, np.arange(start, start + 2**24, dtype=np.uint64).astype(np.uint32))
        if len(x):
            assert units_off(computed(name, x), NAMES[name](x.astype(np.float64))) <= 2


@pytest.mark.parametrize("name", NAMES)
def test_double_precision_is_off_by_two_units_at_most(name: str) -> None:
    random = np.random.default_rng(3)
    low, high = max(RANGES[name][0], -30.0), min(RANGES[name][1], 30.0)
    x = np.concatenate([random.uniform(low, high, 1500), random.uniform(-1, 1, 500) * 1e-3])
    x = np.ascontiguousarray(x[x >= low])
    exact: dict[str, Callable[[object], object]] = {
        "logistic": lambda v: 1 / (1 + mp.exp(-v))  # type: ignore[operator]
    }
    with mp.workdps(40):
        function: Callable[[Any], Any] = exact.get(name) or getattr(mp, name)
        y = computed(name, x)
        for value, result in zip(x.tolist(), y.tolist(), strict=True):
            true = function(mp.mpf(value))
            assert abs(mp.mpf(result) - true) <= 2 * np.spacing(abs(float(true))), value


SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, -1e-45], np.float32)


@pytest.mark.parametrize("name", NAMES)
def test_nan_infinity_and_zero_are_as_ieee_has_them(name: str) -> None:
    with np.errstate(all="ignore"):
        expected = NAMES[name](SPECIAL.astype(np.float64)).astype(np.float32)
    asked = (SPECIAL >= 0) & (SPECIAL <= 1) | np.isnan(SPECIAL) | (name != "log1p")
    x, expected = SPECIAL[asked], expected[asked]
    np.testing.assert_array_max_ulp(computed(name, x)[1:], expected[1:], 2)
    assert np.isnan(computed(name, x)[0])

"""The arrays of a user's function as a data set."""

import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from dlx.config.load import load
from dlx.data import functions
from dlx.data.pipeline import load as load_splits
from dlx.data.pipeline import load_dataset, prepare
from dlx.errors import ConfigError, DataError
from dlx.testing import check_data_source
from tests.data.made import NOWHERE

X = np.random.default_rng(0).normal(size=(20, 3))
T = np.arange(20) % 2


@pytest.fixture(autouse=True)
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    """A module of the name `made`, whose functions configs may name."""
    made = types.ModuleType("made")
    monkeypatch.setitem(sys.modules, "made", made)
    functions.allow_code()
    yield made
    functions.allow_code(False)


@pytest.fixture
def read(module: types.ModuleType) -> Callable[[Any], Any]:
    def returned(value: Any, **options: Any) -> Any:
        module.f = lambda: value  # type: ignore[attr-defined]
        return load_dataset("python", NOWHERE, function="made:f", **options)

    return returned


def test_inputs_and_targets(read: Any) -> None:
    dataset = read((X, T))
    np.testing.assert_array_equal(dataset.inputs, X.astype(np.float32))
    assert dataset.targets.tolist() == T.tolist()
    assert dataset.classes == ("0", "1")
    assert dataset.name == "made:f"
    assert read((X, T / 2)).classes == ("0", "0.5")
    assert read((X, X[:, 0])).classes is None
    assert read((X, T), task="regression").targets.shape == (20, 1)


def test_parts_of_its_own(read: Any) -> None:
    parts = {"test": (X[:3], T[:3]), "train": (X, T), "dev": (X[:5], T[:5])}
    splits = prepare(read(parts))
    assert splits.train.rows.tolist() == list(range(20))
    assert splits.dev is not None and splits.dev.rows.tolist() == list(range(20, 25))
    assert splits.test is not None and splits.test.rows.tolist() == [25, 26, 27]
    np.testing.assert_array_equal(splits.test.inputs, X[:3].astype(np.float32))


@pytest.mark.parametrize(
    "x", [X.tolist(), pd.DataFrame(X), torch.tensor(X), X.astype("f2"), X > 0, np.asfortranarray(X)]
)
def test_what_numpy_makes_an_array_of(x: Any, read: Any) -> None:
    words = pd.Series(["no", "yes"])[T]
    dataset = read((x, words))
    assert dataset.classes == ("no", "yes")
    assert dataset.inputs.dtype == np.float32
    np.testing.assert_allclose(dataset.inputs, np.asarray(x, dtype=np.float32))


class Lying:
    """Says that it is an array."""

    shape, dtype = (20, 3), np.dtype("f4")

    def __len__(self) -> int:
        return 20

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise RuntimeError("no")


NAN = X.copy()
NAN[4, 1] = np.nan
WRONG = {
    r"made:f returned a NoneType for train; return \(x, y\), arrays": lambda: None,
    r"returned a ndarray for train; return \(x, y\)": lambda: X,
    r"returned a tuple of 3 for train; return": lambda: (X, T, T),
    r"returned a mapping of 'x', 'y'; return": lambda: {"x": X, "y": T},
    r"returned a mapping of 'train', 'val'; return": lambda: {"train": (X, T), "val": (X, T)},
    r"returned a ndarray for dev; return": lambda: {"train": (X, T), "dev": X},
    r"inputs of train are a list that NumPy cannot turn into an array \(setting": lambda: (
        [[1], [1, 2]],
        T,
    ),
    r"inputs of train are a Lying that NumPy cannot turn into an array \(no\)": lambda: (
        Lying(),
        T,
    ),
    r"inputs of train are masked; fill": lambda: (np.ma.masked_greater(X, 0), T),
    r"inputs of train are a ndarray of complex128; return numbers": lambda: (X * 1j, T),
    r"targets of train are a list of object": lambda: (X, ["a", None] * 10),
    r"targets of train are a ndarray of datetime64": lambda: (X, T.astype("M8[s]")),
    r"inputs of shape \(19, 3\) and targets of shape \(20,\)": lambda: (X[1:], T),
    r"the inputs are <U32 words": lambda: (X.astype(str), T),
    r"test part: it has no rows": lambda: {"train": (X, T), "test": (X[:0], T[:0])},
}


@pytest.mark.parametrize("message", WRONG)
def test_what_is_no_data_set(message: str, read: Any) -> None:
    with pytest.raises(DataError, match=message):
        read(WRONG[message]())


def test_a_number_that_is_missing_is_named(read: Any) -> None:
    with pytest.raises(DataError, match=r"'made:f', row 4 .* input column 1: nan is not a finite"):
        prepare(read((NAN, T)))


def test_options_and_a_fingerprint_of_the_arrays(module: types.ModuleType) -> None:
    def f(*, shift: float = 0.0, labels: list[str] = ["a", "b"]) -> Any:
        return X + shift, np.array(labels)[T]

    module.f = f  # type: ignore[attr-defined]
    check_data_source("python", function="made:f", options={"labels": ["c", "d"]})
    data = {"name": "python", "function": "made:f"}
    splits = load_splits(load({"data": data}).data, NOWHERE)
    same = load_splits(load({"data": {**data, "options": {"shift": 0}}}).data, NOWHERE)
    moved = load_splits(load({"data": data}, ["data.options.shift=1"]).data, NOWHERE)
    assert splits.fingerprint == same.fingerprint != moved.fingerprint
    with pytest.raises(ConfigError, match=r"made:f takes \(\*, shift.*given are: shfit"):
        load_splits(load({"data": {**data, "options": {"shfit": 0}}}).data, NOWHERE)
    functions.allow_code(False)
    with pytest.raises(ConfigError, match="dlx --allow-code"):
        load_splits(load({"data": {"name": "moons", "dev_from": data}}).data, NOWHERE)


@pytest.mark.parametrize("name", ["made", "made.f", "made:", ":f", "made:f()", "made/f:f", 3])
def test_a_name_that_is_none(name: Any) -> None:
    with pytest.raises(ConfigError, match=r"data.function: received .*allowed: module:function"):
        load({"data": {"name": "python", "function": name}})

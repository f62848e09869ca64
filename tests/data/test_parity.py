from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlx.data.pipeline import load_dataset
from dlx.errors import ConfigError


@given(st.integers(1, 10))
def test_all_rows_are_there_once_in_counting_order(bits):
    made = load_dataset("parity", Path(), bits=bits)
    expected = [[int(bit) for bit in f"{number:0{bits}b}"] for number in range(2**bits)]
    assert made.inputs.tolist() == expected
    assert made.targets.tolist() == [sum(row) % 2 for row in expected]


def test_two_bits_are_xor():
    made, xor = load_dataset("parity", Path(), bits=2), load_dataset("xor", Path())
    np.testing.assert_array_equal(made.inputs, xor.inputs)
    np.testing.assert_array_equal(made.targets, xor.targets)


@given(st.integers(4, 62), st.integers(0, 100))
def test_drawn_rows_are_different_ones(bits, seed):
    made = load_dataset("parity", Path(), bits=bits, rows=16, seed=seed)
    assert len({tuple(row) for row in made.inputs.tolist()}) == 16
    np.testing.assert_array_equal(made.targets, made.inputs.sum(axis=1) % 2)
    assert made.inputs.shape == (16, bits)


def test_more_rows_than_there_are():
    with pytest.raises(ConfigError, match="received 17, but 4 bits have 16 rows; lower it or use"):
        load_dataset("parity", Path(), rows=17)
    with pytest.raises(ConfigError, match="21 bits have 2,097,152 rows, more than can be listed"):
        load_dataset("parity", Path(), bits=21)

"""Norms of parameters and penalties on them, added up in C.

# N rows, K runs, P numbers of a row, L layers
"""

from ctypes import c_int64, c_void_p

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dlx.engine.native import PRECISIONS
from dlx.native import library
from dlx.nn.parameters import ParameterBuffer
from dlx.optimizers.penalties import Penalties


def norms(buffer: ParameterBuffer, values: Tensor) -> dict[str, NDArray[np.float64]]:
    """Return the Euclidean norms of rows of values, (N, P), by layer: (N,) each, in float64."""
    _, squares = _sums(buffer, values)
    by_layer: dict[str, NDArray[np.float64]] = {}
    for parameter, own in zip(buffer.parameters, squares.T, strict=True):
        by_layer[parameter.layer] = by_layer.get(parameter.layer, 0.0) + own
    return {layer: np.sqrt(own) for layer, own in by_layer.items()}


def penalties(buffer: ParameterBuffer, of: Penalties) -> NDArray[np.float64]:
    """Return the penalty on each run's weights, 0 if it has none: (K,) float64."""
    sizes, squares = _sums(buffer, buffer.values)
    costs = np.zeros(len(sizes))
    with np.errstate(invalid="ignore", over="ignore"):  # weights may have left all bounds
        for rows, penalty in of.segments:
            for place, parameter in enumerate(buffer.parameters):
                if parameter.is_weight:
                    costs[rows] += sizes[rows, place] * penalty.l1
                    costs[rows] += squares[rows, place] * (penalty.l2 / 2)
    return costs


def _sums(
    buffer: ParameterBuffer, values: Tensor
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sums of |x| and of x² of each parameter in rows of values: (N, parameters)."""
    columns = np.array([[p.columns.start, p.columns.stop] for p in buffer.parameters], np.int64)
    sizes, squares = np.zeros((2, len(values), len(columns)))
    add_up = getattr(library.load(), f"dlx_sums_{PRECISIONS[values.dtype]}")
    add_up.argtypes = [c_void_p, c_int64, c_int64, c_void_p, c_int64, c_void_p, c_void_p]
    add_up.restype = None
    place = values.data_ptr(), len(values), values.stride(0), columns.ctypes.data, len(columns)
    add_up(*place, sizes.ctypes.data, squares.ctypes.data)
    return sizes, squares

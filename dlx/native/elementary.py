"""Elementary functions of double precision with the same bits on every machine."""

from ctypes import c_int64, c_void_p

import torch
from torch import Tensor

from dlx.native import library

_NAMES = ("exp", "log", "tanh", "erf", "logistic", "log1p", "expm1")  # as `precision.h` counts them


def elementary(name: str, x: Tensor) -> Tensor:
    """Return the function of that name of each number: float64, on the CPU."""
    x = x.contiguous()
    assert x.dtype == torch.float64
    y = torch.empty_like(x)
    function = library.load().dlx_function_double
    function.argtypes, function.restype = [c_int64, c_void_p, c_void_p, c_int64], None
    function(_NAMES.index(name), x.data_ptr(), y.data_ptr(), x.numel())
    return y

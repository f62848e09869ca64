"""Activations that torch has no module for stand in the exported script with all that they use."""

from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn

from dlx.models.export import _elementwise

_HALF = 0.5


def _root(z: Tensor, b: float) -> Tensor:
    return (z * z + b).sqrt()


def squareplus(z: Tensor, *, b: Annotated[float, Ge(0)] = 4.0) -> Tensor:
    return _HALF * (z + _root(z, b))


def test_options_helpers_and_constants_are_written() -> None:
    script = "from __future__ import annotations\n" + "\n\n".join(_elementwise([squareplus]))
    names = {"torch": torch, "nn": nn, "Tensor": Tensor}
    exec(script, names)
    module = names["Elementwise"](names["squareplus"], b=1.0)
    z = torch.linspace(-3, 3, 7)
    torch.testing.assert_close(module(z), squareplus(z, b=1.0), rtol=0, atol=0)

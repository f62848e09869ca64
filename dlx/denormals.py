"""Denormal numbers: those below the smallest normal one, at which most processors are very slow."""

import contextlib
import sys
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def flushed_denormals() -> Iterator[None]:
    """Take denormal numbers for zero, until the end.

    Adam's running means are full of them after a while, and most processors are very slow at them.
    Worker threads inherit the mode when the first parallel region makes them, so whatever computes
    is called within.
    """
    before = sys.float_info.min / 2 == 0.0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)

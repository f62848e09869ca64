"""Denormal numbers, those below the smallest normal one, are flushed to zero while computing."""

import contextlib
import sys
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def flushed_denormals() -> Iterator[None]:
    """Take denormal numbers for zero during the block.

    Adam's running means are full of them after a while, and most processors compute with them very
    slowly. Worker threads inherit the mode when they are made, in the first parallel region: so all
    computing is done inside such a block.
    """
    before = sys.float_info.min / 2 == 0.0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)

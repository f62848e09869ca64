"""Threads of the engine, and torch's beside them."""

import pytest
import torch

from dlx.engine.threads import torch_alone


def test_torch_computes_alone_for_a_while() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with torch_alone():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 3
        with pytest.raises(ValueError, match="stop"), torch_alone():
            raise ValueError("stop")
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)

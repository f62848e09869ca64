from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dlx.errors import RunError
from dlx.runs import weights


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    tensors = {"0.weight": torch.randn(3, 2), "0.bias": torch.zeros(3)}
    weights.save(path, tensors, {"weights": "best", "step": 7})
    loaded, metadata = weights.load(path)
    assert metadata == {"weights": "best", "step": 7}
    assert all(torch.equal(loaded[name], tensors[name]) for name in tensors)
    assert load_file(path).keys() == tensors.keys()  # any safetensors reader reads it


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(
        RunError, match=r"w\.safetensors is missing: not saved yet, or deleted; resume"
    ):
        weights.load(tmp_path / "w.safetensors")


@pytest.mark.parametrize("keep", [0, 4, 40, -1])
def test_damaged(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "w.safetensors"
    weights.save(path, {"w": torch.zeros(100)}, {})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(RunError, match=r"w\.safetensors is damaged .* resume or train the run"):
        weights.load(path)


def test_a_directory_in_its_place(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"cannot read .*Is a directory"):
        weights.load(tmp_path)

import errno
import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load as load_by_safetensors

from dlx.errors import RunError, StorageError
from dlx.runs import weights
from dlx.runs.documents import sha256

PATH = Path("w.safetensors")


def test_round_trip() -> None:
    tensors = {"0.weight": torch.randn(3, 2), "0.bias": torch.zeros(3)}
    content = weights.encode(tensors, {"weights": "best", "step": 7})
    loaded, metadata = weights.load(content, PATH)
    assert metadata == {"weights": "best", "step": 7}
    assert all(torch.equal(loaded[name], tensors[name]) for name in tensors)
    # Any safetensors reader reads it.
    assert load_by_safetensors(content).keys() == tensors.keys()


def test_what_is_saved_is_what_is_encoded(tmp_path: Path) -> None:
    flat = torch.arange(12.0).reshape(3, 4)
    tensors = {"b": flat[1], "a": torch.ones(3, 2).T, "empty": torch.empty(0, 7)}
    path = tmp_path / "w.safetensors"
    for metadata in ({}, {"weights": "best", "step": 7}):
        digest = weights.save(path, tensors, metadata)
        assert path.read_bytes() == weights.encode(tensors, metadata)
        assert digest == sha256(path.read_bytes())
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_does_not_give_back_what_was_saved_is_told_with_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(hashlib, "file_digest", unreadable)
    with pytest.raises(StorageError, match=r"cannot read .*w\.safetensors: Input/output error; "):
        weights.save(tmp_path / "w.safetensors", {"w": torch.zeros(3)}, {})


def test_a_save_that_fails_leaves_the_old_file(tmp_path: Path, small_limit: int) -> None:
    path = tmp_path / "w.safetensors"
    weights.save(path, {"w": torch.zeros(3)}, {})
    old = path.read_bytes()
    with pytest.raises(StorageError, match=r"cannot write .*w\.safetensors"):
        weights.save(path, {"w": torch.zeros(small_limit)}, {})
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(StorageError, match=r"cannot write .*w\.safetensors"):
        weights.save(tmp_path / "nowhere" / "w.safetensors", {"w": torch.zeros(3)}, {})


def test_others_may_read_what_is_saved_as_they_may_other_files(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.touch()
    weights.save(tmp_path / "w.safetensors", {"w": torch.zeros(3)}, {})
    assert (tmp_path / "w.safetensors").stat().st_mode == other.stat().st_mode


@pytest.mark.parametrize("keep", [0, 4, 40, -1])
def test_damaged(keep: int) -> None:
    content = weights.encode({"w": torch.zeros(100)}, {})
    with pytest.raises(RunError, match=r"w\.safetensors is damaged .* resume or train the run"):
        weights.load(content[:keep], PATH)

"""Folders that are moved or deleted while they are written to."""

from pathlib import Path

import pytest

from dlx.errors import StorageError
from dlx.runs import RunDirectory
from dlx.training.store import CohortStore


def test_a_folder_that_was_moved_is_not_made_anew(tmp_path: Path) -> None:
    store = CohortStore(tmp_path / "1", 1, {}, {})
    with pytest.raises(StorageError, match=r"1 is gone: .* by `dlx resume`"):
        store.save(1, {}, {})
    assert list(tmp_path.iterdir()) == []


def test_metrics_that_were_deleted(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "xor")
    with pytest.raises(StorageError, match=r"metrics\.jsonl is gone: it was moved or deleted"):
        run.write_files({}, grown=["metrics.jsonl"])
    store = CohortStore(run.path, 1, {}, {})
    with pytest.raises(StorageError, match=r"metrics\.jsonl is gone: it was moved or deleted"):
        store._drop_unfinished()

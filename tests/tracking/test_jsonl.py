import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dlx.errors import RunError, StorageError
from dlx.tracking import Tracker, read, series
from dlx.tracking.metrics import MetricsFile


def test_round_trip(tmp_path: Path, record: dict[str, Any]) -> None:
    with Tracker(tmp_path, tensorboard=False) as tracker:
        tracker.log(record)
        tracker.log(record | {"step": 938, "note": "가"})
    assert read(tmp_path / "metrics.jsonl") == [record, record | {"step": 938, "note": "가"}]
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_numbers_of_every_kind(tmp_path: Path) -> None:
    numbers = {
        "nan": math.nan,
        "inf": -math.inf,
        "numpy": np.float32(0.1),
        "numpy nan": np.float64("nan"),
        "integer": np.int64(7),
        "tensor": torch.tensor(0.1, dtype=torch.float64),
        "none": None,
    }
    with Tracker(tmp_path) as tracker:
        tracker.log({"step": 1, "seconds": math.nan, "train": numbers})
    line = (tmp_path / "metrics.jsonl").read_text()
    assert json.loads(line, parse_constant=pytest.fail) == {
        "step": 1,
        "seconds": None,
        "train": {
            "nan": None,
            "inf": None,
            "numpy": float(np.float32(0.1)),
            "numpy nan": None,
            "integer": 7,
            "tensor": 0.1,
            "none": None,
        },
    }


def test_series() -> None:
    records = [
        {"step": 0, "train": {"cost": 2.0}, "dev": None},
        {"step": 5, "train": {"cost": None, "accuracy": 0.5}},
        {"step": 9, "train": {"accuracy": 0.75}, "dev": {"cost": 1.0}},
    ]
    assert series(records, "train", "accuracy") == ([5, 9], [0.5, 0.75])
    assert series(records, "dev", "cost") == ([9], [1.0])
    assert series(records, "test", "cost") == ([], [])
    steps, values = series(records, "train", "cost")
    assert steps == [0, 5]
    assert values[0] == 2.0
    assert math.isnan(values[1])


def test_a_half_written_last_line_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2, "tra')
    assert read(path) == [{"step": 1}]
    with Tracker(tmp_path, tensorboard=False) as tracker:
        assert tracker.position() == 12
        tracker.log({"step": 2})
    assert read(path) == [{"step": 1}, {"step": 2}]


def test_what_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with pytest.raises(RunError, match=r"cannot read .*metrics\.jsonl: No such file"):
        read(path)
    for damage in (b"{", b"7", b"\xff"):
        path.write_bytes(b'{"step": 1}\n' + damage + b'\n{"step": 3}\n')
        with pytest.raises(RunError, match=r"metrics\.jsonl:2: damaged line"):
            read(path)


@pytest.mark.parametrize("position", [5, 13, 100])
def test_a_position_that_does_not_fit_the_file(tmp_path: Path, position: int) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n')
    with pytest.raises(RunError, match=f"no line ends at byte {position}.*put it back"):
        MetricsFile(path, position)
    assert read(path) == [{"step": 1}]


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, small_limit: int) -> None:
    with Tracker(tmp_path, tensorboard=False) as tracker:
        tracker.log({"step": 1})
        with pytest.raises(StorageError, match=r"cannot write .*metrics\.jsonl: File too large"):
            tracker.log({"step": 2, "train": {f"cost/{n}": 0.5 for n in range(small_limit // 8)}})
        tracker.log({"step": 3})
    assert [record["step"] for record in read(tmp_path / "metrics.jsonl")] == [1, 3]


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match=r"cannot make .*a part of the path is a file"):
        Tracker(tmp_path / "file" / "run")

import hashlib
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save as serialize

from dlx.errors import RunError, StorageError
from dlx.runs import checkpoints
from dlx.runs.weights import SCHEMA
from tests.guarded import SAVING

WRITER = """
import sys
from pathlib import Path
import torch
from dlx.runs import checkpoints
for step in range(1_000_000):
    tensors = {"w": torch.full((100_000,), float(step))}
    checkpoints.save(Path(sys.argv[1]), step, tensors, {"step": step})
    print(step, flush=True)
"""


def save(folder: Path, step: int) -> Path:
    return checkpoints.save(folder, step, {"w": torch.full((3,), float(step))}, {"at": step})


def steps(folder: Path) -> list[int]:
    return sorted(int(path.name[5:13]) for path in folder.iterdir())


def newest(folder: Path) -> checkpoints.Checkpoint:
    checkpoint = checkpoints.load_newest(folder)
    assert checkpoint is not None
    return checkpoint


def test_round_trip_of_every_dtype_and_of_views(tmp_path: Path) -> None:
    flat = torch.arange(12, dtype=torch.float64).reshape(3, 4)
    tensors = {
        "row": flat[1],
        "columns": flat[:, 1:3],
        "expanded": torch.ones(1).expand(5),
        "bytes": torch.arange(256, dtype=torch.uint8),
        "empty": torch.empty(0, 7),
        "scalar": torch.tensor(3, dtype=torch.int64),
        "half": torch.tensor([1.5, float("nan"), float("inf")], dtype=torch.bfloat16),
        "parameter": torch.nn.Parameter(torch.zeros(2)),
    }
    metadata = {"epoch": 2, "nested": {"text": "가", "list": [1, None, True]}}
    path = checkpoints.save(tmp_path, 469, tensors, metadata)

    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert path == tmp_path / f"step=00000469.{digest}.safetensors"
    loaded = newest(tmp_path)
    assert (loaded.step, loaded.path, loaded.metadata) == (469, path, metadata)
    assert loaded.warnings == []
    assert loaded.tensors.keys() == tensors.keys()
    for name, tensor in tensors.items():
        torch.testing.assert_close(
            loaded.tensors[name], tensor.detach(), rtol=0, atol=0, equal_nan=True
        )


def test_equal_states_give_equal_files(tmp_path: Path) -> None:
    tensors = {"a": torch.ones(2), "b": torch.zeros(3)}
    one = checkpoints.save(tmp_path / "one", 1, tensors, {"x": 1, "y": 2})
    two = checkpoints.save(tmp_path / "two", 1, dict(reversed(tensors.items())), {"y": 2, "x": 1})
    assert one.name == two.name


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    for step in (5, 10, 15, 20):
        save(tmp_path, step)
    assert steps(tmp_path) == [15, 20]
    assert newest(tmp_path).step == 20


def test_no_checkpoint(tmp_path: Path) -> None:
    assert checkpoints.load_newest(tmp_path) is None
    assert checkpoints.load_newest(tmp_path / "missing") is None


@pytest.mark.parametrize("damage", ["truncated", "empty", "bit flip", "garbage"])
def test_a_damaged_newest_falls_back_and_is_replaced(tmp_path: Path, damage: str) -> None:
    save(tmp_path, 10)
    path = save(tmp_path, 20)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    damaged = {
        "truncated": path.read_bytes()[:-1],
        "empty": b"",
        "bit flip": bytes(content),
        "garbage": b"garbage" * 100,
    }
    path.write_bytes(damaged[damage])

    loaded = newest(tmp_path)
    assert loaded.step == 10
    assert loaded.tensors["w"].tolist() == [10.0] * 3
    (warning,) = loaded.warnings
    assert re.search(f"passed over the damaged checkpoint .*{path.name}.*digest", warning)

    save(tmp_path, 15)  # training goes on from step 10: the damaged file of step 20 is void
    assert steps(tmp_path) == [10, 15]
    assert newest(tmp_path).warnings == []


def test_all_damaged(tmp_path: Path) -> None:
    for step in (10, 20):
        save(tmp_path, step).write_bytes(b"")
    with pytest.raises(RunError, match=r"no checkpoint in .* train the run again .*00000020"):
        checkpoints.load_newest(tmp_path)


def test_a_second_checkpoint_of_a_step_replaces_the_first(tmp_path: Path) -> None:
    save(tmp_path, 10)
    save(tmp_path, 20)
    checkpoints.save(tmp_path, 20, {"w": torch.zeros(1)}, {"at": "end"})
    assert steps(tmp_path) == [10, 20]
    assert newest(tmp_path).metadata == {"at": "end"}


def write_raw(folder: Path, step: int, metadata: dict[str, str] | None) -> None:
    content = serialize({"w": torch.zeros(1)}, metadata)
    digest = hashlib.sha256(content).hexdigest()
    (folder / f"step={step:08d}.{digest}.safetensors").write_bytes(content)


def test_a_newer_schema_is_refused_with_the_cure(tmp_path: Path) -> None:
    save(tmp_path, 10)
    write_raw(tmp_path, 20, {"dlx": json.dumps({"schema": SCHEMA + 1, "metadata": {}})})
    with pytest.raises(RunError, match=r"newer dlx \(schema 2; this one reads up to 1\): upgrade"):
        checkpoints.load_newest(tmp_path)


@pytest.mark.parametrize("metadata", [None, {"dlx": "[]"}, {"dlx": "{"}, {"other": "1"}])
def test_a_foreign_file_is_passed_over(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    save(tmp_path, 10)
    write_raw(tmp_path, 20, metadata)
    assert newest(tmp_path).step == 10
    assert "not a file that dlx wrote" in newest(tmp_path).warnings[0]


def test_a_full_disk_keeps_the_earlier_checkpoints(full_disk: Path) -> None:
    save(full_disk, 10)
    save(full_disk, 20)
    with pytest.raises(StorageError, match="No space left"):
        checkpoints.save(full_disk, 30, {"w": torch.zeros(1_000_000)}, {})
    assert steps(full_disk) == [10, 20]
    assert newest(full_disk).step == 20


def test_what_a_killed_save_left_is_deleted_by_the_next(tmp_path: Path) -> None:
    (tmp_path / ".step=00000007.abc.safetensors.0a1b2c3d.tmp").write_bytes(b"half")
    path = save(tmp_path, 10)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("place", ["cohort/checkpoints", "cohort"])
def test_a_file_in_place_of_the_folder_or_of_the_one_above(place: str, tmp_path: Path) -> None:
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).touch()
    folder = tmp_path / "cohort" / "checkpoints"
    for look in (checkpoints.load_newest, checkpoints.newest_step):
        with pytest.raises(RunError, match=r"checkpoints is no folder.*put the folder back"):
            look(folder)


@pytest.mark.slow(*SAVING)
def test_killed_while_saving(tmp_path: Path) -> None:
    for delay in (0.0, 0.004, 0.017):
        command = [sys.executable, "-c", WRITER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            for _ in range(5):
                writer.stdout.readline()
            time.sleep(delay)
            writer.send_signal(signal.SIGKILL)
            said = [4, *map(int, writer.stdout.read().split())]
        loaded = newest(tmp_path)
        assert loaded.warnings == []
        assert loaded.step in (said[-1], said[-1] + 1)
        assert loaded.metadata == {"step": loaded.step}
        assert torch.equal(loaded.tensors["w"], torch.full((100_000,), float(loaded.step)))
    save(tmp_path, 1_000_000)
    assert len(list(tmp_path.iterdir())) == 2  # what the killed ones half wrote is gone too
